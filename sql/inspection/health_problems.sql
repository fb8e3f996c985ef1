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
            -- Fewer move no hit, and the next ingest counts anew.
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > greatest(health.chunks / 50, 10),
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
where health.state = 'ready' and wrong.is_wrong
union all
select null, found.problem, format('%s: %s', found.object, found.detail), found.what_to_do
from ragpg_internal.safety_problems() as found;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection; null for what concerns all.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows; functions run as a superuser, table is not kept apart, function does not run as its owner, statistics tell of all tenants, bound role is missing, role acts for no tenant.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';
