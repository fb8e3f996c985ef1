-- Row-level security of one table on or off, and what the planner would tell of its texts.
create or replace function ragpg_internal.protect_table(
    kept regclass, protected boolean
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    told record;
begin
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    -- Comparisons of texts are leakproof, so the planner uses statistics of all rows for them, and
    -- EXPLAIN's estimates would spell out, guess by guess, what other tenants' rows say.
    for told in
        select col.attname, part.relname, tree.inherited
        from pg_attribute as col
        join pg_class as part on part.oid = col.attrelid
        cross join (values (false), (true)) as tree (inherited)
        where col.attrelid = kept
            and col.attnum > 0
            and not col.attisdropped
            and col.atttypid in ('text'::regtype, 'bytea'::regtype)
    loop
        execute format(
            'alter table %s alter column %I set statistics %s',
            kept, told.attname, case when protected then 0 else -1 end
        );
        if protected and current_setting('server_version_num')::integer >= 180000 then
            execute 'select pg_clear_attribute_stats(''ragpg'', $1, $2, $3)'
            using told.relname::text, told.attname::text, told.inherited;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.protect_table(regclass, boolean) from public;
comment on function ragpg_internal.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics of its texts are gathered, and those there were are forgotten (Postgres 18 or newer).';
