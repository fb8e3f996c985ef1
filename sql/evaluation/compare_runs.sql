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
    perform ragpg_internal.check_run(first_run), ragpg_internal.check_run(second_run);
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
        left join ragpg_internal.answer_costs(first_run) as before
            on before.question_id = a.evaluation_question_id
        left join ragpg_internal.answer_costs(second_run) as after
            on after.question_id = a.evaluation_question_id
        cross join lateral (
            values
                ('success', a.success, b.success),
                ('recall', a.recall, b.recall),
                ('mrr', a.reciprocal_rank, b.reciprocal_rank),
                ('ndcg', a.ndcg, b.ndcg),
                ('span_recall', a.span_recall, b.span_recall),
                ('span_iou', a.span_iou, b.span_iou),
                ('right', before.is_right, after.is_right),
                ('steps', before.steps, after.steps),
                ('tokens', before.tokens, after.tokens),
                ('cost', before.cost, after.cost)
        ) as value (measure, was, became)
        where a.evaluation_run_id = first_run
            and a.relevant_chunks > 0
            and b.relevant_chunks > 0
            -- What a search gives is 0 where nothing was found; an answer may not be asked for.
            and (
                value.measure not in ('right', 'steps', 'tokens', 'cost')
                or num_nonnulls(value.was, value.became) = 2
            )
            and (
                compare_runs.split is null
                or ragpg_internal.evaluation_split(a.evaluation_question_id) = compare_runs.split
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
        count(*) filter (
            where (coalesce(pair.became, 0) - coalesce(pair.was, 0))
                * case when pair.measure in ('steps', 'tokens', 'cost') then -1 else 1 end > 0
        ),
        count(*) filter (
            where (coalesce(pair.became, 0) - coalesce(pair.was, 0))
                * case when pair.measure in ('steps', 'tokens', 'cost') then -1 else 1 end < 0
        )
    from pair
    join bounded on bounded.measure = pair.measure
    group by pair.measure, bounded.low, bounded.high
    order by array_position(
        array[
            'success', 'recall', 'mrr', 'ndcg', 'span_recall', 'span_iou', 'right', 'steps',
            'tokens', 'cost'
        ],
        pair.measure
    );
end
$$;
comment on function ragpg.compare_runs(bigint, bigint, integer, text) is
'Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise. Where both were answered, too: the share that a judge called right, and steps (of one search 1), tokens and cost of an answer, of which less is better. split keeps one half of them: train or held-out (ragpg_internal.evaluation_split). Raises RG011 for a run that there is not, or that did not finish.';
