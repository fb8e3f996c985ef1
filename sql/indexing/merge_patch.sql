-- What does a change say of metadata? (RFC 7396)
create or replace function ragpg_internal.merge_patch(target jsonb, patch jsonb) returns jsonb
language plpgsql immutable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    if jsonb_typeof(target) is distinct from 'object' then
        target := '{}';
    end if;
    return (
        select coalesce(jsonb_object_agg(merged.key, merged.value), '{}')
        from (
            select one.key, one.value from jsonb_each(target) as one where not patch ? one.key
            union all
            select one.key, ragpg_internal.merge_patch(target -> one.key, one.value)
            from jsonb_each(patch) as one
            where jsonb_typeof(one.value) <> 'null'
        ) as merged
    );
end
$$;
comment on function ragpg_internal.merge_patch(jsonb, jsonb) is
'Returns the target with the changes of a JSON Merge Patch (RFC 7396): null takes a key away, an object changes the keys it names, anything else replaces.';
