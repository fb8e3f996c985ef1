-- Which conversations are there, and what did they cost?
create or replace view ragpg.conversation_overview with (security_invoker = true) as
select
    one.name as collection,
    talk.id as conversation_id,
    taken.first_question,
    taken.turns,
    taken.steps,
    taken.unfinished,
    taken.good,
    taken.bad,
    taken.tokens,
    taken.cost,
    talk.created_at,
    taken.last_at
from ragpg.conversations as talk
join ragpg.collections as one on one.id = talk.collection_id
cross join lateral (
    select
        (array_agg(said.question order by said.turn))[1] as first_question,
        count(*) as turns,
        coalesce(sum(said.steps), 0) as steps,
        count(*) filter (where said.ended_by = 'unfinished') as unfinished,
        count(*) filter (where said.rating = 'good') as good,
        count(*) filter (where said.rating = 'bad') as bad,
        coalesce(
            sum(
                said.input_tokens + said.output_tokens + said.cache_read_tokens
                + said.cache_creation_tokens
            ),
            0
        ) as tokens,
        sum(said.cost) as cost,
        max(said.created_at) as last_at
    from ragpg.conversation_turns as said
    where said.conversation_id = talk.id
) as taken;
comment on view ragpg.conversation_overview is
'A row per conversation: how it began, how long it is, what people thought of it and what it cost.';
comment on column ragpg.conversation_overview.collection is 'Name of the collection.';
comment on column ragpg.conversation_overview.conversation_id is 'The conversation.';
comment on column ragpg.conversation_overview.first_question is 'Its first question; null before it is asked.';
comment on column ragpg.conversation_overview.turns is 'Questions asked.';
comment on column ragpg.conversation_overview.steps is 'Look-ups of all turns.';
comment on column ragpg.conversation_overview.unfinished is
'Turns that are being written, or whose writer was killed.';
comment on column ragpg.conversation_overview.good is 'Turns called good.';
comment on column ragpg.conversation_overview.bad is 'Turns called bad.';
comment on column ragpg.conversation_overview.tokens is 'Tokens of all kinds.';
comment on column ragpg.conversation_overview.cost is
'What they cost by ragpg.model_prices; null when no model of it is there.';
comment on column ragpg.conversation_overview.created_at is 'When it began.';
comment on column ragpg.conversation_overview.last_at is 'When its last question was asked.';
