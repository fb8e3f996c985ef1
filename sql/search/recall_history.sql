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
