-- Does the vector index still find what is nearest?
create or replace function ragpg.measure_recall(
    collection text default null,
    k integer default 10,
    queries integer default 100,
    ef_search integer default null,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(measure_recall.collection, measure_recall.index_id);
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
    from ragpg_internal.sample_queries(recipe.id, measure_recall.queries) as sample;
    if cardinality(drawn.embeddings) = 0 then
        return null;
    end if;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    exact_time := clock_timestamp() - started;
    started := clock_timestamp();
    recalls := ragpg_internal.recalls_at(
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
