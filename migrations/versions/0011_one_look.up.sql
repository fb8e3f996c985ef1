-- 0011: searches by vectors alone look at the chunks once.
-- pgvector's library is loaded by its first use, before functions that set its parameters.
select '[1]'::halfvec <=> '[1]'::halfvec;

do $$
begin
    if ragpg_internal.is_distributed() then
        -- On the workers, too, by the connections over which functions are made there.
        perform set_config('citus.max_adaptive_executor_pool_size', '1', true);
        perform chunk.embedding <=> chunk.embedding from ragpg.chunks as chunk where chunk.id = -1;
    end if;
end
$$;

drop function ragpg_internal.nearest_query(text, bigint, integer, text, text, integer, integer);

-- Where is pgvector? For statements that use its indexes, whose operator must be its own.
create or replace function ragpg_internal.vector_schema() returns text
language sql stable parallel safe
-- No search_path, but names bound when it is made: this is inlined, into every search.
return (
    select extension.extnamespace::pg_catalog.regnamespace::text
    from pg_catalog.pg_extension as extension
    where extension.extname = 'vector'
);
comment on function ragpg_internal.vector_schema() is
'Returns the schema of the extension vector, quoted. No function of ragpg has it on its search_path, because others may create operators there: ragpg_internal has names of its own for pgvector''s types, operators and functions, and statements that use an index name this schema.';

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

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe record;
    nearest ragpg.hit[];  -- chunks, without what is said of their documents
    wanted integer;
    -- That the filter lets through; null where they are many: each candidate is asked.
    matching_documents bigint[];
    matching_chunks bigint;
    matching_share double precision := 0;
    few_chunks constant integer := 200;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_counts integer[];  -- of chunks
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
    met_ids bigint[];  -- the same chunks, as they came
    met_embeddings halfvec[];  -- of these
    best_ids bigint[];  -- best first
    best_scores double precision[];
    best_similarities double precision[];
    best_bm25_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision;
    vector_deviation double precision;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    select
        known.*, model.dimensions, counted.chunk_count, counted.mean_length,
        -- Not the whole row: its samples are large.
        case when filter is not null then counted.document_sample end as some_documents,
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        search.index_id is null
        and one.search_log_share > random()
        and current_setting('transaction_read_only') = 'off'
        and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute') as logged
    into recipe
    from ragpg.search_indexes as known
    join ragpg.collections as one on one.id = known.collection_id
    join ragpg.embedding_models as model on model.id = known.embedding_model_id
    left join ragpg.index_statistics as counted
        on counted.index_id = known.id and counted.tenant = counted_tenant
    where known.id = coalesce(
        search.index_id,
        (
            select asked.active_index_id
            from ragpg.collections as asked
            -- Not asked when the id is given.
            where search.index_id is null and asked.id = ragpg.collection_id(search.collection)
        )
    );
    if recipe.id is null and search.index_id is null then
        return;  -- a collection without a document yet
    elsif recipe.id is null then
        raise exception 'there is no search index %', search.index_id
            using errcode = 'RG010', hint = 'view index_health lists them';
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    if vector_dims(query_embedding) <> recipe.dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), recipe.dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    if not ragpg_internal.is_distributed() then  -- Citus plans by the values
        perform set_config('plan_cache_mode', 'force_generic_plan', true);
    end if;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if recipe.chunk_count > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, 4000) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                if recipe.chunk_count < 200000 then
                    recipe.some_documents := recipe.some_documents[:50];
                end if;
                matching_share := coalesce(
                    cardinality(ragpg_internal.passing(recipe.some_documents, filter)), 0
                )::double precision / nullif(cardinality(recipe.some_documents), 0);
                matching_chunks := recipe.chunk_count * matching_share;
            end if;
        end if;
        if matching_documents is null and (
            matching_share < 0.3 and matching_share * coalesce(recipe.chunk_count, 0) <= 40000
            or ragpg_internal.is_distributed()  -- the shards have no documents to ask
        ) then
            select found.document_ids, coalesce(found.chunks, matching_chunks)
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(
                -- So many are listed in 10 ms.
                recipe.id, filter,
                case
                    when matching_share >= 0.03 and not ragpg_internal.is_distributed() then 50000
                end
            ) as found;
        end if;
        if matching_chunks = 0 then
            if recipe.logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    -- One look at the chunks is enough where it is known which.
    if mode = 'vector' and counted_tenant = '' and k <= 1000
        and (filter is null or matching_chunks <= 1000 and matching_documents is not null)
        and not ragpg_internal.is_distributed()
    then
        nearest := ragpg_internal.nearest_chunks(
            recipe.id, query_embedding, k, recipe.quantize, recipe.ef_search, matching_documents
        );
    end if;
    if cardinality(nearest) = k or nearest is not null and filter is not null then
        return query
        select
            (row_number() over (order by hit.score desc, hit.chunk_id))::integer, document.source,
            document.title, hit.content, hit.score, hit.score, hit.bm25, hit.start_char,
            hit.end_char, hit.page, hit.context, document.metadata, hit.document_id,
            hit.document_version, hit.chunk_id
        from unnest(nearest) as hit
        cross join lateral (
            select one.source, one.title, one.metadata
            from ragpg.documents as one
            where one.id = hit.document_id
            limit 1
        ) as document
        order by 1;
        if recipe.logged then
            perform ragpg_internal.log_search(
                recipe.id, search.query, search.query_embedding, search.mode, search.k,
                filter is not null, cardinality(nearest), nearest[1].score,
                extract(epoch from clock_timestamp() - started) * 1000
            );
        end if;
        return;
    end if;

    if mode <> 'vector' then
        select
            array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
            array_agg(word.chunk_count order by word.place), sum(word.chunk_count),
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_counts, word_chunks, word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        if cardinality(words) = 64 then
            raise notice 'of the question''s words the 64 that weigh most are looked for';
        end if;
    end if;
    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
            as spread;
    end if;
    -- Where the search index names no weight it follows the question: the less its nearest chunk
    -- stands out, the less the model knows of it. Of few chunks, that pass a filter or are all
    -- there are, it tells less: none of n is more than (n - 1) / sqrt(n) deviations above the mean.
    vector_weight := coalesce(
        vector_weight,
        case
            when filter is not null or coalesce(recipe.chunk_count, 0) < few_chunks then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
    if mode = 'hybrid' and vector_ids is not null then
        bm25_scores := ragpg_internal.word_scores(
            recipe.id, vector_ids, words, word_weights, recipe.mean_length
        );
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            -- Where very many chunks hold the words, those that only the commonest speak for are
            -- left to the vector leg: none of the best 30 by words were lost (docs/measured.md).
            if word_chunks <= 30000 or matching_documents is not null then
                word_counts := null;
            end if;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25, word_counts
            ) as found;
        end if;
    end if;

    if query_embedding is not null and word_ids is not null then
        met_ids := array(
            select met.id
            from unnest(word_ids) as met (id)
            where met.id <> all(coalesce(vector_ids, '{}'))
        );
        if ragpg_internal.is_distributed() then
            -- The operator is asked for here, and not where the chunks are.
            select array_agg(chunk.embedding), array_agg(chunk.chunk_id)
            into met_embeddings, met_ids
            from ragpg_internal.known_chunks(met_ids, recipe.id) as chunk;
        else
            select array_agg(chunk.embedding), array_agg(chunk.id) into met_embeddings, met_ids
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = any(met_ids);
        end if;
    end if;
    select
        array_agg(best.chunk_id), array_agg(best.score), array_agg(best.similarity),
        array_agg(best.bm25)
    into best_ids, best_scores, best_similarities, best_bm25_scores
    from (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from (
                select known.*
                from unnest(vector_ids, similarities, bm25_scores)
                    as known (chunk_id, similarity, bm25)
                union all
                select
                    said.chunk_id,
                    case
                        when query_embedding is not null
                            then coalesce(nullif(1 - (met.embedding <=> query_embedding), 'NaN'), 0)
                    end,
                    said.bm25
                from unnest(word_ids, word_scores) as said (chunk_id, bm25)
                left join unnest(met_ids, met_embeddings) as met (chunk_id, embedding)
                    on met.chunk_id = said.chunk_id
                where said.chunk_id <> all(coalesce(vector_ids, '{}'))
            ) as candidate
        ) as known
        -- Alike to the words, which none of them holds, or to a weight of nothing: the nearest.
        order by known.score desc nulls last, known.similarity desc nulls last, known.chunk_id
        limit k
    ) as best;
    if ragpg_internal.is_distributed() then
        return query
        select hit.*
        from ragpg_internal.distant_hits(
            recipe.id, best_ids, best_scores, best_similarities, best_bm25_scores
        ) as hit;
    else
        return query
        -- Each looked up by its key: without statistics of the parent of all partitions, and it has
        -- none, a join may be planned that reads every chunk.
        select
            best.place::integer, document.source, document.title, hit.content, best.score,
            best.similarity, best.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            document.metadata, hit.document_id, hit.document_version, hit.id
        from unnest(best_ids, best_scores, best_similarities, best_bm25_scores) with ordinality
            as best (chunk_id, score, similarity, bm25, place)
        cross join lateral (
            select
                chunk.id, chunk.content, chunk.start_char, chunk.end_char, chunk.page,
                chunk.context, chunk.document_id, chunk.document_version
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = best.chunk_id
            limit 1
        ) as hit
        cross join lateral (
            select one.source, one.title, one.metadata
            from ragpg.documents as one
            where one.id = hit.document_id
            limit 1
        ) as document
        order by 1;
    end if;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if recipe.logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says, or else by how far the nearest chunk stands out (ragpg_internal.question_weight). Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

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
    asked text;
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
        asked := ragpg_internal.nearest_query(
            table_name, recipe.id, vector_dims(query_embedding), recipe.quantize, only_own,
            nearest::integer, scanned
        );
        if scan = 'relaxed_order' then
            asked := 'select * from (' || asked || ') as near order by distance';
        end if;
        execute
            'select array_agg(near.id), array_agg(near.document_id), array_agg(near.distance)'
            ' from (' || asked || ') as near'
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
            execute
                'select array_agg(near.id), array_agg(near.distance) from ('
                || ragpg_internal.matching_query(
                    table_name, recipe.id,
                    case
                        when only_tenant is not null then format(' and chunk.tenant = %L', only_tenant)
                        else ''
                    end,
                    wanted
                )
                || ') as near'
            into ids, distances
            using query_embedding, document_ids;
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
