-- What of these chunks is asked for by their ids?
create or replace function ragpg_internal.known_chunks(
    chunk_ids bigint[],
    only_index_id bigint default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunk_id bigint, index_id bigint, document_id bigint, document_version integer,
    ordinal integer, start_char integer, end_char integer, page integer, language text,
    context text, content text, content_hash bytea, lexemes tsvector, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select chunk.id, chunk.index_id, chunk.document_id, chunk.document_version,'
        ' chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page, chunk.language,'
        ' chunk.context, chunk.content, chunk.content_hash, chunk.lexemes, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.id = any($1)'
        || coalesce(' and chunk.index_id = ' || only_index_id, '')
        || ragpg_internal.own_condition(proof)
    using chunk_ids;
end
$$;
comment on function ragpg_internal.known_chunks(bigint[], bigint, uuid) is
'Returns what is asked of chunks by their ids, in no order; nothing of those that are gone. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller''s.';
