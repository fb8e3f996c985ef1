-- What stands in the chunks that are nearest in meaning?
create or replace function ragpg_internal.nearest_chunks(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    quantize text,
    ef_search integer,
    document_ids bigint[] default null
) returns ragpg.hit[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_indexscan = on
set enable_seqscan = on
as $$
declare
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || nearest_chunks.index_id;
    columns constant text :=
        'chunk.content, chunk.start_char, chunk.end_char, chunk.page, chunk.context,'
        ' chunk.document_id, chunk.document_version, chunk.id';
    asked text;
    chunks ragpg.hit[];
begin
    if not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false) then
        table_name := 'chunks';
    end if;
    if document_ids is null then
        if greatest(ef_search, wanted) <> 100 then
            perform set_config('hnsw.ef_search', greatest(ef_search, wanted)::text, true);
        end if;
        asked := ragpg_internal.nearest_query(
            table_name, nearest_chunks.index_id, vector_dims(query_embedding), quantize, '', wanted,
            ef_search, columns
        );
    else
        perform set_config('enable_indexscan', 'off', true);
        perform set_config('enable_seqscan', 'off', true);
        asked := ragpg_internal.matching_query(
            table_name, nearest_chunks.index_id, '', wanted, columns
        );
    end if;
    execute
        -- To a vector of zeros nothing is near or far: the cosine is NaN.
        'select array_agg(row('
        ' 0, null, null, near.content, coalesce(nullif(1 - near.distance, ''NaN''), 0), null, null,'
        ' near.start_char, near.end_char, near.page, near.context, null, near.document_id,'
        ' near.document_version, near.id)::ragpg.hit) from (' || asked || ') as near'
    into chunks
    using query_embedding, document_ids;
    return chunks;
exception
    when undefined_table then
        return null;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.nearest_chunks(bigint, halfvec, integer, text, integer, bigint[]) is
'Returns what hits hold of the chunks nearest to an embedding, best first, their score the cosine similarity, without what their documents say: of a search index those that its vector index finds, or all of some documents. A search by vectors alone, without tenants, needs no other look at chunks. Fewer than wanted where the scan of the index met rows that were deleted.';
