-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    -- Whose rows its documents are: kept when the table is followed anew, restored or renamed.
    row_of uuid := coalesce(
        (
            select known.row_of
            from ragpg_internal.followed_tables() as known
            where known.table_name = index_table.table_name
                and known.collection = index_table.collection
        ),
        gen_random_uuid()
    );
    arguments text := format(
        '%L, %L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type, row_of
    );
    missing text;
    owner_name name;
    source text;
    content text;
    title text;
    metadata jsonb;
    rows_done bigint := 0;
    before text := current_setting('row_security');
begin
    -- To plan a statement on a table runs what its owner wrote into expressions of its indexes.
    select owner.rolname into owner_name
    from pg_class as relation
    join pg_roles as owner on owner.oid = relation.relowner
    where relation.oid = table_name and not pg_has_role(owner.oid, quote_ident(current_user)::regrole, 'usage');
    if owner_name is not null then
        raise exception '% belongs to the role %, whose code would run with the rights of %',
            table_name, owner_name, current_user
            using errcode = '42501',
                hint = format(
                    'set role %1$I; select ragpg.index_table(...); before, if it has not got them: select ragpg.grant_writer(%1$L); grant execute on function ragpg_internal.index_table_row to %1$I',
                    owner_name
                );
    end if;
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    if not has_function_privilege('ragpg_internal.index_table_row()', 'execute') then
        raise exception 'role % may not have a table followed', current_user
            using errcode = '42501',
                hint = format(
                    'ragpg''s owner lets it, for all tenants: grant execute on function ragpg_internal.index_table_row to %I (docs/security.md, Tables you follow)',
                    current_user
                );
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    perform set_config('row_security', 'off', true);  -- an error rather than too few rows
    for source, content, title, metadata in execute format(
        'select %s from %s as stored',
        ragpg_internal.row_reading(
            table_name, source_column, content_column, title_column, metadata_columns, 'stored'
        ),
        table_name
    ) loop
        perform ragpg_internal.index_row(
            collection, source, content, title, metadata, media_type, row_of
        );
        rows_done := rows_done + 1;
    end loop;
    perform set_config('row_security', before, true);
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner, who needs ragpg.grant_writer and the right to execute ragpg_internal.index_table_row: whoever has that writes for every tenant of the table''s collections.';
