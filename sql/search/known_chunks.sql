-- What of these chunks is asked for by their ids?
create or replace function ragpg_internal.known_chunks(chunk_ids bigint[])
returns table (
    chunk_id bigint, index_id bigint, document_id bigint, language text, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    return query
    select chunk.id, chunk.index_id, chunk.document_id, chunk.language, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.id = any(chunk_ids);
end
$$;
comment on function ragpg_internal.known_chunks(bigint[]) is
'Returns what the client asks of chunks by their ids, in no order; nothing of those that are gone.';
