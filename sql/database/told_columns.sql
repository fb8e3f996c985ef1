-- Of which columns would the planner's estimates tell what rows of others say?
create or replace function ragpg_internal.told_columns(kept regclass)
returns table (
    relation regclass, schema_name text, relation_name text, is_index boolean, place smallint,
    name text, target smallint
)
language sql stable
begin atomic
    -- Keys alone are counted through anyway, and joins need them. Estimates of texts are made by
    -- comparisons, which are leakproof; those of words and arrays ask nobody.
    select
        col.attrelid::regclass, owned.nspname::text, part.relname::text,
        part.relkind in ('i', 'I'), col.attnum, col.attname::text,
        -- Null for the default since Postgres 17, -1 before.
        coalesce(col.attstattarget, -1)::smallint
    from (
        select kept::oid as id, null::int2vector as columns
        union all
        select ind.indexrelid, ind.indkey
        from pg_index as ind
        where ind.indrelid = kept and ind.indexprs is not null
    ) as named
    join pg_class as part on part.oid = named.id
    join pg_namespace as owned on owned.oid = part.relnamespace
    join pg_attribute as col on col.attrelid = part.oid
    where col.attnum > 0
        and not col.attisdropped
        and case
            when named.columns is null
                then not (col.atttypid = 'bigint'::regtype and col.attname ~ '(^|_)id$')
            else named.columns[col.attnum - 1] = 0
        end;
end;
comment on function ragpg_internal.told_columns(regclass) is
'Returns the columns of a table, and the expressions of its indexes, of which no statistics are gathered while tenants are on: all but the keys, with their statistics target. explain shows estimates, and estimates come from statistics of all rows.';
