-- How is a column of somebody's table read, running nothing that its owner has made?
create or replace function ragpg_internal.column_reading(
    table_name regclass, column_name text, prefix text, as_json boolean default false
) returns text
language sql stable
set search_path = ragpg, pg_temp
as $$
    with recursive wanted as (
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from pg_attribute as known
        join pg_type as typed on typed.oid = known.atttypid
        where known.attrelid = table_name and known.attname = column_name
            and known.attnum > 0 and not known.attisdropped
        union all
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from wanted
        join pg_type as typed on typed.oid = wanted.typbasetype
        where wanted.typtype = 'd'
    )
    select coalesce(
        (
            select format(
                'case when num_nulls(%1$s) = 0 then %2$s end',
                format('%s.%I', prefix, column_name),
                format(
                    case
                        when not as_json then $reading$format('%%s', %s.%I)$reading$
                        -- Types that came with Postgres; of others to_jsonb would look for a cast.
                        when wanted.oid < 16384 then 'to_jsonb(%s.%I)'
                        when wanted.typsubscript = 'array_subscript_handler'::regproc then
                            $reading$to_jsonb(array(
                                select case when num_nulls(one) = 0 then format('%%s', one) end
                                from unnest(%s.%I) as one
                            ))$reading$
                        else $reading$to_jsonb(format('%%s', %s.%I))$reading$
                    end,
                    prefix, column_name
                )
            )
            from wanted
            where wanted.typtype <> 'd'
        ),
        'null'
    )
$$;
comment on function ragpg_internal.column_reading(regclass, text, text, boolean) is
'Returns the SQL expression of a table''s column as text, or as jsonb: by the type''s output function, which a superuser made, never by a cast, which the owner of a type may make. A column that is gone is null.';
