-- Trigger: what happened to a table that is indexed?
create or replace function ragpg_internal.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.tenant = ragpg_internal.written_tenant()'
            ' and document.source = stored.%I::text',
            tg_relid::regclass, tg_argv[1]
        )
        using tg_argv[0];
        return null;
    end if;
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE'
        and to_jsonb(old) ->> tg_argv[1] is distinct from to_jsonb(new) ->> tg_argv[1]
    then
        perform ragpg.delete_document(tg_argv[0], to_jsonb(old) ->> tg_argv[1]);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(
            to_jsonb(new), tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4], tg_argv[5]
        );
    end if;
    return null;
end
$$;
revoke execute on function ragpg_internal.index_table_row() from public;
comment on function ragpg_internal.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';
