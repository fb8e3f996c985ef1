-- How little work suffices for this recall?
create or replace function ragpg.tune_ef_search(
    collection text default null,
    recall double precision default 0.98,
    k integer default 10,
    queries integer default 100,
    index_id bigint default null,
    proof uuid default ragpg_internal.proof()
) returns ragpg.recall_measurements
language plpgsql volatile
-- Security definer: the search index is changed, which writers may do by functions only.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id, proof);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg_internal.recalls_at(
                    recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle
                )
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
revoke execute on function
ragpg.tune_ef_search(text, double precision, integer, integer, bigint, uuid)
from public;
comment on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint, uuid) is
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: search_indexes.candidates in hybrid mode, k in vector mode.';
