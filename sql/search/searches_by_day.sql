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
