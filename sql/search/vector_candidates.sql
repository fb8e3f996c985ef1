-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
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
    only_own text := '';
    held bigint;  -- chunks, of the tenant or in all
    nearest bigint := wanted;  -- so many are asked of the index
    scanned integer;
    scan text;
    ids bigint[];
    met_documents bigint[];
    distances double precision[];
    exactly boolean := false;
    has_times constant boolean := ragpg_internal.has_times(filter);
    only_tenant text;
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
begin
    if is_closed then
        select known.tenant into only_tenant from ragpg_internal.proven_tenant(proof) as known;
    else
        only_tenant := ragpg_internal.searched_tenant();
    end if;
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null or filter is not null then
        held := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = coalesce(only_tenant, '')
            ),
            0
        );
    end if;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $2';
        exactly := held <= 20000;
        if filter is null then
            matching_chunks := nullif(held, 0);  -- not counted yet
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if filter is not null then
        -- Of so many of the nearest a filter that has nothing to do with the question lets enough
        -- through, and by chance fewer only once in a hundred times.
        -- (What was not counted yet is more than was.)
        nearest := ceil(
            2.5 * wanted * greatest(held, matching_chunks, 1) / greatest(matching_chunks, 1)
        );
    end if;
    scan := case when only_own = '' and filter is null then 'off' else 'relaxed_order' end;
    -- Eight chunks that match are looked at in the time in which the index finds one.
    while not exactly and (filter is null or 8 * nearest <= matching_chunks) loop
        scanned := greatest(recipe.ef_search, nearest, case when filter is not null then 200 end);
        perform set_config('hnsw.ef_search', least(scanned, 1000)::text, true);
        perform set_config('hnsw.iterative_scan', scan, true);
        if ragpg_internal.is_distributed() then
            perform ragpg_internal.set_on_shards(least(scanned, 1000), scan);
        end if;
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        execute
            'select array_agg(near.id), array_agg(near.document_id), array_agg(near.distance) from ('
            || ragpg_internal.nearest_query(
                table_name, recipe.id, vector_dims(query_embedding), recipe.quantize, only_own,
                nearest::integer, scanned
            )
            || ') as near'
        into ids, met_documents, distances
        using query_embedding, only_tenant;
        if filter is not null then
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select met.id, met.distance
                from unnest(ids, met_documents, distances) as met (id, document_id, distance)
                where (
                    select ragpg_internal.passes(document.metadata, filter, has_times)
                    from ragpg.documents as document
                    where document.id = met.document_id
                )
                order by met.distance
                limit wanted
            ) as near;
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        exit when cardinality(ids) >= wanted
            or filter is null and scan = 'relaxed_order';
        scan := 'relaxed_order';
        -- The question is unlike what matches: so far are fewer of it than chance would have.
        nearest := case when filter is null then wanted else 6 * nearest end;
    end loop;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null and filter is not null then
            select found.document_ids into document_ids
            from ragpg_internal.matching_documents(
                recipe.id, filter,
                proof => case
                    when is_closed then vector_candidates.proof
                    else ragpg_internal.proof()
                end
            ) as found;
        end if;
        if filter is null then
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%5$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk where chunk.index_id = %2$s%3$s'
                '  order by chunk.embedding operator(%5$s.<=>) $1 limit %4$s) as near',
                table_name, recipe.id, only_own, wanted, ragpg_internal.vector_schema()
            )
            into ids, distances
            using query_embedding, only_tenant;
        elsif only_tenant is null or ragpg_internal.is_distributed() then
            -- Page by page of the table, in order: half the time of document by document. (Of the
            -- parent with index_id: Postgres 18 would look up each document twice.)
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%3$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk'
                '  where chunk.document_id = any(%4$s)%2$s%5$s order by 2 limit $3) as near',
                table_name,
                case when table_name = 'chunks' then ' and chunk.index_id = ' || recipe.id else '' end,
                ragpg_internal.vector_schema(),
                -- Shards are asked by values; here these would be looked at one by one to plan.
                case when ragpg_internal.is_distributed() then '$2'
                    else '(select $2)::bigint[]' end,
                case
                    when only_tenant is not null then format(' and chunk.tenant = %L', only_tenant)
                end
            )
            into ids, distances
            using query_embedding, document_ids, wanted;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks. Planned once in a session.
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
    -- To a vector of zeros nothing is near or far: the cosine is NaN.
    select found.id, coalesce(nullif(1 - found.distance, 'NaN'), 0)
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, uuid) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; with a filter only of documents that pass it, which hold some matching_chunks chunks and are document_ids if these are known. Of the HNSW index''s nearest those that pass are taken, of as many as a filter that has nothing to do with the question needs, then of six times as many; exact where these would take longer than to look at all that match. A tenant of up to 20,000 chunks is searched exactly. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller''s tenant.';
