-- What did the answers of a run take, and were they right?
create or replace function ragpg_internal.answer_costs(run_id bigint)
returns table (
    question_id bigint, is_right double precision, steps double precision,
    tokens double precision, cost double precision
)
language sql stable
begin atomic
    select
        result.evaluation_question_id,
        (result.grade = 'right')::integer::double precision,
        greatest(1, (
            select count(*)
            from ragpg.answer_steps as step
            where step.answer_id = answer.id and step.tool <> 'standalone'
        ))::double precision,
        (
            answer.input_tokens + answer.output_tokens + answer.cache_read_tokens
            + answer.cache_creation_tokens
        )::double precision,
        (
            (
                answer.input_tokens * price.input_price
                + answer.output_tokens * price.output_price
                + answer.cache_read_tokens * price.cache_read_price
                + answer.cache_creation_tokens * price.cache_creation_price
            ) / 1000000
        )::double precision
    from ragpg.evaluation_results as result
    join ragpg.answers as answer on answer.id = result.answer_id
    left join ragpg.model_prices as price on price.model = answer.model
    where result.evaluation_run_id = answer_costs.run_id;
end;
comment on function ragpg_internal.answer_costs(bigint) is
'Returns a row per answered question of a run: whether a judge called the answer right (null without one), its steps, tokens, and their cost by ragpg.model_prices (null when the model is not there).';
