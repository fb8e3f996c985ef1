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
