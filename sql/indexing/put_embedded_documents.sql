-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg_internal.put_embedded_documents(
    index_id bigint,
    sources text[],
    contents text[],
    titles text[],
    media_types text[],
    metadata jsonb[],
    source_hashes bytea[],
    embeddings halfvec[]
) returns table (source text, outcome text)
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
    kept record;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after this and finds the versions indexed.
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.place
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash, tenant
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash, owner_name
        from given
        on conflict on constraint documents_collection_id_tenant_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at, tenant
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp(), owner_name
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select
        array_agg(given.place) as places, array_agg(stored.id) as ids,
        array_agg(stored.version) as versions,
        array_agg(stored.id) filter (where stored.version > 1) as changed_ids
    into kept
    from stored
    join given on given.source = stored.source;
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            recipe.id, array_agg(stored.id), array_agg(stored.id), array_agg(stored.version),
            array_agg(0), array_agg(0), array_agg(null::integer), array_agg(0),
            array_agg(spoken.language), array_agg(given.title), array_agg(given.content),
            array_agg(given.embedding), array_agg(0)
        )
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = recipe.id
            and chunk.document_id = any(kept.changed_ids)
            and chunk.ordinal > 0;
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, spoken.language, given.title, given.content, '', given.embedding, owner_name
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken
        on conflict (document_id, ordinal, index_id) do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            lexeme_count = excluded.lexeme_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            lexemes = excluded.lexemes,
            embedding = excluded.embedding,
            generated_chars = 0;
    end if;
    return query
    select
        sources[stored.place], case stored.version when 1 then 'added' else 'updated' end
    from unnest(kept.places, kept.versions) as stored (place, version);
end
$$;
comment on function ragpg_internal.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';
