-- Trigger: what happened to a table that is indexed?
create or replace function ragpg_internal.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    source_was text;
    source text;
    content text;
    title text;
    metadata jsonb;
    before text := current_setting('ragpg.tenant', true);
begin
    -- The table may be anybody's: what its owner has made of types, casts and policies must not run
    -- with the rights of this function.
    if tg_op = 'TRUNCATE' then
        -- Not read: to plan a statement on a table runs functions of its indexes' expressions.
        if tg_argv[6] is null then
            raise exception 'collection % would keep the rows of %', tg_argv[0], tg_relid::regclass
                using errcode = '42501',
                    hint = 'it is followed since before version 0003 of the schema: ragpg.index_table it anew, or delete instead';
        end if;
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(tg_argv[0])
            and document.row_of = tg_argv[6]::uuid;
        return null;
    end if;
    perform set_config('ragpg.tenant', coalesce(ragpg_internal.session_tenant(), ''), true);
    if tg_op <> 'INSERT' then
        execute 'select ' || ragpg_internal.column_reading(tg_relid, tg_argv[1], '($1)')
        into source_was
        using old;
    end if;
    if tg_op <> 'DELETE' then
        execute 'select ' || ragpg_internal.row_reading(
            tg_relid, tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4]::text[], '($1)'
        )
        into source, content, title, metadata
        using new;
    end if;
    if tg_op <> 'INSERT' and source_was is distinct from source then
        perform ragpg.delete_document(tg_argv[0], source_was);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(
            tg_argv[0], source, content, title, metadata, tg_argv[5], tg_argv[6]::uuid
        );
    end if;
    perform set_config('ragpg.tenant', coalesce(before, ''), true);
    return null;
end
$$;
revoke execute on function ragpg_internal.index_table_row() from public;
comment on function ragpg_internal.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';
