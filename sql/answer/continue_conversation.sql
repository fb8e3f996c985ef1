-- What goes on with what was asked last?
create or replace function ragpg.continue_conversation(collection text) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    last_id bigint;
    found_id bigint;
    parent_id constant bigint := ragpg.collection_id(continue_conversation.collection);
begin
    select answer.id, answer.conversation_id into last_id, found_id
    from ragpg.answers as answer
    where answer.collection_id = parent_id
        and not exists (
            select from ragpg.evaluation_results as result where result.answer_id = answer.id
        )
    order by answer.created_at desc, answer.id desc
    limit 1;
    if found_id is null then
        found_id := ragpg.start_conversation(continue_conversation.collection);
        update ragpg.answers as answer
        set conversation_id = found_id, turn = 1
        where answer.id = last_id;
    end if;
    return found_id;
end
$$;
comment on function ragpg.continue_conversation(text) is
'Returns the id of the conversation whose turn was the last answer of a collection, by whomever; a question that was asked alone becomes the first turn of a new one. Raises RG001.';
