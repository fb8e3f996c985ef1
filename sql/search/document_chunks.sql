-- What are the chunks of these documents?
create or replace function ragpg_internal.document_chunks(
    index_id bigint,
    document_ids bigint[],
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunk_id bigint, document_id bigint, document_version integer, ordinal integer,
    start_char integer, end_char integer, context text, content text, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select chunk.id, chunk.document_id, chunk.document_version, chunk.ordinal,'
        ' chunk.start_char, chunk.end_char, chunk.context, chunk.content, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || case when document_ids is not null then ' and chunk.document_id = any($2)' else '' end
        || ragpg_internal.own_condition(proof)
    using document_chunks.index_id, document_ids;
end
$$;
comment on function ragpg_internal.document_chunks(bigint, bigint[], uuid) is
'Returns the chunks that documents have in a search index, in no order; null for all documents. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller''s.';
