-- The chunks of a document version, all at once.
create or replace function ragpg_internal.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[],
    generated_chars integer[] default null
) returns integer
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    owner_name text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata, document.tenant
    into body, page_starts, document_metadata, owner_name
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for share;  -- a newer version waits, so that it is not taken off the queue unread
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg_internal.document_language(recipe.language, document_metadata, body)
    into strict words_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            replace_chunks.index_id, array[replace_chunks.document_id],
            array_agg(replace_chunks.document_id), array_agg(replace_chunks.document_version),
            array_agg(piece.ordinal), array_agg(piece.start_char),
            array_agg(width_bucket(piece.start_char, page_starts)), array_agg(piece.token_count),
            array_agg(words_language), array_agg(piece.context), array_agg(piece.content),
            array_agg(piece.embedding), array_agg(piece.generated_chars)
        )
        from (
            with blocks as materialized (
                select number, substr(body, number * block + 1, block + longest) as content
                from (select distinct start / block as number from unnest(starts) as start) as used
            )
            select
                (piece.place - 1)::integer as ordinal, piece.start_char, piece.token_count,
                piece.context, piece.embedding,
                coalesce(piece.generated_chars, 0) as generated_chars,
                substr(
                    blocks.content,
                    piece.start_char - blocks.number * block + 1,
                    piece.end_char - piece.start_char
                ) as content
            from unnest(
                starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
            ) with ordinality as piece (
                start_char, end_char, context, token_count, embedding, generated_chars, place
            )
            join blocks on blocks.number = piece.start_char / block
        ) as piece;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = replace_chunks.index_id
            and chunk.document_id = replace_chunks.document_id;
        insert into ragpg.chunks (
            index_id, document_id, document_version, ordinal, start_char, end_char, page,
            token_count, lexeme_count, language, context, content, lexemes, embedding,
            generated_chars, tenant
        )
        with blocks as materialized (
            select number, substr(body, number * block + 1, block + longest) as content
            from (select distinct start / block as number from unnest(starts) as start) as used
        )
        select
            replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
            piece.place - 1, piece.start_char, piece.end_char,
            width_bucket(piece.start_char, page_starts), piece.token_count,
            0, words_language, piece.context,
            substr(
                blocks.content,
                piece.start_char - blocks.number * block + 1,
                piece.end_char - piece.start_char
            ),
            '', piece.embedding, coalesce(piece.generated_chars, 0), owner_name
        from unnest(
            starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
        ) with ordinality
            as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
        join blocks on blocks.number = piece.start_char / block;
    end if;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since, tenant
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null, owner_name
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$$;
comment on function ragpg_internal.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';
