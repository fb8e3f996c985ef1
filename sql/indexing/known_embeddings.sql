-- Which of these texts are embedded already?
create or replace function ragpg_internal.known_embeddings(
    index_ids bigint[], hashes bytea[], tenant text default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns table (content_hash bytea, embedding halfvec)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owner_name text := known_embeddings.tenant;
    own_condition constant text := ragpg_internal.own_condition(proof);
begin
    if own_condition <> '' then
        owner_name := coalesce(
            owner_name, (select known.tenant from ragpg_internal.proven_tenant(proof) as known)
        );
    else
        owner_name := coalesce(owner_name, ragpg_internal.written_tenant());
    end if;
    if ragpg_internal.is_distributed() then
        return query execute format(
            'select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding'
            ' from ragpg.chunks as chunk'
            ' where chunk.index_id = any($1) and chunk.content_hash = any($2)'
            ' and chunk.tenant = %L%s',
            owner_name, own_condition
        )
        using index_ids, hashes;
        return;
    end if;
    return query
    select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.index_id = any(index_ids)
        and chunk.content_hash = any(hashes)
        and chunk.tenant = owner_name;
end
$$;
comment on function ragpg_internal.known_embeddings(bigint[], bytea[], text, uuid) is
'Returns the embeddings of those texts, by their hashes, that a chunk of the tenant (by default the caller''s) in one of the search indexes has. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller''s tenant.';
