-- Which chunks end within a sentence?
create or replace function ragpg_internal.cut_chunks(collection text default null)
returns table (chunk_id bigint, document_id bigint, content text)
language plpgsql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    active_id constant bigint := (
        select one.active_index_id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(cut_chunks.collection)
    );
begin
    return query
    select ended.chunk_id, ended.document_id, ended.content
    from (
        select
            chunk.chunk_id, chunk.document_id, chunk.content, chunk.end_char,
            lead(chunk.start_char) over (
                partition by chunk.document_id order by chunk.ordinal
            ) as next_start
        from ragpg_internal.document_chunks(active_id, null) as chunk
    ) as ended
    join ragpg.documents as document on document.id = ended.document_id
    where ended.next_start is not null
        and right(ended.content, 8) !~ '[.!?:;…؟।。！？；：|>}][\u0022\u0027)\]*_`”’»）」』]*$'
        -- Between lines is no sentence; the character after the chunk tells.
        and ended.next_start <= ended.end_char + 2
        and substr(document.content, ended.end_char + 1, 2) !~ '^\s*\n';
end
$$;
comment on function ragpg_internal.cut_chunks(text) is
'Returns the chunks of a collection''s active search index that end within a sentence or a word: what they hold was longer than the window.';
