-- What was asked, how much of it was answered from sources, and what did it cost?
create or replace view ragpg.answers_by_day with (security_invoker = true) as
select
    one.name as collection,
    answer.created_at::date as day,
    answer.model,
    count(*) as answers,
    count(*) filter (where answer.grounded) as grounded,
    count(*) filter (where answer.abstained) as abstained,
    sum(answer.input_tokens) as input_tokens,
    sum(answer.output_tokens) as output_tokens,
    sum(answer.cache_read_tokens) as cache_read_tokens,
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms,
    sum(answer.cache_creation_tokens) as cache_creation_tokens,
    (count(*) filter (where answer.grounded))::double precision / count(*) as grounded_share,
    (
        sum(answer.input_tokens * price.input_price)
        + sum(answer.output_tokens * price.output_price)
        + sum(answer.cache_read_tokens * price.cache_read_price)
        + sum(answer.cache_creation_tokens * price.cache_creation_price)
    ) / 1000000 as cost,
    count(*) filter (where answer.ended_by in ('failed', 'unfinished')) as unfinished
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
group by one.name, answer.created_at::date, answer.model;
comment on view ragpg.answers_by_day is
'A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.';
comment on column ragpg.answers_by_day.collection is 'Name of the collection.';
comment on column ragpg.answers_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.answers_by_day.model is 'The language model; null when none was asked.';
comment on column ragpg.answers_by_day.answers is 'How many, those that were not finished among them.';
comment on column ragpg.answers_by_day.grounded is 'How many rest on citations.';
comment on column ragpg.answers_by_day.abstained is 'How many said that nothing fits.';
comment on column ragpg.answers_by_day.input_tokens is 'Tokens read.';
comment on column ragpg.answers_by_day.output_tokens is 'Tokens written.';
comment on column ragpg.answers_by_day.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers_by_day.median_latency_ms is 'Median milliseconds.';
comment on column ragpg.answers_by_day.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.answers_by_day.grounded_share is 'grounded by answers.';
comment on column ragpg.answers_by_day.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';
comment on column ragpg.answers_by_day.unfinished is
'How many failed, or are still being written, or were when their writer was killed.';
