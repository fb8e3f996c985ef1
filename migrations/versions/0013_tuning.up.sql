-- 0013: settings are chosen on half of the questions and judged on the other.

-- Is a question there to choose settings by, or to judge the choice?
create or replace function ragpg.evaluation_split(question_id bigint) returns text
language sql stable
begin atomic
    select case
        when get_byte(ragpg.hash_text(coalesce(min(label.source), question.question)), 0) < 128
            then 'train'
        else 'held-out'
    end
    from ragpg.evaluation_questions as question
    left join ragpg.evaluation_labels as label on label.evaluation_question_id = question.id
    where question.id = evaluation_split.question_id
    group by question.id;
end;
comment on function ragpg.evaluation_split(bigint) is
'Returns train or held-out, about half of the questions each; questions about one source are on one side, so that what is chosen on the first is not known to suit the second.';

-- Which settings were best, and what do they cost?
create or replace function ragpg.rank_runs(run_ids bigint[])
returns table (
    run_id bigint, index_id bigint, embedding_model text, chunk_tokens integer,
    overlap_tokens integer, k integer, vector_weight real, candidates integer, ef_search integer,
    train_ndcg double precision, train_span_recall double precision,
    held_out_ndcg double precision, held_out_span_recall double precision,
    latency_p50_ms double precision, index_bytes bigint, best_trade boolean
)
language sql stable
begin atomic
    with measured as materialized (
        select
            measure.evaluation_run_id as run_id,
            avg(measure.ndcg) filter (where side.split = 'train') as train_ndcg,
            avg(measure.span_recall) filter (where side.split = 'train') as train_span_recall,
            avg(measure.ndcg) filter (where side.split = 'held-out') as held_out_ndcg,
            avg(measure.span_recall) filter (where side.split = 'held-out') as held_out_span_recall,
            percentile_cont(0.5) within group (order by measure.latency_ms) as latency
        from ragpg.evaluation_measures as measure
        cross join lateral ragpg.evaluation_split(measure.evaluation_question_id) as side (split)
        where measure.evaluation_run_id = any(rank_runs.run_ids)
        group by measure.evaluation_run_id
    ),
    sized as materialized (
        select
            run.*, measured.train_ndcg, measured.train_span_recall, measured.held_out_ndcg,
            measured.held_out_span_recall, measured.latency,
            pg_total_relation_size(to_regclass('ragpg.chunks_' || run.index_id)) as bytes
        from measured
        join ragpg.evaluation_runs as run on run.id = measured.run_id
    )
    select
        one.id, one.index_id, one.recipe ->> 'embedding_model',
        (one.recipe ->> 'chunk_tokens')::integer, (one.recipe ->> 'overlap_tokens')::integer,
        one.k, (one.recipe ->> 'vector_weight')::real, (one.recipe ->> 'candidates')::integer,
        (one.recipe ->> 'ef_search')::integer, one.train_ndcg, one.train_span_recall,
        one.held_out_ndcg, one.held_out_span_recall, one.latency, one.bytes,
        not exists (
            select
            from sized as other
            where other.train_span_recall >= one.train_span_recall
                and other.train_ndcg >= one.train_ndcg
                and other.latency <= one.latency
                and other.bytes <= one.bytes
                and (
                    other.train_span_recall > one.train_span_recall
                    or other.train_ndcg > one.train_ndcg
                    or other.latency < one.latency
                    or other.bytes < one.bytes
                )
        )
    from sized as one
    order by one.train_span_recall desc nulls last, one.train_ndcg desc nulls last, one.id;
end;
comment on function ragpg.rank_runs(bigint[]) is
'Returns runs of one evaluation set with their settings, nDCG at k and the share of labelled characters among the hits, each on both halves of ragpg.evaluation_split, the median milliseconds of a search and the bytes of chunks and their indexes, best on the training half first. best_trade: no other run is as good in all four and better in one (Pareto).';

drop function ragpg.compare_runs(bigint, bigint, integer);
-- Is this run better than that one, or is it chance?
create or replace function ragpg.compare_runs(
    first_run bigint, second_run bigint, samples integer default 2000, split text default null
) returns table (
    measure text, questions bigint, first_mean double precision, second_mean double precision,
    difference double precision, low double precision, high double precision,
    better bigint, worse bigint
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    perform setseed(0.5);  -- the same runs give the same interval
    return query
    with pair as materialized (
        select
            row_number() over (order by a.evaluation_question_id) as number,
            value.measure, value.was, value.became
        from ragpg.evaluation_measures as a
        join ragpg.evaluation_measures as b
            on b.evaluation_run_id = second_run
            and b.evaluation_question_id = a.evaluation_question_id
        cross join lateral (
            values
                ('success', a.success, b.success),
                ('recall', a.recall, b.recall),
                ('mrr', a.reciprocal_rank, b.reciprocal_rank),
                ('ndcg', a.ndcg, b.ndcg),
                ('span_recall', a.span_recall, b.span_recall),
                ('span_iou', a.span_iou, b.span_iou)
        ) as value (measure, was, became)
        where a.evaluation_run_id = first_run
            and a.relevant_chunks > 0
            and b.relevant_chunks > 0
            and (
                compare_runs.split is null
                or ragpg.evaluation_split(a.evaluation_question_id) = compare_runs.split
            )
    ),
    numbered as materialized (
        select
            pair.measure, coalesce(pair.became, 0) - coalesce(pair.was, 0) as difference,
            row_number() over (partition by pair.measure order by pair.number) as number
        from pair
    ),
    drawn as materialized (
        select sample, 1 + floor(random() * total.questions)::bigint as number
        from (select count(distinct numbered.number) as questions from numbered) as total
        cross join generate_series(1, samples) as sample
        cross join lateral generate_series(1, total.questions)
    ),
    resampled as (
        select numbered.measure, avg(numbered.difference) as difference
        from drawn
        join numbered on numbered.number = drawn.number
        group by numbered.measure, drawn.sample
    ),
    bounded as (
        select
            resampled.measure,
            percentile_cont(0.025) within group (order by resampled.difference) as low,
            percentile_cont(0.975) within group (order by resampled.difference) as high
        from resampled
        group by resampled.measure
    )
    select
        pair.measure,
        count(*),
        avg(coalesce(pair.was, 0)),
        avg(coalesce(pair.became, 0)),
        avg(coalesce(pair.became, 0) - coalesce(pair.was, 0)),
        bounded.low,
        bounded.high,
        count(*) filter (where coalesce(pair.became, 0) > coalesce(pair.was, 0)),
        count(*) filter (where coalesce(pair.became, 0) < coalesce(pair.was, 0))
    from pair
    join bounded on bounded.measure = pair.measure
    group by pair.measure, bounded.low, bounded.high
    order by array_position(
        array['success', 'recall', 'mrr', 'ndcg', 'span_recall', 'span_iou'], pair.measure
    );
end
$$;
comment on function ragpg.compare_runs(bigint, bigint, integer, text) is
'Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise. split keeps one half of them: train or held-out (ragpg.evaluation_split).';
