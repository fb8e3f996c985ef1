-- 0015: the SQL surface completed, and health made visible.

alter table ragpg.collections
    add column search_log_share real not null default 0,
    add constraint collections_search_log_share_is_a_share check (search_log_share between 0 and 1);
comment on column ragpg.collections.search_log_share is
'Share of the searches that ragpg.searches keeps, drawn at random: 0 (the default) none, 1 all.';

create table ragpg.searches (
    id bigint generated always as identity,
    collection_id bigint not null,
    index_id bigint not null,
    query text not null,
    query_embedding halfvec,
    mode text not null,
    k integer not null,
    filtered boolean not null,
    hit_count integer not null,
    best_similarity real,
    latency_ms real not null,
    share real not null,
    searched_at timestamptz not null default clock_timestamp(),
    constraint searches_pkey primary key (id),
    constraint searches_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint searches_share_is_positive check (share > 0 and share <= 1)
);
comment on table ragpg.searches is
'Searches that were logged, as collections.search_log_share wants it. Keeps questions and their embeddings, never what documents say; ragpg.prune_searches forgets old ones.';
comment on column ragpg.searches.id is 'Key.';
comment on column ragpg.searches.collection_id is 'The collection that was searched.';
comment on column ragpg.searches.index_id is 'The search index that answered.';
comment on column ragpg.searches.query is 'The question.';
comment on column ragpg.searches.query_embedding is 'Its embedding; null in keyword mode. ragpg.measure_recall asks it again.';
comment on column ragpg.searches.mode is 'hybrid, vector or keyword.';
comment on column ragpg.searches.k is 'Hits asked for.';
comment on column ragpg.searches.filtered is 'Whether there was a filter.';
comment on column ragpg.searches.hit_count is 'Hits returned.';
comment on column ragpg.searches.best_similarity is
'Cosine of the nearest chunk; null where the vector leg did not run.';
comment on column ragpg.searches.latency_ms is 'Milliseconds inside ragpg.search.';
comment on column ragpg.searches.share is 'Share of the searches that was logged then: this row stands for 1 / share of them.';
comment on column ragpg.searches.searched_at is 'When.';
create index searches_collection_id_searched_at_btree
    on ragpg.searches (collection_id, searched_at);
comment on index ragpg.searches_collection_id_searched_at_btree is
'Serves the newest of a collection, and forgetting old ones.';

create table ragpg.recall_measurements (
    id bigint generated always as identity,
    index_id bigint not null,
    k integer not null,
    ef_search integer not null,
    queries integer not null,
    query_source text not null,
    recall double precision not null,
    worst_recall double precision not null,
    index_ms double precision not null,
    exact_ms double precision not null,
    measured_at timestamptz not null default clock_timestamp(),
    constraint recall_measurements_pkey primary key (id),
    constraint recall_measurements_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint recall_measurements_query_source_is_known
        check (query_source in ('searches', 'chunks')),
    constraint recall_measurements_recall_is_a_share check (recall between 0 and 1)
);
comment on table ragpg.recall_measurements is
'What share of the truly nearest chunks the vector index found, each time ragpg.measure_recall looked.';
comment on column ragpg.recall_measurements.id is 'Key.';
comment on column ragpg.recall_measurements.index_id is 'The search index.';
comment on column ragpg.recall_measurements.k is 'Neighbours asked for.';
comment on column ragpg.recall_measurements.ef_search is 'hnsw.ef_search of the index''s scans.';
comment on column ragpg.recall_measurements.queries is 'How many questions were asked.';
comment on column ragpg.recall_measurements.query_source is
'searches: logged questions; chunks: embeddings of chunks, each without itself.';
comment on column ragpg.recall_measurements.recall is 'Mean share of the k nearest found.';
comment on column ragpg.recall_measurements.worst_recall is 'The least of them.';
comment on column ragpg.recall_measurements.index_ms is 'Mean milliseconds of a scan by the index.';
comment on column ragpg.recall_measurements.exact_ms is 'Mean milliseconds of an exact scan.';
comment on column ragpg.recall_measurements.measured_at is 'When.';
create index recall_measurements_index_id_measured_at_btree
    on ragpg.recall_measurements (index_id, measured_at);
comment on index ragpg.recall_measurements_index_id_measured_at_btree is
'Serves the newest of a search index.';

create table ragpg.model_prices (
    model text not null,
    input_price numeric not null,
    output_price numeric not null,
    cache_read_price numeric not null,
    cache_creation_price numeric not null,
    constraint model_prices_pkey primary key (model),
    constraint model_prices_are_not_negative check (
        least(input_price, output_price, cache_read_price, cache_creation_price) >= 0
    )
);
comment on table ragpg.model_prices is
'What language models cost, per million tokens, in a currency of yours: ragpg.answers_by_day counts with it. Empty until you fill it.';
comment on column ragpg.model_prices.model is 'The model as answers name it.';
comment on column ragpg.model_prices.input_price is 'A million tokens read, without cached ones.';
comment on column ragpg.model_prices.output_price is 'A million tokens written.';
comment on column ragpg.model_prices.cache_read_price is 'A million tokens read from the prompt cache.';
comment on column ragpg.model_prices.cache_creation_price is 'A million tokens stored in the prompt cache.';

-- Which search index is meant?
create or replace function ragpg.recipe_of(collection text, index_id bigint)
returns ragpg.search_indexes
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = coalesce(
        recipe_of.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            -- Not asked when the id is given.
            where recipe_of.index_id is null and one.id = ragpg.collection_id(recipe_of.collection)
        )
    );
    if recipe.id is null then
        raise exception 'there is no search index %',
            coalesce(recipe_of.index_id::text, 'of ' || collection, '')
            using errcode = 'RG010', hint = 'view index_health lists them';
    end if;
    return recipe;
end
$$;
comment on function ragpg.recipe_of(text, bigint) is
'Returns the search index of that id, else the active one of the collection. Raises RG010 when there is none.';

-- With which questions is recall to be measured?
create or replace function ragpg.sample_queries(
    index_id bigint, queries integer, out query_source text, out embeddings halfvec[],
    out own_ids bigint[]
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
begin
    query_source := 'searches';
    select array_agg(asked.query_embedding), array_agg(null::bigint) into embeddings, own_ids
    from (
        select logged.query_embedding
        from ragpg.searches as logged
        where logged.index_id = sample_queries.index_id and logged.query_embedding is not null
        order by logged.searched_at desc, logged.id desc
        limit queries
    ) as asked;
    if coalesce(cardinality(embeddings), 0) < least(queries, 20) then
        query_source := 'chunks';
        select coalesce(array_agg(drawn.embedding), '{}'), coalesce(array_agg(drawn.id), '{}')
        into embeddings, own_ids
        from (
            select chunk.embedding, chunk.id
            from ragpg.chunks as chunk
            where chunk.index_id = sample_queries.index_id
            -- Drawn by hash, not by random(): the same chunks give the same recall.
            order by hashint8extended(chunk.id, 1)
            limit queries
        ) as drawn;
    end if;
end
$$;
comment on function ragpg.sample_queries(bigint, integer) is
'Returns embeddings of the newest logged searches of a search index, or, when fewer than 20 (or all that are wanted) are logged, of its own chunks, drawn by hash, with their ids.';

-- How far is the k-th nearest chunk, truly?
create or replace function ragpg.exact_distances(
    index_id bigint, embeddings halfvec[], own_ids bigint[], k integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        select max(near.distance) into farthest
        from (
            select chunk.embedding <=> embeddings[place] as distance
            from ragpg.chunks as chunk
            where chunk.index_id = exact_distances.index_id
                and chunk.id is distinct from own_ids[place]
            order by 1
            limit exact_distances.k
        ) as near;
        distances := distances || farthest;
    end loop;
    return distances;
end
$$;
comment on function ragpg.exact_distances(bigint, halfvec[], bigint[], integer) is
'Returns for each embedding the cosine distance of its k-th nearest chunk in a search index, by looking at every chunk but the one of own_ids.';

-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- As ragpg.vector_candidates scans. Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from ('
            '   select chunk.id, chunk.embedding <=> $1 as distance from ragpg.chunks as chunk'
            '   where chunk.index_id = %s order by chunk.embedding::halfvec(%s) <=> $1 limit %s'
            '  ) as near where near.id is distinct from $2 order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            recalls_at.index_id, vector_dims(embeddings[place]),
            k + (own_ids[place] is not null)::integer, k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$$;
comment on function ragpg.recalls_at(bigint, halfvec[], bigint[], double precision[], integer, integer) is
'Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg.exact_distances), the chunk of own_ids left out.';

-- Does the vector index still find what is nearest?
create or replace function ragpg.measure_recall(
    collection text default null,
    k integer default 10,
    queries integer default 100,
    ef_search integer default null,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg.recipe_of(measure_recall.collection, measure_recall.index_id);
    drawn record;
    distances double precision[];
    recalls double precision[];
    started timestamptz := clock_timestamp();
    exact_time interval;
    measured ragpg.recall_measurements;
begin
    if least(k, queries) < 1 or k is null or queries is null then
        raise exception 'k is %, queries is %: there is nothing to measure', k, queries
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select sample.* into drawn
    from ragpg.sample_queries(recipe.id, measure_recall.queries) as sample;
    if cardinality(drawn.embeddings) = 0 then
        return null;
    end if;
    distances := ragpg.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    exact_time := clock_timestamp() - started;
    started := clock_timestamp();
    recalls := ragpg.recalls_at(
        recipe.id, drawn.embeddings, drawn.own_ids, distances, k,
        coalesce(ef_search, recipe.ef_search)
    );
    insert into ragpg.recall_measurements as stored (
        index_id, k, ef_search, queries, query_source, recall, worst_recall, index_ms, exact_ms
    )
    select
        recipe.id, measure_recall.k,
        greatest(coalesce(measure_recall.ef_search, recipe.ef_search), measure_recall.k),
        cardinality(recalls), drawn.query_source, avg(one.recall), min(one.recall),
        extract(epoch from clock_timestamp() - started) * 1000 / cardinality(recalls),
        extract(epoch from exact_time) * 1000 / cardinality(recalls)
    from unnest(recalls) as one (recall)
    returning stored.* into measured;
    return measured;
end
$$;
comment on function ragpg.measure_recall(text, integer, integer, integer, bigint) is
'Compares the vector index of a collection (its active one, or index_id) with exact search, on logged questions or else its own chunks, stores what share of the k nearest it finds in ragpg.recall_measurements and returns that row; null when it holds no chunk. A neighbour as far as the k-th counts as found.';

-- How little work suffices for this recall?
create or replace function ragpg.tune_ef_search(
    collection text default null,
    recall double precision default 0.98,
    k integer default 10,
    queries integer default 100,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
-- Security definer: the search index is changed, which writers may do by functions only.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg.recalls_at(recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle)
            ) as one (recall)
        ) then
            high := middle;
        else
            low := middle + 1;
        end if;
    end loop;
    update ragpg.search_indexes as known set ef_search = low where known.id = recipe.id;
    return ragpg.measure_recall(k => k, queries => queries, index_id => recipe.id);
end
$$;
revoke execute on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint)
from public;
comment on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint) is
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: 100 in hybrid mode, k in vector mode.';

-- Keeps one search of the share that is logged.
create or replace function ragpg.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where recipe.id = log_search.index_id and one.search_log_share > 0
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision
) from public;
comment on function ragpg.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';

-- How far is indexing behind?
create or replace view ragpg.ingest_lag with (security_invoker = true) as
select
    one.name as collection,
    waiting.documents as waiting_documents,
    waiting.failing as failing_documents,
    waiting.since as oldest_waiting_since,
    coalesce(extract(epoch from now() - waiting.since), 0)::double precision as lag_seconds,
    done.last_hour as indexed_last_hour,
    done.last_indexed_at
from ragpg.collections as one
cross join lateral (
    select
        count(*) as documents,
        count(queue.error) as failing,
        min(queue.waiting_since) as since
    from ragpg.ingest_queue as queue
    where queue.collection = one.name and (queue.active or queue.index_id is null)
) as waiting
cross join lateral (
    select
        count(*) filter (where state.indexed_at > now() - interval '1 hour') as last_hour,
        max(state.indexed_at) as last_indexed_at
    from ragpg.index_documents as state
    where state.index_id = one.active_index_id
) as done;
comment on view ragpg.ingest_lag is
'A row per collection: documents that searches do not see yet, and since when.';
comment on column ragpg.ingest_lag.collection is 'Name of the collection.';
comment on column ragpg.ingest_lag.waiting_documents is 'Documents whose newest version waits.';
comment on column ragpg.ingest_lag.failing_documents is 'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.ingest_lag.oldest_waiting_since is 'Since when the oldest waits; null: none does.';
comment on column ragpg.ingest_lag.lag_seconds is 'How long that is, seconds; 0: none waits.';
comment on column ragpg.ingest_lag.indexed_last_hour is 'Documents indexed within the hour.';
comment on column ragpg.ingest_lag.last_indexed_at is 'When the last one was.';

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
    recipe.activated_at,
    recipe.ef_search,
    pg_relation_size(partition.vector_index) as vector_index_bytes,
    pg_relation_size(partition.vector_index)::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    pg_stat_get_dead_tuples(partition.relation) as dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at
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
    select
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation,
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id || '_embedding_hnsw')) as vector_index
) as partition
left join lateral (
    select known.recall, known.measured_at
    from ragpg.recall_measurements as known
    where known.index_id = recipe.id
    order by known.measured_at desc
    limit 1
) as measured on true;
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
comment on column ragpg.index_health.ef_search is 'Least hnsw.ef_search of its scans: ragpg.tune_ef_search.';
comment on column ragpg.index_health.vector_index_bytes is 'Bytes of the vector index; null: there is none yet.';
comment on column ragpg.index_health.share_of_buffers is
'Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.';
comment on column ragpg.index_health.dead_chunks is 'Dead rows that the next vacuum takes away, estimated.';
comment on column ragpg.index_health.recall is 'Recall when it was last measured: ragpg.measure_recall.';
comment on column ragpg.index_health.recall_measured_at is 'When that was.';

-- Does anything need attention now?
create or replace view ragpg.health_problems with (security_invoker = true) as
select
    lag.collection,
    'documents fail' as problem,
    format('%s documents could not be indexed', lag.failing_documents) as detail,
    'ragpg.ingest_queue has the errors' as what_to_do
from ragpg.ingest_lag as lag
where lag.failing_documents > 0
union all
select
    lag.collection, 'indexing is behind',
    format('%s documents wait, the oldest for %s minutes', lag.waiting_documents,
        floor(lag.lag_seconds / 60)),
    'start a worker: ragpg worker'
from ragpg.ingest_lag as lag
where lag.lag_seconds > 900 and lag.waiting_documents > lag.failing_documents
union all
select
    health.collection, wrong.problem, format('search index %s: %s', health.index_id, wrong.detail),
    wrong.what_to_do
from ragpg.index_health as health
cross join lateral (
    values
        (
            not health.indexes_valid, 'index is invalid', 'searches do not use it',
            'reindex it: ragpg.verify() names it'
        ),
        (
            health.recall < 0.9, 'recall is low',
            format('recall %s, measured %s', round(health.recall::numeric, 3),
                health.recall_measured_at),
            'ragpg index tune --recall 0.98'
        ),
        (
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > case when health.chunks > 20000 then health.chunks / 50 else 0 end,
            'statistics are stale',
            format('counted with %s chunks, now %s', coalesce(health.counted_chunks, 0), health.chunks),
            format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
        ),
        (
            health.dead_chunks > greatest(health.chunks, 1000), 'many dead rows',
            format('%s dead, %s alive', health.dead_chunks, health.chunks),
            format('vacuum ragpg.chunks_%s; autovacuum does not keep up', health.index_id)
        )
) as wrong (is_wrong, problem, detail, what_to_do)
where health.state = 'ready' and wrong.is_wrong;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';

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
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms,
    sum(answer.cache_creation_tokens) as cache_creation_tokens,
    (count(*) filter (where answer.grounded))::double precision / count(*) as grounded_share,
    (
        sum(answer.input_tokens * price.input_price)
        + sum(answer.output_tokens * price.output_price)
        + sum(answer.cache_read_tokens * price.cache_read_price)
        + sum(answer.cache_creation_tokens * price.cache_creation_price)
    ) / 1000000 as cost
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
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
comment on column ragpg.answers_by_day.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.answers_by_day.grounded_share is 'grounded by answers.';
comment on column ragpg.answers_by_day.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';

-- How large are the chunks?
create or replace view ragpg.chunk_sizes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    bin.place * bin.width + 1 as from_tokens,
    (bin.place + 1) * bin.width as to_tokens,
    count(*) as chunks,
    count(*)::double precision / sum(count(*)) over (partition by recipe.id) as share
from ragpg.chunks as chunk
join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
join ragpg.collections as one on one.id = recipe.collection_id
cross join lateral (
    select
        greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1) as width,
        greatest(chunk.token_count - 1, 0) / greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1)
            as place
) as bin
group by one.id, recipe.id, bin.place, bin.width;
comment on view ragpg.chunk_sizes is
'A row per search index and bin of chunk sizes: a histogram of tokens.';
comment on column ragpg.chunk_sizes.collection is 'Name of the collection.';
comment on column ragpg.chunk_sizes.index_id is 'The search index.';
comment on column ragpg.chunk_sizes.active is 'Whether it answers searches.';
comment on column ragpg.chunk_sizes.from_tokens is 'Fewest tokens of the bin; bins are a sixteenth of the most a chunk may have.';
comment on column ragpg.chunk_sizes.to_tokens is 'Most tokens of the bin.';
comment on column ragpg.chunk_sizes.chunks is 'Chunks in it.';
comment on column ragpg.chunk_sizes.share is 'Of the search index''s chunks.';

-- Does the vector index find as much as before?
create or replace view ragpg.recall_history with (security_invoker = true) as
select
    one.name as collection,
    measured.index_id,
    recipe.id = one.active_index_id as active,
    measured.measured_at,
    measured.k,
    measured.ef_search,
    measured.queries,
    measured.query_source,
    measured.recall,
    measured.worst_recall,
    measured.index_ms,
    measured.exact_ms
from ragpg.recall_measurements as measured
join ragpg.search_indexes as recipe on recipe.id = measured.index_id
join ragpg.collections as one on one.id = recipe.collection_id;
comment on view ragpg.recall_history is
'A row per measurement of ragpg.measure_recall, with its collection.';
comment on column ragpg.recall_history.collection is 'Name of the collection.';
comment on column ragpg.recall_history.index_id is 'The search index.';
comment on column ragpg.recall_history.active is 'Whether it answers searches.';
comment on column ragpg.recall_history.measured_at is 'When.';
comment on column ragpg.recall_history.k is 'Neighbours asked for.';
comment on column ragpg.recall_history.ef_search is 'hnsw.ef_search of the scans.';
comment on column ragpg.recall_history.queries is 'How many questions.';
comment on column ragpg.recall_history.query_source is 'searches (logged questions) or chunks.';
comment on column ragpg.recall_history.recall is 'Mean share of the k nearest found.';
comment on column ragpg.recall_history.worst_recall is 'The least of them.';
comment on column ragpg.recall_history.index_ms is 'Mean milliseconds by the index.';
comment on column ragpg.recall_history.exact_ms is 'Mean milliseconds of an exact scan.';

-- How much is searched, how fast, and how often in vain?
create or replace view ragpg.searches_by_day with (security_invoker = true) as
select
    one.name as collection,
    logged.searched_at::date as day,
    logged.mode,
    count(*) as logged_searches,
    sum(1 / logged.share)::bigint as searches,
    percentile_cont(0.5) within group (order by logged.latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by logged.latency_ms) as latency_p95_ms,
    percentile_cont(0.99) within group (order by logged.latency_ms) as latency_p99_ms,
    avg((logged.hit_count = 0)::integer)::double precision as zero_hit_share,
    avg((logged.best_similarity < recipe.min_similarity)::integer)::double precision
        as low_similarity_share
from ragpg.searches as logged
join ragpg.collections as one on one.id = logged.collection_id
left join ragpg.search_indexes as recipe on recipe.id = logged.index_id
group by one.id, logged.searched_at::date, logged.mode;
comment on view ragpg.searches_by_day is
'A row per collection, day and mode of the logged searches (collections.search_log_share): volume, latency, and how many found nothing.';
comment on column ragpg.searches_by_day.collection is 'Name of the collection.';
comment on column ragpg.searches_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.searches_by_day.mode is 'hybrid, vector or keyword.';
comment on column ragpg.searches_by_day.logged_searches is 'Rows of ragpg.searches.';
comment on column ragpg.searches_by_day.searches is 'How many searches those stand for, by the share that was logged.';
comment on column ragpg.searches_by_day.latency_p50_ms is 'Median milliseconds in the database.';
comment on column ragpg.searches_by_day.latency_p95_ms is 'Their 95th percentile.';
comment on column ragpg.searches_by_day.latency_p99_ms is 'Their 99th percentile.';
comment on column ragpg.searches_by_day.zero_hit_share is 'Share without any hit.';
comment on column ragpg.searches_by_day.low_similarity_share is 'Share whose nearest chunk is less similar than the search index''s min_similarity.';

-- Which answers rest on text that has changed since?
create or replace view ragpg.stale_citations with (security_invoker = true) as
select
    one.name as collection,
    answer.id as answer_id,
    answer.question,
    cited.ordinal,
    coalesce(document.source, earlier.source) as source,
    cited.document_version as cited_version,
    document.version as current_version,
    case
        when document.id is null then 'deleted'
        when position(cited.quote in document.content) > 0 then 'kept'
        else 'gone'
    end as quote_is,
    cited.quote,
    answer.created_at as answered_at,
    document.updated_at as changed_at
from ragpg.citations as cited
join ragpg.answers as answer on answer.id = cited.answer_id
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.documents as document on document.id = cited.document_id
left join ragpg.document_versions as earlier
    on earlier.document_id = cited.document_id and earlier.version = cited.document_version
where document.version is distinct from cited.document_version;
comment on view ragpg.stale_citations is
'A row per citation of a document version that is no longer the current one.';
comment on column ragpg.stale_citations.collection is 'The collection that was asked.';
comment on column ragpg.stale_citations.answer_id is 'The answer.';
comment on column ragpg.stale_citations.question is 'What was asked.';
comment on column ragpg.stale_citations.ordinal is 'Place among the answer''s citations, from 0.';
comment on column ragpg.stale_citations.source is 'The document''s source.';
comment on column ragpg.stale_citations.cited_version is 'The version that was read.';
comment on column ragpg.stale_citations.current_version is 'The version now; null: the document was deleted.';
comment on column ragpg.stale_citations.quote_is is 'kept (the new version still says it), gone, or deleted with the document.';
comment on column ragpg.stale_citations.quote is 'The cited characters.';
comment on column ragpg.stale_citations.answered_at is 'When the answer was given.';
comment on column ragpg.stale_citations.changed_at is 'When the document last changed.';

-- What is asked that the documents do not answer?
create or replace view ragpg.unanswered_searches with (security_invoker = true) as
select
    one.name as collection,
    logged.query,
    count(*) as logged_searches,
    min(logged.hit_count) as fewest_hits,
    max(logged.best_similarity) as best_similarity,
    max(logged.searched_at) as last_searched_at
from ragpg.searches as logged
join ragpg.collections as one on one.id = logged.collection_id
left join ragpg.search_indexes as recipe on recipe.id = logged.index_id
where logged.hit_count = 0 or logged.best_similarity < recipe.min_similarity
group by one.id, logged.query;
comment on view ragpg.unanswered_searches is
'A row per logged question that found nothing, or nothing similar enough: what to write a document on.';
comment on column ragpg.unanswered_searches.collection is 'Name of the collection.';
comment on column ragpg.unanswered_searches.query is 'The question.';
comment on column ragpg.unanswered_searches.logged_searches is 'How often it was logged.';
comment on column ragpg.unanswered_searches.fewest_hits is 'Fewest hits of those searches; 0 with a filter that nothing matches, too.';
comment on column ragpg.unanswered_searches.best_similarity is 'Cosine of the nearest chunk; null where the vector leg did not run.';
comment on column ragpg.unanswered_searches.last_searched_at is 'When it was last asked.';

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
'Erases a document for good: its text, chunks, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer, words text[]
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select
            case
                when fitted.enabled then ragpg.embed_query_static(explain_search.query, recipe.id)
                else ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
            end
        into query_embedding
        from ragpg.encoders as encoder
        left join ragpg.static_encoders as fitted on fitted.index_id = recipe.id
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg.lexeme_query(word.lexeme)
        )
    from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
    join ragpg.chunks as chunk on chunk.index_id = recipe.id and chunk.id = best.chunk_id
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec, text) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query''s words it holds. Three searches, so for looking, not for serving.';

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
    execute format('grant execute on function ragpg.log_search to %I', role_name);
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';

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
        ' ragpg.evaluation_hits, ragpg.searches, ragpg.recall_measurements, ragpg.model_prices to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

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

-- Forgets old rows of the log of searches.
create or replace function ragpg.prune_searches(older_than interval) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.searches as logged where logged.searched_at < now() - older_than;
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_searches(interval) is
'Deletes logged searches older than given and returns how many.';

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
    best_similarity double precision;
    logged boolean := false;
    hit_count integer;
    started constant timestamptz := clock_timestamp();
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
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege(
                'ragpg.log_search(bigint, text, halfvec, text, integer, boolean, integer,'
                ' double precision, double precision)', 'execute'
            )
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
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
            if logged then
                perform ragpg.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
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
        select array_agg(found.chunk_id), max(found.similarity) into vector_ids, best_similarity
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
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, best_similarity,
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

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

-- Which of ragpg's statements take the most time?
create or replace function ragpg.slow_queries(most integer default 20)
returns table (
    query text, calls bigint, mean_ms double precision, total_ms double precision,
    row_count bigint, cached_share double precision
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    home text := (
        select space.nspname
        from pg_extension as installed
        join pg_namespace as space on space.oid = installed.extnamespace
        where installed.extname = 'pg_stat_statements'
    );
begin
    if home is null then
        raise notice 'pg_stat_statements is not installed'
            using hint = 'add it to shared_preload_libraries, then: create extension pg_stat_statements';
        return;
    end if;
    return query execute format(
        'select query, calls, mean_exec_time, total_exec_time, rows,'
        '  shared_blks_hit::double precision / nullif(shared_blks_hit + shared_blks_read, 0)'
        ' from %I.pg_stat_statements'
        ' where dbid = (select oid from pg_database where datname = current_database())'
        '  and query ilike ''%%ragpg.%%'''
        ' order by total_exec_time desc limit $1',
        home
    )
    using most;
exception
    when object_not_in_prerequisite_state then
        raise notice 'pg_stat_statements is installed but not loaded'
            using hint = 'add it to shared_preload_libraries and restart';
end
$$;
comment on function ragpg.slow_queries(integer) is
'Returns the statements on ragpg that took most time in all, from pg_stat_statements; no row, and a notice, where that is not there. Other roles'' statements are shown to members of pg_read_all_stats.';

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
    block_chars constant integer := 65536;
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    return query
    with block as materialized (
        select
            used.document_id, used.version, used.number,
            substr(
                ragpg.document_text(used.document_id, used.version),
                used.number * block_chars + 1, block_chars + used.longest
            ) as content
        from (
            select
                chunk.document_id, chunk.document_version as version,
                chunk.start_char / block_chars as number,
                max(chunk.end_char - chunk.start_char) as longest
            from ragpg.chunks as chunk
            join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
            where only_id is null or recipe.collection_id = only_id
            group by 1, 2, 3
        ) as used
    )
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    join block
        on block.document_id = chunk.document_id
        and block.version = chunk.document_version
        and block.number = chunk.start_char / block_chars
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
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
