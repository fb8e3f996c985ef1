-- Before a followed table is emptied its trigger, which runs as ragpg's owner, reads the sources.
create or replace function ragpg_internal.let_owner_read(table_name regclass, source_column text)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    reader regrole := (select space.nspowner from pg_namespace as space where space.nspname = 'ragpg');
    place regnamespace := (
        select relation.relnamespace from pg_class as relation where relation.oid = table_name
    );
begin
    if not has_schema_privilege(reader, place, 'usage') then
        execute format('grant usage on schema %s to %s', place, reader);
    end if;
    if not has_column_privilege(reader, table_name, source_column, 'select') then
        execute format('grant select (%I) on %s to %s', source_column, table_name, reader);
    end if;
exception
    when insufficient_privilege then
        raise exception 'the role % cannot read %: %', reader, table_name, sqlerrm
            using errcode = '42501',
                hint = format(
                    'grant usage on schema %s to %s; grant select on %s to %s',
                    place, reader, table_name, reader
                );
end
$$;
comment on function ragpg_internal.let_owner_read(regclass, text) is
'Lets the owner of schema ragpg read the column of a table that ragpg.index_table follows. Raises 42501 with what to grant where the caller may not.';
