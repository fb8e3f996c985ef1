-- 0015: the SQL surface completed, and health made visible.

-- What did a source say at that time?
create or replace function ragpg.document_as_of(
    collection text, source text, as_of timestamptz default now()
) returns text
language sql stable
begin atomic
    select ragpg.document_text(history.document_id, history.version)
    from ragpg.document_history as history
    where history.collection = document_as_of.collection
        and history.source = document_as_of.source
        and history.valid_from <= document_as_of.as_of
        and (history.valid_to is null or document_as_of.as_of < history.valid_to)
    order by history.valid_from desc, history.version desc
    limit 1;
end;
comment on function ragpg.document_as_of(text, text, timestamptz) is
'Returns the text a source had at a time; null when there was none, or when that version was pruned.';

-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null
) returns table (
    place integer, source text, content text, score double precision,
    similarity double precision, vector_place integer, bm25 double precision,
    keyword_place integer, words text[], chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    -- Named by its id, so that the log of searches does not count an explanation.
    return query
    select
        best.place, best.source, best.content, best.score, best.similarity, near.place, best.bm25,
        said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg.lexeme_query(word.lexeme)
        ),
        best.chunk_id
    from ragpg.search(query, k, null, filter, query_embedding, index_id => recipe.id) as best
    join ragpg.chunks as chunk on chunk.index_id = recipe.id and chunk.id = best.chunk_id
    left join ragpg.search(
        query, greatest(k, recipe.candidates), null, filter, query_embedding,
        -- Without a model that embeds the question there is no vector leg to ask.
        case
            when query_embedding is not null or exists (
                select
                from ragpg.encoders as encoder
                where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
            ) then 'vector'
            else 'keyword'
        end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(
        query, greatest(k, recipe.candidates), null, filter, null, 'keyword', recipe.id
    ) as said on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec) is
'Returns the hits of a hybrid ragpg.search with their place in each leg (null: not among its candidates) and the query''s words they hold. Three searches, so for looking, not for serving.';

-- The nearest chunks, for clients written for the convention of this name.
create or replace function ragpg.match_documents(
    query_embedding vector,
    match_count integer default 10,
    filter jsonb default '{}',
    collection text default null
) returns table (id bigint, content text, metadata jsonb, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    conditions jsonpath;
begin
    if jsonb_path_exists(filter, '$.* ? (@.type() == "object" || @.type() == "array")') then
        raise exception 'the filter % holds more than plain values', filter
            using errcode = 'RG005', hint = 'use ragpg.search, whose filter is a jsonpath predicate';
    end if;
    select string_agg(format('$.%s == %s', to_json(wanted.key), wanted.value), ' && ')::jsonpath
    into conditions
    from jsonb_each(filter) as wanted;
    return query
    select hit.chunk_id, hit.content, hit.metadata, hit.similarity
    from ragpg.search(
        query => '', k => match_count, collection => match_documents.collection,
        filter => conditions, query_embedding => match_documents.query_embedding::halfvec,
        mode => 'vector'
    ) as hit
    order by hit.place;
end
$$;
comment on function ragpg.match_documents(vector, integer, jsonb, text) is
'Returns the match_count chunks nearest to an embedding, best first, of documents whose metadata have each key''s value in the filter. The calling convention of many client libraries; ragpg.search does more. Raises RG005 when the filter is nested.';

-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    given ragpg.chunks;
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.* into given
    from ragpg.chunks as chunk
    where chunk.id = similar_chunks.to_chunk_id;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.id
    from ragpg.vector_candidates(given.index_id, given.embedding, k + 1) as near
    join ragpg.chunks as chunk
        on chunk.index_id = given.index_id and chunk.id = near.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';

-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
begin
    return query
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    left join ragpg.documents as document
        on document.id = chunk.document_id and document.version = chunk.document_version
    left join ragpg.document_versions as earlier
        on earlier.document_id = chunk.document_id and earlier.version = chunk.document_version
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            coalesce(document.content, earlier.content),
            chunk.start_char + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, a quote that is not its source, an invalid or missing index, stale statistics; with what to do. It reads every text.';
