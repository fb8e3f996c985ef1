-- Which tables of one's own are collections?
create or replace view ragpg.indexed_tables with (security_invoker = true) as
select
    trigger.tgrelid::regclass as table_name,
    convert_from(argument.list[1], 'utf8') as collection,
    convert_from(argument.list[2], 'utf8') as source_column,
    convert_from(argument.list[3], 'utf8') as content_column,
    nullif(convert_from(argument.list[4], 'utf8'), '') as title_column,
    convert_from(argument.list[5], 'utf8')::text[] as metadata_columns,
    convert_from(argument.list[6], 'utf8') as media_type
from pg_trigger as trigger
cross join lateral (
    -- pg_trigger keeps arguments as bytes with a zero after each.
    select array_agg(decode(part, 'hex') order by place) as list
    from regexp_split_to_table(
        regexp_replace(encode(trigger.tgargs, 'hex'), '(..)', '\1 ', 'g'), '00 '
    ) with ordinality as cut (part, place)
) as argument
where trigger.tgfoid = 'ragpg_internal.index_table_row'::regproc
    and trigger.tgtype & 1 = 1;
comment on view ragpg.indexed_tables is
'A row per table that ragpg.index_table keeps in step with a collection.';
comment on column ragpg.indexed_tables.table_name is 'The table.';
comment on column ragpg.indexed_tables.collection is 'Name of the collection.';
comment on column ragpg.indexed_tables.source_column is 'The column that gives a document''s source.';
comment on column ragpg.indexed_tables.content_column is 'The column that gives its text.';
comment on column ragpg.indexed_tables.title_column is 'The column that gives its title, if any.';
comment on column ragpg.indexed_tables.metadata_columns is 'The columns that become its metadata.';
comment on column ragpg.indexed_tables.media_type is 'How the text is read, such as text/markdown.';
