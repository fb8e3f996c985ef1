-- Row-level security of one table on or off, and what the planner would tell of its rows.
create or replace function ragpg_internal.protect_table(
    kept regclass, protected boolean
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    told record;
begin
    if ragpg_internal.is_distributed() and (
        kept = 'ragpg.chunks'::regclass
        or exists (
            select
            from pg_inherits as part
            where part.inhrelid = kept and part.inhparent = 'ragpg.chunks'::regclass
        )
    ) then
        perform ragpg_internal.close_table(kept, protected);
        return;
    end if;
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    for told in select col.* from ragpg_internal.told_columns(kept) as col loop
        execute format(
            'alter %s %s alter column %s set statistics %s',
            case when told.is_index then 'index' else 'table' end, told.relation,
            case when told.is_index then told.place::text else quote_ident(told.name) end,
            case when protected then 0 else -1 end
        );
        if not protected then
            continue;
        elsif current_setting('server_version_num')::integer >= 180000 then
            execute
                'select pg_clear_attribute_stats($1, $2, $3, inherited)'
                ' from unnest(array[false, true]) as inherited'
            using told.schema_name, told.relation_name, told.name;
        elsif (select known.rolsuper from pg_roles as known where known.rolname = current_user) then
            delete from pg_statistic as known
            where known.starelid = told.relation and known.staattnum = told.place;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.protect_table(regclass, boolean) from public;
comment on function ragpg_internal.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics are gathered of its columns but the keys (ragpg_internal.told_columns), and those there were are forgotten (Postgres 18 or newer, or a superuser).';
