-- Undoes 0026.

drop function ragpg.calibrate(bigint, double precision, boolean);
drop function ragpg.judge_hits(text, bigint[], double precision[]);
drop function ragpg.relevance(bigint, double precision, double precision, integer, boolean);
drop function ragpg.choose_abstention(
    double precision[], double precision[], integer[], boolean[], boolean[], double precision
);
drop function ragpg.fit_relevance(
    double precision[], double precision[], integer[], boolean[], boolean[]
);
drop function ragpg.logistic(
    double precision[], double precision, double precision, integer, boolean
);
drop function ragpg.answer_signals(bigint, text, text[], text[]);

alter table ragpg.search_indexes
    drop column words_held_slope,
    drop column missing_names_slope,
    drop column unmatched_negation_slope,
    drop column min_relevance;
comment on column ragpg.search_indexes.relevance_offset is
'Of the curve from similarity to relevance (ragpg.relevance), set by ragpg.calibrate; null before.';
comment on column ragpg.search_indexes.relevance_slope is 'Its slope.';

-- The largest threshold that still keeps a share of the answerable questions.
create or replace function ragpg.similarity_to_keep(
    similarities double precision[], answerable boolean[], keep double precision
) returns double precision
language sql immutable parallel safe
begin atomic
    select greatest(
        coalesce(
            (array_agg(given.similarity order by given.similarity))[
                least(floor(count(*) * (1 - keep) + 1e-9) + 1, count(*))::integer
            ],
            0
        ),
        0
    )
    from unnest(similarities, answerable) as given (similarity, is_answerable)
    where given.is_answerable;
end;
comment on function ragpg.similarity_to_keep(double precision[], boolean[], double precision) is
'Returns the largest similarity that at least the share keep of the answerable questions'' best hits reach, and at least 0.';

-- How likely is an answer, given the best hit's similarity?
create or replace function ragpg.fit_relevance(
    similarities double precision[], answerable boolean[], out relevance_offset double precision,
    out relevance_slope double precision
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    total bigint := cardinality(similarities);
    positives bigint;
    mean double precision;
    gradient_offset double precision;
    gradient_slope double precision;
    h_offset double precision;
    h_both double precision;
    h_slope double precision;
    determinant double precision;
begin
    select count(*) filter (where given.is_answerable), avg(given.similarity)
    into positives, mean
    from unnest(similarities, answerable) as given (similarity, is_answerable);
    if positives = 0 or positives = total then
        raise exception 'all % questions are %answerable: relevance cannot be told apart', total,
            case when positives = 0 then 'un' else '' end
            using errcode = 'RG011', hint = 'an evaluation set needs questions of both kinds';
    end if;
    -- Newton's method on the similarities less their mean; targets as Platt (1999) smooths them,
    -- so that separable questions do not drive the slope to infinity.
    relevance_offset := ln((positives + 1.0) / (total - positives + 1.0));
    relevance_slope := 0;
    for step in 1..50 loop
        select
            sum(point.probability - point.target),
            sum((point.probability - point.target) * point.centred) + 1e-3 * relevance_slope,
            sum(point.probability * (1 - point.probability)) + 1e-9,
            sum(point.probability * (1 - point.probability) * point.centred),
            sum(point.probability * (1 - point.probability) * point.centred ^ 2) + 1e-3
        into gradient_offset, gradient_slope, h_offset, h_both, h_slope
        from (
            select
                given.similarity - mean as centred,
                1 / (1 + exp(-greatest(-500, least(500,
                    relevance_offset + relevance_slope * (given.similarity - mean)
                )))) as probability,
                case
                    when given.is_answerable then (positives + 1.0) / (positives + 2.0)
                    else 1.0 / (total - positives + 2.0)
                end::double precision as target
            from unnest(similarities, answerable) as given (similarity, is_answerable)
        ) as point;
        determinant := h_offset * h_slope - h_both ^ 2;
        exit when determinant < 1e-12;
        relevance_offset := relevance_offset
            - (h_slope * gradient_offset - h_both * gradient_slope) / determinant;
        relevance_slope := relevance_slope
            - (h_offset * gradient_slope - h_both * gradient_offset) / determinant;
        exit when abs(gradient_offset) + abs(gradient_slope) < 1e-9;
    end loop;
    relevance_offset := relevance_offset - relevance_slope * mean;
end
$$;
comment on function ragpg.fit_relevance(double precision[], boolean[]) is
'Returns offset and slope of the logistic curve that tells from the best hit''s similarity how likely the collection holds an answer: 1 / (1 + exp(-(offset + slope * similarity))) (Platt 1999). Raises RG011 when all questions are of one kind.';

-- From 0 to 1: how likely does a hit answer?
create or replace function ragpg.relevance(index_id bigint, similarity double precision)
returns double precision
language sql stable
begin atomic
    select 1 / (1 + exp(-greatest(-500, least(500,
        recipe.relevance_offset + recipe.relevance_slope * relevance.similarity
    ))))
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg.relevance(bigint, double precision) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it; null until ragpg.calibrate was called.';

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
