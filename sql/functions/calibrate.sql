-- From which similarity on is there an answer?
create or replace function ragpg.calibrate(
    run_id bigint, keep double precision default 0.95, store boolean default true
) returns table (
    min_similarity double precision, relevance_offset double precision,
    relevance_slope double precision, answerable bigint, kept double precision,
    kept_low double precision, kept_high double precision, unanswerable bigint,
    refused double precision, refused_low double precision, refused_high double precision
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    run ragpg.evaluation_runs;
    best double precision[];
    truth boolean[];
    kept_count bigint;
    refused_count bigint;
begin
    if not (calibrate.keep between 0 and 1) then
        raise exception 'keep is %, a share from 0 to 1 is needed', calibrate.keep
            using errcode = 'RG005';
    end if;
    select known.* into run from ragpg.evaluation_runs as known where known.id = run_id;
    if run.id is null or run.finished_at is null then
        raise exception 'there is no finished evaluation run %', run_id
            using errcode = 'RG011', hint = 'ragpg eval list shows them';
    end if;
    select
        array_agg(asked.similarity order by asked.id),
        array_agg(asked.is_answerable order by asked.id)
    into best, truth
    from (
        select question.id, question.is_answerable, coalesce(max(hit.similarity), 0) as similarity
        from ragpg.evaluation_results as result
        join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
        left join ragpg.evaluation_hits as hit
            on hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
        where result.evaluation_run_id = run.id
        group by question.id
    ) as asked;
    select fitted.relevance_offset, fitted.relevance_slope
    into relevance_offset, relevance_slope
    from ragpg.fit_relevance(best, truth) as fitted;
    min_similarity := ragpg.similarity_to_keep(best, truth, keep);
    -- How well that does on questions it was not chosen on: each fifth by the other four.
    with asked as (
        select place % 5 as part, given.similarity, given.is_answerable
        from unnest(best, truth) with ordinality as given (similarity, is_answerable, place)
    ),
    chosen as materialized (
        select
            held.part,
            ragpg.similarity_to_keep(
                array_agg(other.similarity), array_agg(other.is_answerable), calibrate.keep
            ) as threshold
        from (select distinct part from asked) as held
        join asked as other on other.part <> held.part
        group by held.part
    )
    select
        count(*) filter (where asked.is_answerable),
        count(*) filter (where asked.is_answerable and asked.similarity >= chosen.threshold),
        count(*) filter (where not asked.is_answerable),
        count(*) filter (where not asked.is_answerable and asked.similarity < chosen.threshold)
    into answerable, kept_count, unanswerable, refused_count
    from asked
    join chosen on chosen.part = asked.part;
    kept := kept_count::double precision / answerable;
    refused := refused_count::double precision / unanswerable;
    select bounds.low, bounds.high into kept_low, kept_high
    from ragpg.wilson_interval(kept_count, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg.wilson_interval(refused_count, unanswerable) as bounds;
    if store then
        update ragpg.search_indexes as recipe
        set min_similarity = calibrate.min_similarity,
            relevance_offset = calibrate.relevance_offset,
            relevance_slope = calibrate.relevance_slope
        where recipe.id = run.index_id;
    end if;
    return next;
end
$$;
comment on function ragpg.calibrate(bigint, double precision, boolean) is
'Chooses, from a run over answerable and unanswerable questions, the similarity of the best hit below which ask abstains: the largest that keeps the given share of answerable questions; and fits ragpg.relevance. Stores both with the run''s search index unless told not to. Kept and refused are shares of questions the threshold was not chosen on (each fifth by the other four), with 95 % intervals. Raises RG005, RG011.';
