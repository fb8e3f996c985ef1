-- 0009: conversations, and answers that looked more than once: every step a row.

create table ragpg.conversations (
    id bigint generated always as identity,
    collection_id bigint not null,
    created_at timestamptz not null default now(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint conversations_pkey primary key (id),
    constraint conversations_id_tenant_key unique (id, tenant),
    constraint conversations_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade
);
comment on table ragpg.conversations is
'Conversations with a collection. Their turns are rows of ragpg.answers, which go with them; ragpg.conversation_turns shows both.';
comment on column ragpg.conversations.id is 'Key.';
comment on column ragpg.conversations.collection_id is 'The collection that is asked, and no other.';
comment on column ragpg.conversations.created_at is 'When it began.';
comment on column ragpg.conversations.tenant is 'Who asks.';
create index conversations_collection_id_btree on ragpg.conversations (collection_id);
comment on index ragpg.conversations_collection_id_btree is 'Serves the conversations of a collection.';
create policy conversations_tenant on ragpg.conversations
    using (
        (select ragpg_internal.acting_for())[tenant] is not null
        and tenant = (select ragpg.current_tenant())
    );
comment on policy conversations_tenant on ragpg.conversations is 'Rows of the session''s tenant.';

alter table ragpg.answers
    add column conversation_id bigint,
    add column turn integer,
    add column standalone text,
    add column ended_by text;
comment on column ragpg.answers.conversation_id is
'The conversation whose turn it is; null for a question alone.';
comment on column ragpg.answers.turn is 'Its place in the conversation, from 1.';
comment on column ragpg.answers.standalone is
'The question as it was searched for beside its own words, where it follows others; null where it stands by itself.';
comment on column ragpg.answers.ended_by is
'What ended an answer whose steps are kept: answer (the model had what it needed), steps, tokens, seconds, cost (the cap of that name), max_tokens, refusal, failed; unfinished while it is written, and for good when its writer was killed. Null where one search was all.';
alter table ragpg.answers
    add constraint answers_conversation_id_turn_key unique (conversation_id, turn),
    add constraint answers_conversation_id_fkey
        foreign key (conversation_id, tenant)
            references ragpg.conversations (id, tenant) on update cascade on delete cascade,
    add constraint answers_turn_is_of_a_conversation
        check ((turn is null) = (conversation_id is null) and turn >= 1),
    add constraint answers_ended_by_is_known check (
        ended_by in (
            'answer', 'steps', 'tokens', 'seconds', 'cost', 'max_tokens', 'refusal', 'failed',
            'unfinished'
        )
    );

create table ragpg.answer_steps (
    id bigint generated always as identity,
    answer_id bigint not null,
    place integer not null,
    tool text not null,
    query text not null,
    filter text,
    k integer,
    start_char integer,
    end_char integer,
    hits jsonb not null,
    input_tokens integer not null,
    output_tokens integer not null,
    cache_read_tokens integer not null,
    cache_creation_tokens integer not null,
    milliseconds integer not null,
    failed text,
    created_at timestamptz not null default clock_timestamp(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint answer_steps_pkey primary key (id),
    constraint answer_steps_answer_id_place_key unique (answer_id, place),
    constraint answer_steps_answer_id_fkey
        foreign key (answer_id, tenant)
            references ragpg.answers (id, tenant) on update cascade on delete cascade,
    constraint answer_steps_hits_are_a_list check (jsonb_typeof(hits) = 'array'),
    constraint answer_steps_place_counts_from_1 check (place >= 1)
);
comment on table ragpg.answer_steps is
'What was looked up for an answer, a row for each step, stored as it happens. Goes with its answer, also when a document it was shown is erased.';
comment on column ragpg.answer_steps.id is 'Key.';
comment on column ragpg.answer_steps.answer_id is 'The answer.';
comment on column ragpg.answer_steps.place is 'Place among the answer''s steps, from 1.';
comment on column ragpg.answer_steps.tool is
'standalone (a follow-up was worded so that it can be searched for), search, read, or what else the model asked for and did not get.';
comment on column ragpg.answer_steps.query is 'What was searched for; of read the source.';
comment on column ragpg.answer_steps.filter is
'The model''s own filter as jsonpath; the question''s holds beside it.';
comment on column ragpg.answer_steps.k is 'Hits asked for.';
comment on column ragpg.answer_steps.start_char is 'First character to read.';
comment on column ragpg.answer_steps.end_char is 'One past the last.';
comment on column ragpg.answer_steps.hits is
'What the model was shown, in order: a list of objects with document_id, document_version, start_char, end_char, chunk_id (null for what was read), source, heading.';
comment on column ragpg.answer_steps.input_tokens is
'Tokens read, without cached ones, by the model''s message that asked for it; 0 for all but the first step a message asks for.';
comment on column ragpg.answer_steps.output_tokens is 'Tokens written in that message.';
comment on column ragpg.answer_steps.cache_read_tokens is 'Tokens it read from the prompt cache.';
comment on column ragpg.answer_steps.cache_creation_tokens is
'Tokens it stored in the prompt cache.';
comment on column ragpg.answer_steps.milliseconds is
'Milliseconds the look-up took, without the model''s message.';
comment on column ragpg.answer_steps.failed is 'Why nothing was shown, in the words the model was told; null: it was.';
comment on column ragpg.answer_steps.created_at is 'When.';
comment on column ragpg.answer_steps.tenant is 'The answer''s, always: its foreign key says so.';
create index answer_steps_hits_gin on ragpg.answer_steps using gin (hits jsonb_path_ops);
comment on index ragpg.answer_steps_hits_gin is 'Serves "which answers were shown this document".';
create policy answer_steps_tenant on ragpg.answer_steps
    using (
        (select ragpg_internal.acting_for())[tenant] is not null
        and tenant = (select ragpg.current_tenant())
    );
comment on policy answer_steps_tenant on ragpg.answer_steps is 'Rows of the session''s tenant.';

-- What does an answer cite?
create or replace function ragpg_internal.put_citations(answer_id bigint, citations jsonb)
returns void
language sql volatile
begin atomic
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end, tenant
    )
    select
        answer.id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end,
        answer.tenant
    from ragpg.answers as answer
    cross join jsonb_array_elements(put_citations.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    )
    where answer.id = put_citations.answer_id;
end;
comment on function ragpg_internal.put_citations(bigint, jsonb) is
'Stores what an answer cites: a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end.';

-- Keeps an answer and what it cites.
create or replace function ragpg.save_answer(
    collection text,
    question text,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    new_id bigint;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id into new_id;
    perform ragpg_internal.put_citations(new_id, save_answer.citations);
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there, RG007 when that version was erased meanwhile.';

-- Is a document that was shown to a model still there?
create or replace function ragpg_internal.shown_before(document_id bigint) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform from ragpg.documents as document where document.id = shown_before.document_id
    for key share;
    if found then
        return;
    end if;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = shown_before.document_id
    for key share;
    if not found then
        raise exception 'document % is not there any more', shown_before.document_id
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
end
$$;
comment on function ragpg_internal.shown_before(bigint) is
'Keeps a document, or its versions, from being erased until the transaction ends; raises RG007 when there is none any more.';

-- An answer whose steps are kept begins.
create or replace function ragpg_internal.start_answer(
    collection text, question text, model text, conversation_id bigint
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id constant bigint := ragpg.collection_id(start_answer.collection);
    new_id bigint;
    of_tenant text := ragpg_internal.written_tenant();
    next_turn integer;
begin
    if start_answer.conversation_id is not null then
        -- Who asks at the same time waits here, and has the next turn.
        select one.tenant into of_tenant
        from ragpg.conversations as one
        where one.id = start_answer.conversation_id
            and one.collection_id = parent_id
            -- Who sees all tenants would show this one what is the others'.
            and (one.tenant = of_tenant or not ragpg_internal.tenants_enabled())
        for update;
        if not found then
            raise exception 'there is no conversation % with collection "%"',
                start_answer.conversation_id, start_answer.collection
                using errcode = 'RG005', hint = 'view ragpg.conversation_overview has them';
        end if;
        select coalesce(max(answer.turn), 0) + 1 into next_turn
        from ragpg.answers as answer
        where answer.conversation_id = start_answer.conversation_id;
    end if;
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, input_tokens, output_tokens,
        cache_read_tokens, cache_creation_tokens, latency_ms, conversation_id, turn, ended_by,
        tenant
    )
    values (
        parent_id, start_answer.question, '', start_answer.model, false, false, 0, 0, 0, 0, 0,
        start_answer.conversation_id, next_turn, 'unfinished', of_tenant
    )
    returning answer.id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_answer(text, text, text, bigint) is
'Stores that an answer is being written, as the next turn of a conversation if one is given, and returns its id; note_step and finish_answer follow. Raises RG001, and RG005 for a conversation that the collection, or the session''s tenant, does not have.';

-- What was looked up for an answer just now?
create or replace function ragpg_internal.note_step(
    answer_id bigint,
    place integer,
    tool text,
    query text,
    filter text,
    k integer,
    start_char integer,
    end_char integer,
    hits jsonb,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    milliseconds integer,
    failed text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    of_tenant text;
begin
    -- Who erases a document meanwhile waits, and then finds the answer; or was first.
    perform ragpg_internal.shown_before((shown.hit ->> 'document_id')::bigint)
    from jsonb_array_elements(note_step.hits) as shown (hit);
    update ragpg.answers as answer
    set input_tokens = answer.input_tokens + note_step.input_tokens,
        output_tokens = answer.output_tokens + note_step.output_tokens,
        cache_read_tokens = answer.cache_read_tokens + note_step.cache_read_tokens,
        cache_creation_tokens = answer.cache_creation_tokens + note_step.cache_creation_tokens,
        latency_ms = answer.latency_ms + note_step.milliseconds,
        standalone = case
            when note_step.tool = 'standalone' then note_step.query
            else answer.standalone
        end
    where answer.id = note_step.answer_id
    returning answer.tenant into of_tenant;
    if not found then
        raise exception 'answer % is not there any more', note_step.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    insert into ragpg.answer_steps (
        answer_id, place, tool, query, filter, k, start_char, end_char, hits, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, milliseconds, failed, tenant
    )
    values (
        note_step.answer_id, note_step.place, note_step.tool, note_step.query,
        note_step.filter, note_step.k, note_step.start_char, note_step.end_char, note_step.hits,
        note_step.input_tokens, note_step.output_tokens, note_step.cache_read_tokens,
        note_step.cache_creation_tokens, note_step.milliseconds, note_step.failed, of_tenant
    );
end
$$;
comment on function ragpg_internal.note_step(bigint, integer, text, text, text, integer, integer, integer, jsonb, integer, integer, integer, integer, integer, text) is
'Stores a step of an answer that is being written, and what it took. Raises RG007 when the answer, or a document it was shown, was erased meanwhile.';

-- An answer whose steps are kept is there, or as much of it as there will be.
create or replace function ragpg_internal.finish_answer(
    answer_id bigint,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    ended_by text,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    -- In the order of erase_document: documents first, then answers.
    perform ragpg_internal.shown_before((cited.body ->> 'document_id')::bigint)
    from jsonb_array_elements(finish_answer.citations) as cited (body);
    update ragpg.answers as answer
    set content = finish_answer.content,
        model = finish_answer.model,
        abstained = finish_answer.abstained,
        grounded = finish_answer.grounded,
        stop_reason = finish_answer.stop_reason,
        input_tokens = finish_answer.input_tokens,
        output_tokens = finish_answer.output_tokens,
        cache_read_tokens = finish_answer.cache_read_tokens,
        cache_creation_tokens = finish_answer.cache_creation_tokens,
        latency_ms = finish_answer.latency_ms,
        ended_by = finish_answer.ended_by
    where answer.id = finish_answer.answer_id;
    if not found then
        raise exception 'answer % is not there any more', finish_answer.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    perform ragpg_internal.put_citations(finish_answer.answer_id, finish_answer.citations);
    return finish_answer.answer_id;
end
$$;
comment on function ragpg_internal.finish_answer(bigint, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, text, jsonb) is
'Stores what an answer that start_answer began says and cites, what it took in all and what ended it. Raises RG006 when a quote is not what the document holds there, RG007 when the answer or what it cites was erased meanwhile.';

-- What stands in a document between two characters?
create or replace function ragpg_internal.read_document(
    collection text, source text, start_char integer, end_char integer, filter jsonpath
) returns table (
    document_id bigint, document_version integer, title text, content text, page integer,
    metadata jsonb, length integer
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select
        document.id, document.version, document.title,
        substr(
            document.content, read_document.start_char + 1,
            read_document.end_char - read_document.start_char
        ),
        ragpg_internal.page_at(document.id, document.version, read_document.start_char),
        document.metadata, char_length(document.content)
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(read_document.collection)
        and document.source = read_document.source
        and document.tenant = coalesce(ragpg_internal.searched_tenant(), document.tenant)
        and (
            read_document.filter is null
            or ragpg_internal.passes(document.metadata, read_document.filter)
        )
    order by document.tenant = ragpg_internal.written_tenant() desc, document.id
    limit 1;
end
$$;
comment on function ragpg_internal.read_document(text, text, integer, integer, jsonpath) is
'Returns the characters of a document''s newest version from start_char (from 0) to before end_char, with its length, where the collection holds the document for the session''s tenant and the filter, if given, lets it through; no row else.';

-- From now on questions may follow each other.
create or replace function ragpg.start_conversation(collection text) returns bigint
language sql volatile
begin atomic
    insert into ragpg.conversations (collection_id)
    values (ragpg.collection_id(start_conversation.collection))
    returning id;
end;
comment on function ragpg.start_conversation(text) is
'Begins a conversation with a collection and returns its id, for conversation_id of ask. Raises RG001.';

-- What goes on with what was asked last?
create or replace function ragpg.continue_conversation(collection text) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    last_id bigint;
    found_id bigint;
    of_tenant text := ragpg_internal.written_tenant();
    parent_id constant bigint := ragpg.collection_id(continue_conversation.collection);
begin
    select answer.id, answer.conversation_id into last_id, found_id
    from ragpg.answers as answer
    where answer.collection_id = parent_id
        -- Who sees all tenants goes on with what none of them asked.
        and (answer.tenant = of_tenant or not ragpg_internal.tenants_enabled())
        and not exists (
            select from ragpg.evaluation_results as result where result.answer_id = answer.id
        )
    order by answer.created_at desc, answer.id desc
    limit 1;
    if found_id is null and last_id is not null then
        -- Who goes on with the same one at the same time waits, and has the same conversation.
        select answer.conversation_id, answer.tenant into found_id, of_tenant
        from ragpg.answers as answer
        where answer.id = last_id
        for update;
    end if;
    if found_id is null then
        insert into ragpg.conversations as one (collection_id, tenant)
        values (parent_id, coalesce(of_tenant, ragpg_internal.written_tenant()))
        returning one.id into found_id;
        update ragpg.answers as answer
        set conversation_id = found_id, turn = 1
        where answer.id = last_id;
    end if;
    return found_id;
end
$$;
comment on function ragpg.continue_conversation(text) is
'Returns the id of the conversation whose turn was the last answer of a collection, by whomever; a question that was asked alone becomes the first turn of a new one. Raises RG001.';

-- Forgets a conversation.
create or replace function ragpg.delete_conversation(conversation_id bigint) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.conversations as one where one.id = delete_conversation.conversation_id;
    return found;
end
$$;
comment on function ragpg.delete_conversation(bigint) is
'Deletes a conversation with its turns: their answers, citations, steps and feedback; returns whether there was one.';

-- Forgets conversations that ended long ago.
create or replace function ragpg.prune_conversations(
    older_than interval, collection text default null
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.conversations as one
    where one.created_at < now() - older_than
        and (
            prune_conversations.collection is null
            or one.collection_id = ragpg.collection_id(prune_conversations.collection)
        )
        and not exists (
            select
            from ragpg.answers as answer
            where answer.conversation_id = one.id and answer.created_at >= now() - older_than
        );
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_conversations(interval, text) is
'Deletes conversations whose last turn is older than given, with their turns, in one collection or all, and returns how many. Versions of documents that only they cited can be pruned then (ragpg.prune_versions).';

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

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    -- Its policy shows it to nobody: who sees all tenants proves it by this row.
    insert into ragpg.tenant_roles (role, tenant) values ('', null)
    on conflict on constraint tenant_roles_key do nothing;
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.conversations', 'ragpg.answers',
            'ragpg.searches', 'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    written record;
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches,'
        ' ragpg.conversations, ragpg.answer_steps to %I',
        role_name
    );
    -- Into every column but keys that Postgres gives: one taken would not be given to others.
    for written in
        select
            kept.oid::regclass as relation,
            string_agg(quote_ident(col.attname), ', ' order by col.attnum) as columns
        from pg_class as kept
        join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
        cross join aclexplode(kept.relacl) as given
        where kept.relnamespace = 'ragpg'::regnamespace
            and given.grantee = quote_ident(role_name)::regrole
            and given.privilege_type = 'DELETE'
            and not col.attisdropped
            and col.attidentity = ''
            and col.attgenerated = ''
            and (kept.relname <> 'collections' or col.attname in ('name', 'description'))
        group by kept.oid
    loop
        execute format('revoke insert on %s from %I', written.relation, role_name);
        execute format(
            'grant insert (%s) on %s to %I', written.columns, written.relation, role_name
        );
    end loop;
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index, ragpg.activate_search_index, ragpg.refresh_search_index,'
        ' ragpg.drop_search_index, ragpg.drop_collection, ragpg.tune_ef_search,'
        ' ragpg.quantize_search_index to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- What people said of answers, as questions to measure with.
create or replace function ragpg.evaluation_from_feedback(
    collection text default null, evaluation_set text default 'feedback'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id constant bigint := ragpg.collection_id(evaluation_from_feedback.collection);
    parent_name text := (select one.name from ragpg.collections as one where one.id = parent_id);
    put_count bigint;
begin
    select count(
        ragpg.put_evaluation_question(
            collection => parent_name,
            evaluation_set => evaluation_from_feedback.evaluation_set,
            question => told.question, labels => told.labels,
            expected_answer => told.expected_answer, is_answerable => told.is_answerable,
            tags => '{feedback}'
        )
    )
    into put_count
    from (
        select distinct on (answer.question)
            answer.question,
            -- A good answer that abstained was right to: there is none.
            not (answer.abstained and newest.corrected_text is null) as is_answerable,
            coalesce(newest.corrected_text, case when not answer.abstained then answer.content end)
                as expected_answer,
            case
                -- What a wrong answer cited says nothing of where the right one stands.
                when newest.rating = 'good' then
                    coalesce(
                        (
                            select jsonb_agg(distinct jsonb_build_object(
                                'source', coalesce(document.source, earlier.source),
                                'quote', cited.quote
                            ))
                            from ragpg.citations as cited
                            left join ragpg.documents as document
                                on document.id = cited.document_id
                            left join ragpg.document_versions as earlier
                                on earlier.document_id = cited.document_id
                                and earlier.version = cited.document_version
                            where cited.answer_id = answer.id
                                and coalesce(document.source, earlier.source) is not null
                        ),
                        '[]'
                    )
                else '[]'
            end as labels
        from (
            -- A follow-up says little without what it follows.
            select
                given.id, given.collection_id, given.content, given.abstained,
                coalesce(given.standalone, given.question) as question
            from ragpg.answers as given
        ) as answer
        cross join lateral (
            select said.id, said.rating, said.corrected_text
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest
        where answer.collection_id = parent_id
            and (newest.corrected_text is not null or newest.rating = 'good')
            -- A question that somebody wrote or changed in the set stays as it is.
            and not exists (
                select
                from ragpg.evaluation_questions as asked
                join ragpg.evaluation_sets as known on known.id = asked.evaluation_set_id
                where known.collection_id = parent_id
                    and known.name = evaluation_from_feedback.evaluation_set
                    and asked.question = answer.question
                    and asked.tags <> '{feedback}'
            )
        order by answer.question, newest.id desc
    ) as told;
    return put_count;
end
$$;
comment on function ragpg.evaluation_from_feedback(text, text) is
'Makes questions of an evaluation set, tagged feedback, from ragpg.feedback, and returns how many: of answers to the same question the last one that was called good or corrected, by the newest feedback to it. Of a follow-up in a conversation the question is the standalone one. A good answer is what to expect, its quotes are the labels; a good abstention makes the question unanswerable; a correction is what to expect, without labels. Bad answers without a correction, and questions the set holds under other tags, are left out. Raises RG001, RG002.';

-- Which question and answer pairs has a person vouched for?
create or replace view ragpg.finetuning_examples with (security_invoker = true) as
select
    one.name as collection,
    case when newest.corrected_text is null then 'accepted answer' else 'corrected answer' end
        as origin,
    -- A follow-up says little without what it follows.
    coalesce(answer.standalone, answer.question) as question,
    coalesce(newest.corrected_text, answer.content) as answer,
    coalesce(
        (
            select coalesce(document.source, earlier.source)
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = answer.id
            order by cited.ordinal
            limit 1
        ),
        coalesce(answer.standalone, answer.question)
    ) as split_by
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
cross join lateral (
    select said.rating, said.corrected_text
    from ragpg.answer_feedback as said
    where said.answer_id = answer.id
    order by said.id desc
    limit 1
) as newest
where newest.corrected_text is not null or newest.rating = 'good'
union all
select
    one.name,
    'evaluation set ' || of_set.name,
    question.question,
    question.expected_answer,
    coalesce(
        (
            select min(label.source)
            from ragpg.evaluation_labels as label
            where label.evaluation_question_id = question.id
        ),
        question.question
    )
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
where question.expected_answer ~ '\S';
comment on view ragpg.finetuning_examples is
'A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.';
comment on column ragpg.finetuning_examples.collection is 'Name of the collection.';
comment on column ragpg.finetuning_examples.origin is 'accepted answer, corrected answer, or the evaluation set.';
comment on column ragpg.finetuning_examples.question is 'The question.';
comment on column ragpg.finetuning_examples.answer is 'The answer to learn.';
comment on column ragpg.finetuning_examples.split_by is
'Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.';

-- Which text answers which question, and may the embedding model learn it?
create or replace function ragpg.training_pairs(
    collection text default null, index_id bigint default null
) returns table (
    question text, origin text, split text, source text, text text, start_char integer,
    end_char integer, document_id bigint, chunk_id bigint, relevant_chunk_ids bigint[]
)
language sql stable
begin atomic
    with recipe as materialized (
        select known.id, known.collection_id
        from ragpg.collections as one
        join ragpg.search_indexes as known
            on known.collection_id = one.id
            and known.id = coalesce(training_pairs.index_id, one.active_index_id)
        where one.id = ragpg.collection_id(training_pairs.collection)
    ),
    labelled as materialized (
        select
            lower(btrim(span.question)) as asked, span.question,
            'evaluation set ' || of_set.name as origin, span.document_id, span.start_char,
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split,
            given.quote is null and num_nulls(given.start_char, given.end_char) = 2
                as is_of_document
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
        join ragpg.evaluation_labels as given on given.id = span.evaluation_label_id
        where span.state = 'found'
    ),
    cited as materialized (
        select
            lower(btrim(coalesce(answer.standalone, answer.question))) as asked,
            coalesce(answer.standalone, answer.question) as question,
            case newest.rating when 'good' then 'accepted answer' else 'citation' end as origin,
            document.id as document_id, place.start_char,
            place.start_char + char_length(quoted.quote) as end_char
        from recipe
        join ragpg.answers as answer on answer.collection_id = recipe.collection_id
        join ragpg.citations as quoted on quoted.answer_id = answer.id
        join ragpg.documents as document on document.id = quoted.document_id
        left join lateral (
            select said.rating
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest on true
        cross join lateral (
            -- At its old place still, or else where it first occurs in the document of today.
            select case
                when substr(document.content, quoted.start_char + 1, char_length(quoted.quote))
                    = quoted.quote then quoted.start_char
                else nullif(strpos(document.content, quoted.quote), 0) - 1
            end as start_char
        ) as place
        -- Without a model the best hits are quoted: that would teach the model what it knows.
        where answer.model is not null
            and newest.rating is distinct from 'bad'
            and place.start_char is not null
    ),
    known as materialized (
        select asked, question, origin, document_id, start_char, end_char, is_of_document
        from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char, false from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared,
            -- Which of its chunks answers, a label of a whole document does not say.
            known.is_of_document and count(*) over (
                partition by known.asked, known.origin, known.document_id, known.start_char,
                    known.end_char
            ) > 1 as is_open
        from known
        cross join recipe
        join ragpg.chunks as chunk
            on chunk.index_id = recipe.id
            and chunk.document_id = known.document_id
            and chunk.start_char < known.end_char
            and known.start_char < chunk.end_char
    ),
    relevant as materialized (
        select touched.asked, array_agg(distinct touched.chunk_id) as chunk_ids
        from touched
        group by touched.asked
    ),
    positive as (
        select distinct on (best.asked, best.chunk_id) best.*
        from (
            select distinct on (asked, origin, document_id, start_char, end_char) touched.*
            from touched
            where not touched.is_open
            order by
                asked, origin, document_id, start_char, end_char, shared desc, ordinal
        ) as best
        -- An evaluation set before an accepted answer, that before a mere citation.
        order by
            best.asked, best.chunk_id, best.origin = 'citation', best.origin = 'accepted answer',
            best.origin, best.start_char
    )
    select
        positive.question,
        positive.origin,
        case
            when exists (
                select
                from labelled as held
                where held.split = 'held-out'
                    and (held.asked = positive.asked or held.document_id = positive.document_id)
            ) then 'held-out'
            else 'train'
        end,
        document.source,
        ragpg_internal.embedded_text(document.title, chunk.context, chunk.content, chunk.ordinal),
        positive.start_char,
        positive.end_char,
        positive.document_id,
        positive.chunk_id,
        relevant.chunk_ids
    from positive
    cross join recipe
    join ragpg.chunks as chunk
        on chunk.index_id = recipe.id
        and chunk.document_id = positive.document_id
        and chunk.ordinal = positive.ordinal
    join ragpg.documents as document on document.id = positive.document_id
    join relevant on relevant.asked = positive.asked
    order by ragpg_internal.hash_text(positive.asked), document.source, positive.ordinal;
end;
comment on function ragpg.training_pairs(text, bigint) is
'Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad; a document of several chunks that is labelled as a whole gives none (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Who stores an answer that cites it is waited for, and its answer found.
    perform from ragpg.documents as document where document.id = any(ids) for update;
    perform from ragpg.document_versions as earlier where earlier.document_id = any(ids) for update;
    -- Who asks the next question of a conversation in which it was shown is waited for, and its
    -- turn found; or waits, and reads only the turns that are left.
    perform
    from ragpg.conversations as talk
    where talk.id in (
        select answer.conversation_id
        from ragpg.answers as answer
        where answer.id in (
            select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
    )
    order by talk.id
    for update;
    -- Answers repeat what they read, so those that cite it go as a whole; so do those that were
    -- shown it, whose later steps may repeat it, and the turns of a conversation after them.
    delete from ragpg.answers as answer
    where answer.id in (
        with touched as (
            select cited.answer_id as id
            from ragpg.citations as cited
            where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
        select touched.id
        from touched
        union
        select later.id
        from touched
        join ragpg.answers as earlier on earlier.id = touched.id
        join ragpg.answers as later
            on later.conversation_id = earlier.conversation_id and later.turn > earlier.turn
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it or was shown it in a step, and the turns of a conversation after that, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Who reads answers reads these, and who writes answers writes these.
select
    case
        when given.may_delete then ragpg.grant_writer(given.name)
        else ragpg.grant_reader(given.name)
    end
from (
    select known.rolname::text as name, bool_or(acl.privilege_type = 'DELETE') as may_delete
    from pg_class as answers
    cross join aclexplode(answers.relacl) as acl
    join pg_roles as known on known.oid = acl.grantee
    where answers.oid = 'ragpg.answers'::regclass
        and acl.privilege_type in ('SELECT', 'DELETE')
        and acl.grantee <> answers.relowner
    group by known.rolname
) as given;
-- While tenants are on, row by row here as well.
select ragpg_internal.protect_table(added.name::regclass, true)
from unnest(array['ragpg.answers', 'ragpg.conversations', 'ragpg.answer_steps']) as added (name)
where ragpg_internal.tenants_enabled();
