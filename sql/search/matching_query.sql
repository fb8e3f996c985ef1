-- How are all chunks of some documents asked?
create or replace function ragpg_internal.matching_query(
    table_name text,
    index_id bigint,
    conditions text,
    wanted integer,
    columns text default 'chunk.id'
) returns text
language sql stable
-- No search_path, but names bound when it is made: this is inlined, into every search.
return
    format(
        'select %6$s, chunk.embedding operator(%1$s.<=>) $1 as distance from ragpg.%2$s as chunk'
        ' where chunk.document_id = any(%4$s)%3$s order by distance limit %5$s',
        ragpg_internal.vector_schema(), table_name,
        -- A partition holds nothing else.
        case table_name when 'chunks' then ' and chunk.index_id = ' || index_id else '' end
        || conditions,
        -- Shards are asked by values; here these would be looked at one by one to plan.
        case when ragpg_internal.is_distributed() then '$2' else '(select $2)::bigint[]' end,
        wanted, columns
    );
comment on function ragpg_internal.matching_query(text, bigint, text, integer, text) is
'Returns the statement that asks for the wanted chunks nearest to $1 (columns, distance; best first), among all those of the documents $2, of a table, its partition or chunks, under conditions.';
