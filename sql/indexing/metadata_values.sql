-- Which values do metadata hold, by their keys?
create or replace function ragpg_internal.metadata_values(metadata jsonb)
returns table (kind "char", key text, number numeric, word text)
language sql immutable parallel safe
begin atomic
    -- An array is entered once, as jsonpath does; what is in one within another is not told.
    with recursive member (key, value, type, is_element, is_several) as (
        select ragpg_internal.key_step(held.key), held.value, jsonb_typeof(held.value), false, false
        from jsonb_each(metadata) as held
        union all
        select
            within.key, within.value, jsonb_typeof(within.value), within.is_element,
            member.is_several or within.is_element
        from member
        cross join lateral (
            select
                member.key || '.' || ragpg_internal.key_step(held.key) as key, held.value,
                false as is_element
            from jsonb_each(case member.type when 'object' then member.value end) as held
            union all
            select member.key, held.value, true
            from jsonb_array_elements(case member.type when 'array' then member.value end) as held
            where not member.is_element
        ) as within
        where member.type in ('object', 'array')
    ),
    read as (
        select distinct
            case when member.is_several then upper(one.kind) else one.kind end as kind,
            member.key, one.number, one.word,
            one.kind = 'x' or length(member.key) > 100 or one.number is not distinct from 'NaN'
                as is_untold
        from member
        cross join lateral (
            select case when length(member.value::text) > 100 then 'x' else 'n' end as kind,
                member.value::numeric as number, null as word
            where member.type = 'number'
            union all
            select 's', null, left(member.value #>> '{}', 100)
            where member.type = 'string'
            union all
            select 't', moment, null
            from ragpg_internal.instant(
                case member.type when 'string' then member.value #>> '{}' end
            ) as moment
            where moment is not null
            union all
            select 'l', null, member.value::text
            where member.type in ('boolean', 'null')
            union all
            select 'x', null, null
            where member.type = 'array' and member.is_element
        ) as one
        limit 1001
    )
    select read.kind::"char", read.key, read.number, read.word
    from read
    where not read.is_untold and (select count(*) from read) <= 1000
    union all
    select 'x', '', null, ''
    where exists (select from read where read.is_untold) or (select count(*) from read) > 1000;
end;
comment on function ragpg_internal.metadata_values(jsonb) is
'Returns the values that metadata hold, one a row, as ragpg.document_values keeps them; beside them, or instead where they are more than 1,000, one of kind x where not all can be told.';
