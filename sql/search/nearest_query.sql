-- How is the vector index of a search index asked?
create or replace function ragpg_internal.nearest_query(
    table_name text,
    index_id bigint,
    dimensions integer,
    quantize text,
    conditions text,
    wanted integer,
    scanned integer
) returns text
language sql stable
set search_path = ragpg_internal, ragpg, pg_temp
begin atomic
    -- The index's own expression, one table, ascending: anything else loses the index.
    select format(
        case quantize
            when 'none' then
                -- A scan that goes on until it has enough gives them in steps.
                'select * from ('
                '  select chunk.id, chunk.document_id,'
                '   chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 as distance'
                '  from ragpg.%2$s as chunk where chunk.index_id = %3$s%4$s'
                '  order by chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 limit %6$s'
                ' ) as chunk order by distance'
            else
                'select chunk.id, chunk.document_id,'
                ' chunk.embedding operator(%1$s.<=>) $1 as distance from ('
                '  select chunk.id, chunk.document_id, chunk.embedding from ragpg.%2$s as chunk'
                '  where chunk.index_id = %3$s%4$s'
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
        ragpg_internal.vector_schema(), table_name, index_id, conditions, dimensions, wanted,
        greatest(scanned, wanted), split_part(quantize, ':', 2)
    );
end;
comment on function ragpg_internal.nearest_query(text, bigint, integer, text, text, integer, integer) is
'Returns the statement that asks the vector index of a search index for the wanted chunks nearest to $1 (id, document_id, distance; best first) of a table, its partition or chunks, under conditions: of a quantised one (search_indexes.quantize) those nearest by their bits or first numbers, scanned of them, ordered by the embeddings themselves.';
