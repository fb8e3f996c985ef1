-- The chunks of documents whose metadata alone are new, where other servers hold them.
create or replace function ragpg_internal.carry_chunks(
    index_id bigint,
    document_ids bigint[],
    document_version integer,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owned record;
begin
    for owned in
        select known.* from ragpg_internal.document_owners(document_ids, proof) as known
    loop
        execute format(
            'update ragpg.chunks as chunk set document_version = $3'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using carry_chunks.index_id, owned.owned_ids, carry_chunks.document_version;
    end loop;
end
$$;
comment on function ragpg_internal.carry_chunks(bigint, bigint[], integer, uuid) is
'Makes a search index''s chunks of documents those of a version, where ragpg.chunks is distributed. Part of ragpg_internal.queue_documents. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller''s documents: RG007 for others.';
