-- What did the sentences of context take and cost, and why has a chunk none?
create or replace view ragpg.context_costs with (security_invoker = true) as
select
    one.name as collection,
    written.model,
    written.batch_id is not null as in_batch,
    count(*) as asked,
    count(*) filter (where written.sentence <> '') as sentences,
    count(*) filter (where written.sentence is null) as open,
    count(*) filter (where written.problem = 'refused') as refused,
    count(*) filter (where written.problem = 'empty') as empty,
    count(*) filter (where written.problem = 'cut') as cut,
    count(*) filter (where written.problem = 'too long') as too_long,
    sum(written.input_tokens) as input_tokens,
    sum(written.output_tokens) as output_tokens,
    sum(written.cache_read_tokens) as cache_read_tokens,
    sum(written.cache_creation_tokens) as cache_creation_tokens,
    sum(
        (
            written.input_tokens * price.input_price
            + written.output_tokens * price.output_price
            + written.cache_read_tokens * price.cache_read_price
            -- A batch keeps its cache for an hour, at twice the price of what is read, and costs
            -- half: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
            + written.cache_creation_tokens
                * case
                    when written.batch_id is null then price.cache_creation_price
                    else 2 * price.input_price
                end
        ) / case when written.batch_id is null then 1 else 2 end
    ) / 1000000 as cost,
    min(written.created_at) as first_at,
    max(written.created_at) as last_at
from ragpg.chunk_contexts as written
join ragpg.collections as one on one.id = written.collection_id
left join ragpg.model_prices as price on price.model = written.model
group by one.name, written.model, written.batch_id is not null;
comment on view ragpg.context_costs is
'A row per collection, model and way of asking: sentences of context written, those that failed and why, tokens, and their cost by ragpg.model_prices. Erased and pruned ones are not counted.';
comment on column ragpg.context_costs.collection is 'Name of the collection.';
comment on column ragpg.context_costs.model is 'The language model.';
comment on column ragpg.context_costs.in_batch is 'Whether it was asked through the Message Batches API, at half the price.';
comment on column ragpg.context_costs.asked is 'Chunks it was asked about.';
comment on column ragpg.context_costs.sentences is 'Sentences it wrote.';
comment on column ragpg.context_costs.open is 'Those that a batch under way shall bring.';
comment on column ragpg.context_costs.refused is 'Chunks it declined to write about: they have no sentence.';
comment on column ragpg.context_costs.empty is 'Chunks it wrote nothing about.';
comment on column ragpg.context_costs.cut is 'Chunks whose sentence did not come to an end.';
comment on column ragpg.context_costs.too_long is 'Chunks about which it wrote more than a chunk can hold.';
comment on column ragpg.context_costs.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.context_costs.output_tokens is 'Tokens written.';
comment on column ragpg.context_costs.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.context_costs.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.context_costs.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';
comment on column ragpg.context_costs.first_at is 'When it was first asked.';
comment on column ragpg.context_costs.last_at is 'When it was last asked.';
