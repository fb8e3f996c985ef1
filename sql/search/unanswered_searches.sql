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
