-- The HNSW index of a search index, after its first load.
create or replace function ragpg_internal.build_vector_index(index_id bigint, dimensions integer)
returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    -- ragpg_internal.nearest_query asks for these expressions.
    statement text := format(
        'create index if not exists %1$I on ragpg.%2$I using hnsw '
        || case quantize
            when 'none' then '((embedding::%3$s.halfvec(%4$s)) %3$s.halfvec_cosine_ops)'
            when 'bit' then '((%3$s.binary_quantize(embedding)::bit(%4$s)) %3$s.bit_hamming_ops)'
            else
                '((%3$s.subvector(embedding, 1, %5$s)::%3$s.halfvec(%5$s)) %3$s.halfvec_cosine_ops)'
        end,
        format('chunks_%s_embedding_hnsw', index_id), 'chunks_' || index_id,
        ragpg_internal.vector_schema(), dimensions, split_part(quantize, ':', 2)
    );
begin
    execute statement;
exception
    -- Too little shared memory for a parallel build (containers often have 64 MB): build alone.
    when disk_full or out_of_memory then
        perform set_config('max_parallel_maintenance_workers', '0', true);
        execute statement;
end
$$;
revoke execute on function ragpg_internal.build_vector_index(bigint, integer) from public;
comment on function ragpg_internal.build_vector_index(bigint, integer) is
'Builds the HNSW index of a search index''s partition (cosine of halfvec, or what a quantised one holds) if it is not there; without parallel workers when shared memory is short.';
