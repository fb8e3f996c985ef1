-- Which collection is meant? The named one; with no name, the only one there is.
create or replace function ragpg.collection_id(collection text default null) returns bigint
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    found_id bigint;
    names text[];
begin
    if collection is not null then
        select one.id into found_id from ragpg.collections as one where one.name = collection;
        if found_id is not null then
            return found_id;
        end if;
    end if;
    select array_agg(one.name order by one.name) into names from ragpg.collections as one;
    if collection is not null or names is null then
        raise exception 'there is no collection %', coalesce('"' || collection || '"', 'yet')
            using errcode = 'RG001',
                hint = coalesce(
                    'there are: ' || array_to_string(names, ', '),
                    'add documents first: ragpg add PATH --collection NAME'
                );
    elsif cardinality(names) > 1 then
        raise exception 'which collection? there are %', array_to_string(names, ', ')
            using errcode = 'RG002', hint = 'name one: collection => ''...''';
    end if;
    return (select one.id from ragpg.collections as one);
end
$$;
comment on function ragpg.collection_id(text) is
'Returns the id of the named collection, or of the only one when no name is given. Raises RG001 (no such collection) or RG002 (which one?).';
