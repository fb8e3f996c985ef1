-- How is the vector index of a search index asked?
create or replace function ragpg_internal.nearest_query(
    table_name text,
    index_id bigint,
    dimensions integer,
    quantize text,
    conditions text,
    wanted integer,
    scanned integer,
    columns text default 'chunk.id, chunk.document_id'
) returns text
language sql stable
-- No search_path, but names bound when it is made: this is inlined, into every search.
return
    -- The index's own expression, one table, ascending: anything else loses the index.
    format(
        case quantize
            when 'none' then
                'select %9$s, chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 as distance'
                ' from ragpg.%2$s as chunk where %3$s%4$s'
                ' order by distance limit %6$s'
            else
                'select %9$s, chunk.embedding operator(%1$s.<=>) $1 as distance from ('
                '  select chunk.* from ragpg.%2$s as chunk where %3$s%4$s'
                '  order by '
                || case quantize
                    when 'bit' then
                        '%1$s.binary_quantize(chunk.embedding)::bit(%5$s)'
                        ' operator(%1$s.<~>) %1$s.binary_quantize($1)::bit(%5$s)'
                    else
                        '%1$s.subvector(chunk.embedding, 1, %8$s)::%1$s.halfvec(%8$s)'
                        ' operator(%1$s.<=>) %1$s.subvector($1, 1, %8$s)::%1$s.halfvec(%8$s)'
                end
                || ' limit %7$s'
                ' ) as chunk order by distance limit %6$s'
        end,
        ragpg_internal.vector_schema(), table_name,
        -- A partition holds nothing else, and to ask it takes the planner's time.
        case table_name when 'chunks' then 'chunk.index_id = ' || index_id else 'true' end,
        conditions, dimensions, wanted,
        greatest(scanned, wanted), split_part(quantize, ':', 2), columns
    );
comment on function ragpg_internal.nearest_query(text, bigint, integer, text, text, integer, integer, text) is
'Returns the statement that asks the vector index of a search index for the wanted chunks nearest to $1 (columns, distance) of a table, its partition or chunks, under conditions: of a quantised one (search_indexes.quantize) those nearest by their bits or first numbers, scanned of them, ordered by the embeddings themselves. Best first, but where hnsw.iterative_scan is relaxed_order.';
