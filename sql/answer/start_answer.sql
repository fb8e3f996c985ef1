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
