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
    recipe ragpg.search_indexes;
    all_chunks bigint;
    mean_length real;
    some_documents bigint[];  -- drawn at random
    dimensions integer;
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
    logged boolean := false;
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
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
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
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    -- Not the whole row: its sample of embeddings is large.
    select
        known.chunk_count, known.mean_length,
        case when filter is not null then known.document_sample end
    into all_chunks, mean_length, some_documents
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    if not ragpg_internal.is_distributed() then  -- Citus plans by the values
        perform set_config('plan_cache_mode', 'force_generic_plan', true);
    end if;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if all_chunks > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, 4000) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                if all_chunks < 200000 then
                    some_documents := some_documents[:50];
                end if;
                matching_share := coalesce(
                    cardinality(ragpg_internal.passing(some_documents, filter)), 0
                )::double precision / nullif(cardinality(some_documents), 0);
                matching_chunks := all_chunks * matching_share;
            end if;
        end if;
        if matching_documents is null and (
            matching_share < 0.3 and matching_share * coalesce(all_chunks, 0) <= 40000
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
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
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
            when filter is not null or coalesce(all_chunks, 0) < few_chunks then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
    if mode = 'hybrid' and vector_ids is not null then
        bm25_scores := ragpg_internal.word_scores(
            recipe.id, vector_ids, words, word_weights, mean_length
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
    if logged then
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
