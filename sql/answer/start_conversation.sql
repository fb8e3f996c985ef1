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
