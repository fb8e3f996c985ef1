-- What was asked and answered in a conversation, turn by turn?
create or replace view ragpg.conversation_turns with (security_invoker = true) as
select
    one.name as collection,
    answer.conversation_id,
    answer.turn,
    answer.id as answer_id,
    answer.question,
    answer.standalone,
    answer.content as answer,
    answer.model,
    answer.abstained,
    answer.grounded,
    answer.ended_by,
    taken.steps,
    taken.failed_steps,
    (
        select count(*) from ragpg.citations as cited where cited.answer_id = answer.id
    ) as citations,
    (
        select said.rating
        from ragpg.answer_feedback as said
        where said.answer_id = answer.id
        order by said.id desc
        limit 1
    ) as rating,
    answer.input_tokens,
    answer.output_tokens,
    answer.cache_read_tokens,
    answer.cache_creation_tokens,
    answer.latency_ms,
    (
        answer.input_tokens * price.input_price
        + answer.output_tokens * price.output_price
        + answer.cache_read_tokens * price.cache_read_price
        + answer.cache_creation_tokens * price.cache_creation_price
    ) / 1000000 as cost,
    answer.created_at
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
cross join lateral (
    select
        count(*) filter (where step.tool <> 'standalone') as steps,
        count(*) filter (where step.failed is not null) as failed_steps
    from ragpg.answer_steps as step
    where step.answer_id = answer.id
) as taken
where answer.conversation_id is not null;
comment on view ragpg.conversation_turns is
'A row per turn of a conversation: the question, as it was searched for, the answer and what it took. Its steps are in ragpg.answer_steps, its quotes in ragpg.citations, by answer_id.';
comment on column ragpg.conversation_turns.collection is 'Name of the collection.';
comment on column ragpg.conversation_turns.conversation_id is 'The conversation.';
comment on column ragpg.conversation_turns.turn is 'Place in it, from 1.';
comment on column ragpg.conversation_turns.answer_id is 'The answer.';
comment on column ragpg.conversation_turns.question is 'What was asked.';
comment on column ragpg.conversation_turns.standalone is
'The question as it was searched for beside its own words; null where it stands by itself.';
comment on column ragpg.conversation_turns.answer is 'The answer''s text; empty while it is written.';
comment on column ragpg.conversation_turns.model is 'The language model; null when none was asked.';
comment on column ragpg.conversation_turns.abstained is 'Whether it says that there is no answer.';
comment on column ragpg.conversation_turns.grounded is 'Whether every claim is cited.';
comment on column ragpg.conversation_turns.ended_by is 'What ended it (ragpg.answers.ended_by).';
comment on column ragpg.conversation_turns.steps is 'Look-ups, failed ones too.';
comment on column ragpg.conversation_turns.failed_steps is 'Steps that showed nothing.';
comment on column ragpg.conversation_turns.citations is 'How many it cites.';
comment on column ragpg.conversation_turns.rating is 'good or bad, by the newest feedback.';
comment on column ragpg.conversation_turns.input_tokens is 'Tokens read, all steps together.';
comment on column ragpg.conversation_turns.output_tokens is 'Tokens written.';
comment on column ragpg.conversation_turns.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.conversation_turns.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.conversation_turns.latency_ms is 'Milliseconds from question to answer.';
comment on column ragpg.conversation_turns.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';
comment on column ragpg.conversation_turns.created_at is 'When it was asked.';
