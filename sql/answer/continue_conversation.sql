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
