-- What is there to call and to read, and how?
create or replace function ragpg.help(about text default '')
returns table (name text, kind text, call text, what text)
language sql stable
begin atomic
    select found.name, found.kind, found.call, found.what
    from (
        select
            routine.proname::text as name,
            'function' as kind,
            format('%s(%s)', routine.proname, pg_get_function_arguments(routine.oid)) as call,
            obj_description(routine.oid, 'pg_proc') as what
        from pg_proc as routine
        where routine.pronamespace = 'ragpg'::regnamespace and routine.prorettype <> 'trigger'::regtype
        union all
        select
            relation.relname::text,
            case relation.relkind when 'v' then 'view' else 'table' end,
            (
                select string_agg(col.attname, ', ' order by col.attnum)
                from pg_attribute as col
                where col.attrelid = relation.oid and col.attnum > 0 and not col.attisdropped
            ),
            obj_description(relation.oid, 'pg_class')
        from pg_class as relation
        where relation.relnamespace = 'ragpg'::regnamespace
            and relation.relkind in ('r', 'p', 'v')
            and not relation.relispartition
    ) as found
    where found.what is not null
        and (
            found.name ilike '%' || help.about || '%'
            or found.what ilike '%' || help.about || '%'
        )
    order by found.name <> help.about, found.name not ilike '%' || help.about || '%', found.name,
        found.call;
end;
comment on function ragpg.help(text) is
'Returns what there is to call and to read in ragpg that has this in its name or says it, the name itself first: how a function is called or which columns a view or table has, and what it is for. All of it without an argument; \x in psql shows a row as a page.';
