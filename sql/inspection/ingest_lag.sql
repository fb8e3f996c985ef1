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
