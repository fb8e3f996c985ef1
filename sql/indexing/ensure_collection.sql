-- Makes sure that a collection exists.
create or replace function ragpg_internal.ensure_collection(name text, description text default '')
returns bigint
language sql volatile
begin atomic
    insert into ragpg.collections (name, description)
    values (ensure_collection.name, ensure_collection.description)
    on conflict do nothing;
    select one.id
    from ragpg.collections as one
    where one.name = ensure_collection.name;
end;
comment on function ragpg_internal.ensure_collection(text, text) is
'Returns the id of the collection of that name, making it when it is new.';
