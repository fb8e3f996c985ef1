-- Keeps one search of the share that is logged.
create or replace function ragpg_internal.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision,
    proof uuid default ragpg_internal.proof()
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg_internal.proven_writer(proof)
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = log_search.index_id
        and one.search_log_share > 0
        and coalesce(vector_dims(log_search.query_embedding) = model.dimensions, true)
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg_internal.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision,
    uuid
) from public;
comment on function ragpg_internal.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision, uuid) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';
