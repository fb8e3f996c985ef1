-- Which of these texts are embedded already?
create or replace function ragpg_internal.known_embeddings(
    index_ids bigint[], hashes bytea[], tenant text default null
) returns table (content_hash bytea, embedding halfvec)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owner_name constant text := coalesce(
        known_embeddings.tenant, ragpg_internal.written_tenant()
    );
begin
    return query
    select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.index_id = any(index_ids)
        and chunk.content_hash = any(hashes)
        and chunk.tenant = owner_name;
end
$$;
comment on function ragpg_internal.known_embeddings(bigint[], bytea[], text) is
'Returns the embeddings of those texts, by their hashes, that a chunk of the tenant (by default the caller''s) in one of the search indexes has.';
