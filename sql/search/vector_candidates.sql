-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null,
    exactly boolean default false
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_sort = on
set enable_indexscan = on
set enable_seqscan = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_passing text := case
        when ragpg_internal.is_distributed() then
            case when document_ids is null then '' else ' and chunk.document_id = any($2)' end
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
        else ''
    end;
    only_own text := '';
    tenant_chunks bigint;
    scanned integer;
    scan text;
    ids bigint[];
    distances double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $4';
        tenant_chunks := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = only_tenant
            ),
            0
        );
        exactly := exactly or tenant_chunks <= 20000;
        if document_ids is null then
            matching_chunks := tenant_chunks;
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if not exactly then
        -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
        scanned := greatest(recipe.ef_search, wanted, case when filter is not null then 200 end);
        perform set_config('hnsw.ef_search', least(scanned, 1000)::text, true);
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case
            when only_own || only_passing = '' then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            if ragpg_internal.is_distributed() then
                perform ragpg_internal.set_on_shards(least(scanned, 1000), scan);
            end if;
            execute
                'select array_agg(near.id), array_agg(near.distance) from ('
                || ragpg_internal.nearest_query(
                    table_name, recipe.id, vector_dims(query_embedding), recipe.quantize,
                    only_own || only_passing, wanted, scanned
                )
                || ') as near'
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null or ragpg_internal.is_distributed() then
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%5$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk where chunk.index_id = %2$s%3$s'
                '  order by chunk.embedding operator(%5$s.<=>) $1 limit %4$s) as near',
                table_name, recipe.id, only_own || only_passing, wanted,
                ragpg_internal.vector_schema()
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
        elsif only_tenant is null and cardinality(document_ids) > 4000 then
            -- Page by page of the table, in order: two thirds of the time where there are so many.
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select chunk.id, chunk.embedding <=> query_embedding as distance
                from ragpg.chunks as chunk
                where chunk.index_id = vector_candidates.index_id
                    and chunk.document_id = any((select document_ids)::bigint[])
                order by 2
                limit wanted
            ) as near;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks, and since Postgres 17 the whole index of documents is. Planned once
            -- in a session: two thirds of the time where few match.
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select one.id, one.embedding <=> query_embedding as distance
                from unnest(document_ids) as listed (id)
                cross join lateral (
                    select chunk.id, chunk.embedding
                    from ragpg.chunks as chunk
                    where chunk.index_id = vector_candidates.index_id
                        and chunk.document_id = listed.id
                        and (only_tenant is null or chunk.tenant = only_tenant)
                    offset 0
                ) as one
                order by 2
                limit wanted
            ) as near;
        end if;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, boolean) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match, or where asked to be; otherwise the HNSW index, and exact again should that come back with too few.';
