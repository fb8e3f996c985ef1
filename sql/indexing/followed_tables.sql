-- Which tables are followed, and what do their triggers know?
create or replace function ragpg_internal.followed_tables()
returns table (
    table_name regclass, collection text, source_column text, content_column text,
    title_column text, metadata_columns text[], media_type text, row_of uuid
)
language sql stable
begin atomic
    select
        trigger.tgrelid::regclass,
        convert_from(argument.list[1], 'utf8'),
        convert_from(argument.list[2], 'utf8'),
        convert_from(argument.list[3], 'utf8'),
        nullif(convert_from(argument.list[4], 'utf8'), ''),
        convert_from(argument.list[5], 'utf8')::text[],
        convert_from(argument.list[6], 'utf8'),
        nullif(convert_from(argument.list[7], 'utf8'), '')::uuid
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
end;
comment on function ragpg_internal.followed_tables() is
'Returns the tables that ragpg.index_table follows, with what their triggers were given; row_of is what documents of their rows are marked with, null where a table is followed since before version 0003.';
