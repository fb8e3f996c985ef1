-- What are the chunks of these documents?
create or replace function ragpg_internal.document_chunks(index_id bigint, document_ids bigint[])
returns table (
    chunk_id bigint, document_id bigint, ordinal integer, start_char integer, end_char integer,
    context text, content text, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    return query
    select
        chunk.id, chunk.document_id, chunk.ordinal, chunk.start_char, chunk.end_char,
        chunk.context, chunk.content, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.index_id = document_chunks.index_id and chunk.document_id = any(document_ids);
end
$$;
comment on function ragpg_internal.document_chunks(bigint, bigint[]) is
'Returns the chunks that documents have in a search index, in no order.';
