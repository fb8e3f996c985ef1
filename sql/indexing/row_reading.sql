-- How is a row of somebody's table read as a document's parts?
create or replace function ragpg_internal.row_reading(
    table_name regclass,
    source_column text,
    content_column text,
    title_column text,
    metadata_columns text[],
    prefix text
) returns text
language sql stable
set search_path = ragpg, pg_temp
as $$
    select format(
        '%s, %s, %s, jsonb_build_object(%s)',
        ragpg_internal.column_reading(table_name, source_column, prefix),
        ragpg_internal.column_reading(table_name, content_column, prefix),
        ragpg_internal.column_reading(table_name, title_column, prefix),
        (
            select string_agg(
                format(
                    '%L::text, %s',
                    wanted.name,
                    ragpg_internal.column_reading(table_name, wanted.name, prefix, as_json => true)
                ),
                ', '
            )
            from unnest(metadata_columns) as wanted (name)
        )
    )
$$;
comment on function ragpg_internal.row_reading(regclass, text, text, text, text[], text) is
'Returns the SQL expressions of a row''s source, content, title and metadata, with a comma between, running nothing that the table''s owner has made. For ragpg.index_table.';
