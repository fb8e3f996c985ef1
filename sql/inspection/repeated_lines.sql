-- Which lines stand in document after document, such as a footer?
create or replace function ragpg.repeated_lines(
    collection text default null,
    min_share double precision default 0.3,
    min_documents integer default 5
) returns table (line text, documents bigint, share double precision)
language sql stable
begin atomic
    with stored as materialized (
        select document.id, document.content
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(repeated_lines.collection)
    ),
    lines as (
        select stored.id, btrim(cut.line, E' \t') as line
        from stored
        cross join lateral string_to_table(stored.content, E'\n') as cut (line)
        where char_length(cut.line) >= 15
    )
    select
        min(lines.line) as line,
        count(distinct lines.id) as documents,
        count(distinct lines.id)::double precision / (select count(*) from stored) as share
    from lines
    -- A heading gives structure, a table's rule and a fence are syntax: three letters in a row
    -- make a text.
    where lines.line !~ '^#{1,6} ' and lines.line ~ '[^\u0001-\u0040\u005b-\u0060\u007b-\u00a9]{3}'
    -- Page numbers and dates differ from page to page.
    group by regexp_replace(lines.line, '[0-9]+', '0', 'g')
    having count(distinct lines.id) >= repeated_lines.min_documents
        and count(distinct lines.id) >= repeated_lines.min_share * (select count(*) from stored)
    order by 2 desc, 1;
end;
comment on function ragpg.repeated_lines(text, double precision, integer) is
'Returns the lines, of 15 characters or more, that stand in at least min_share and min_documents of a collection''s documents, most frequent first; numbers are taken as equal, headings left out.';
