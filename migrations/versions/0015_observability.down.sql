drop function ragpg.verify;
drop function ragpg.slow_queries;
drop function ragpg.similar_chunks;
drop function ragpg.prune_searches;
drop function ragpg.match_documents;
drop function ragpg.explain_search;
drop function ragpg.document_as_of;
drop view ragpg.unanswered_searches;
drop view ragpg.stale_citations;
drop view ragpg.searches_by_day;
drop view ragpg.recall_history;
drop view ragpg.chunk_sizes;
drop view ragpg.answers_by_day;
drop view ragpg.health_problems;
drop view ragpg.index_health;
drop view ragpg.ingest_lag;
drop function ragpg.log_search;
drop function ragpg.tune_ef_search;
drop function ragpg.measure_recall;
drop function ragpg.recalls_at;
drop function ragpg.exact_distances;
drop function ragpg.sample_queries;
drop function ragpg.recipe_of;

-- How large is each search index, and are its statistics fresh?
create or replace view ragpg.index_health with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.state,
    model.name as embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count as counted_chunks,
    statistics.refreshed_at,
    pg_table_size(partition.relation) as table_bytes,
    pg_indexes_size(partition.relation) as index_bytes,
    coalesce(
        (
            select bool_and(part.indisvalid)
            from pg_index as part
            where part.indrelid = partition.relation
        ),
        false
    ) as indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics on statistics.index_id = recipe.id
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0) as chunks,
        count(state.document_version) as documents,
        count(state.pending_since) as pending_documents,
        count(state.error) as failed_documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation
) as partition;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building (first load, vector index not there yet) or ready.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents it holds.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';
comment on column ragpg.index_health.pending_documents is
'Documents whose newest version it does not hold yet.';
comment on column ragpg.index_health.failed_documents is
'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.index_health.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.index_health.language is 'Text-search configuration of the word leg.';
comment on column ragpg.index_health.created_at is 'When the recipe was made.';
comment on column ragpg.index_health.activated_at is 'When it last began to answer searches.';

-- What was asked, how much of it was answered from sources, and what did it cost?
create or replace view ragpg.answers_by_day with (security_invoker = true) as
select
    one.name as collection,
    answer.created_at::date as day,
    answer.model,
    count(*) as answers,
    count(*) filter (where answer.grounded) as grounded,
    count(*) filter (where answer.abstained) as abstained,
    sum(answer.input_tokens) as input_tokens,
    sum(answer.output_tokens) as output_tokens,
    sum(answer.cache_read_tokens) as cache_read_tokens,
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
group by one.name, answer.created_at::date, answer.model;
comment on view ragpg.answers_by_day is
'A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.';
comment on column ragpg.answers_by_day.collection is 'Name of the collection.';
comment on column ragpg.answers_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.answers_by_day.model is 'The language model; null when none was asked.';
comment on column ragpg.answers_by_day.answers is 'How many.';
comment on column ragpg.answers_by_day.grounded is 'How many rest on citations.';
comment on column ragpg.answers_by_day.abstained is 'How many said that nothing fits.';
comment on column ragpg.answers_by_day.input_tokens is 'Tokens read.';
comment on column ragpg.answers_by_day.output_tokens is 'Tokens written.';
comment on column ragpg.answers_by_day.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers_by_day.median_latency_ms is 'Median milliseconds.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
    execute format('grant execute on function ragpg.remember_query(bigint, text) to %I', role_name);
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings. For dashboards. To be called by the owner of the schema.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    word_ids bigint[];
    word_scores double precision[];
    vector_ids bigint[];
    vector_weight double precision;
    vector_mean double precision := 0;
    vector_deviation double precision;
    word_mean double precision := 0;
    word_deviation double precision;
    similarity_expression text := 'null::double precision';
    bm25_expression text;
    score_expression text;
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        if exists (
            select
            from ragpg.static_encoders as fitted
            where fitted.index_id = recipe.id and fitted.enabled
        ) then
            query_embedding := ragpg.embed_query_static(search.query, recipe.id);
        else
            query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
        end if;
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        select array_agg(document.id), sum(state.chunk_count)
        into matching_documents, matching_chunks
        from ragpg.documents as document
        join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = recipe.id
        where document.collection_id = recipe.collection_id and document.metadata @@ filter;
        if coalesce(matching_chunks, 0) = 0 then
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(recipe.id, search.query, wanted, matching_documents) as found;
        bm25_expression := ragpg.bm25_expression(recipe.id, search.query);
    end if;
    vector_weight := recipe.vector_weight;
    if query_embedding is null and mode = 'hybrid' then
        query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
        vector_weight := 0.5;  -- measured: near one half is best when words made the vector
        raise notice 'the database holds no model to embed the query with: searched by words'
            using hint = 'load the model with ragpg model load, or pass query_embedding';
    end if;
    if mode <> 'keyword' and query_embedding is not null then
        select array_agg(found.chunk_id) into vector_ids
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks
        ) as found;
        similarity_expression := '1 - (stored.embedding <=> $2)';
    end if;

    if mode = 'hybrid' then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select avg(1 - (sample <=> query_embedding)), stddev_pop(1 - (sample <=> query_embedding))
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select sum(word.mean_score), sqrt(sum(word.mean_square - word.mean_score ^ 2))
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        score_expression := format(
            '%s * (chunk.similarity - %s) / %s + %s * (chunk.bm25 - %s) / %s',
            vector_weight, coalesce(vector_mean, 0), coalesce(nullif(vector_deviation, 0), 1),
            1 - vector_weight, coalesce(word_mean, 0), coalesce(nullif(word_deviation, 0), 1)
        );
    else
        score_expression := case mode when 'vector' then 'chunk.similarity' else 'chunk.bm25' end;
    end if;

    return query execute format(
        'select'
        '  (row_number() over (order by best.score desc, best.id))::integer, document.source,'
        '  document.title, best.content, best.score, best.similarity, best.bm25,'
        '  best.start_char, best.end_char, best.page, best.context, document.metadata,'
        '  document.id, best.document_version, best.id'
        ' from ('
        '  select chunk.*, %1$s as score'
        '  from (select chunk.*, %2$s as bm25'
        '   from (select stored.*, %3$s as similarity,'
        '     1.2 * (0.25 + 0.75 * stored.lexeme_count / %4$s::double precision) as saturation'
        '    from ragpg.chunks as stored'
        '    where stored.index_id = %5$s and stored.id = any($1) offset 0) as chunk'
        '   offset 0) as chunk'
        '  order by score desc, chunk.id limit %6$s'
        ' ) as best'
        ' join ragpg.documents as document on document.id = best.document_id'
        ' order by 1',
        score_expression,
        coalesce(bm25_expression, 'null::double precision'),
        similarity_expression, greatest(statistics.mean_length, 1), recipe.id, k
    )
    using word_ids || vector_ids, query_embedding;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. Raises RG001 to RG005, RG010.';

drop table ragpg.model_prices;
drop table ragpg.recall_measurements;
drop table ragpg.searches;
alter table ragpg.collections drop column search_log_share;
