-- 0025: a search plans less, and its word leg reads only what can still be among the hits.

drop function ragpg.keyword_candidates(bigint, text, integer, bigint[], jsonpath);

-- Loads pgvector, without which its settings may be named by a superuser only.
do $$ begin perform '[1]'::vector; end $$;

-- What is each word of a question worth?
create or replace function ragpg.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word.
            found.times
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation
        from (
            select
                said.lexeme,
                cardinality(said.positions) as times,
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total
                on total.index_id = recipe.id
                and total.tenant = (select coalesce(ragpg.searched_tenant(), ''))
            cross join lateral ragpg.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            -- Looked up once for each word: a join may be planned, while there are no statistics of
            -- this table, that reads all words of the index.
            left join lateral (
                select counted.lexeme, counted.chunk_count, counted.occurrence_count
                from ragpg.lexeme_statistics as counted
                where counted.index_id = recipe.id
                    and counted.tenant = total.tenant
                    and counted.lexeme = said.lexeme collate "C"
                limit 1
            ) as known on true
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
    ) as asked
    order by 1;
end;
comment on function ragpg.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

-- Which documents does a filter let through?
create or replace function ragpg.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Planned for this filter: how many documents pass decides whether their index is worth it.
set plan_cache_mode = force_custom_plan
as $$
declare
    only_tenant text := ragpg.searched_tenant();
    parent_id bigint := (
        select recipe.collection_id
        from ragpg.search_indexes as recipe
        where recipe.id = matching_documents.index_id
    );
begin
    select array_agg(document.id), sum(state.chunk_count)
    into document_ids, chunks
    from ragpg.documents as document
    join ragpg.index_documents as state
        on state.document_id = document.id and state.index_id = matching_documents.index_id
    where document.collection_id = parent_id
        and document.metadata @@ matching_documents.filter
        and (only_tenant is null or document.tenant = only_tenant);
end
$$;
grant execute on function ragpg.matching_documents(bigint, jsonpath) to public;
comment on function ragpg.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- Which chunks are nearest in meaning?
create or replace function ragpg.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s <=> $1 as distance'
        '  from ragpg.%2$I as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s <=> $1 limit %5$s) as near';
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select document.metadata @@ $3 from ragpg.documents as document'
            '  where document.id = chunk.document_id)'
    end;
    scan text;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
    only_tenant constant text := ragpg.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words.
        only_documents := coalesce(only_documents, '') || ' and chunk.tenant = $4';
        if document_ids is null then
            matching_chunks := coalesce(
                (
                    select counted.chunk_count
                    from ragpg.index_statistics as counted
                    where counted.index_id = recipe.id and counted.tenant = only_tenant
                ),
                0
            );
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if matching_chunks is null or matching_chunks > exact_limit then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case when only_documents is null then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::halfvec(%s)', vector_dims(query_embedding)),
                table_name, recipe.id, only_documents, wanted
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        execute format(template, 'embedding', table_name, recipe.id, only_documents, wanted)
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match; otherwise the HNSW index, and exact again should that come back with too few.';

-- Which chunks are best by words?
create or replace function ragpg.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    words tsquery[];  -- the rarest first
    weights double precision[];
    total_count bigint;  -- chunks that hold one of the words, at most
    total_weight double precision;
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := ragpg.searched_tenant();
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    select
        array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
        sum(word.chunk_count), sum(word.weight)
    into words, weights, total_count, total_weight
    from ragpg.query_words(keyword_candidates.index_id, keyword_candidates.query) as word;
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, setweight(stored.lexemes, ''D'') as lexemes,'
        '   1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision) as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select greatest(known.mean_length, 1)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                ' and (select document.metadata @@ $3 from ragpg.documents as document'
                '  where document.id = stored.document_id)'
        end,
        case when only_tenant is not null then ' and stored.tenant = $4' end,
        wanted
    );
    most_added := case when total_count <= exact_limit then 1 else 0.75 end;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when document_ids is null and total_count > few then 0.45 * most_added * total_weight
        end
    );
    loop
        sought := ragpg.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score;
end
$$;
grant execute on function ragpg.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
)
to public;
comment on function ragpg.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. Security definer while tenants are on (ragpg.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that a chunk may be missed whose few words occur very often in it.';

-- What would a question's embedding be, judged by the best chunks its words find?
create or replace function ragpg.feedback_embedding(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[]
) returns halfvec
language sql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
    select l2_normalize(
        sum(
            chunk.embedding::vector
            * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
        )
    )::halfvec
    from unnest(chunk_ids[:3], scores[:3]) as best (chunk_id, score)
    cross join lateral (
        select one.embedding
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = best.chunk_id
        limit 1
    ) as chunk
$$;
comment on function ragpg.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    is_wide boolean := false;  -- the filter lets many documents through: asked of each candidate
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    word_ids bigint[];  -- best first
    word_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision := 0;
    vector_deviation double precision := 1;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg.searched_tenant(), '');
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
            and has_function_privilege(
                'ragpg.log_search(bigint, text, halfvec, text, integer, boolean, integer,'
                ' double precision, double precision)', 'execute'
            )
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
        if exists (
            select
            from ragpg.static_encoders as fitted
            where fitted.index_id = recipe.id and fitted.enabled
        ) then
            query_embedding := ragpg.embed_query_static(search.query, recipe.id);
        else
            query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
        end if;
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
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        -- Of a sample of the documents, how many pass? Where that is 3 % or more, to list all that
        -- do takes longer than to ask of each candidate as it is met.
        if statistics.chunk_count > 20000 then
            select count(*) >= 0.03 * cardinality(statistics.document_sample) into is_wide
            from unnest(statistics.document_sample) as drawn (id)
            join ragpg.documents as document on document.id = drawn.id
            where document.metadata @@ filter;
        end if;
        if not is_wide then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg.matching_documents(recipe.id, filter) as found;
        end if;
        if not is_wide and coalesce(matching_chunks, 0) = 0 then
            if logged then
                perform ragpg.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(
            recipe.id, search.query, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
        word_weight := 1;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
        word_weight := 1 - vector_weight;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    if mode = 'hybrid' and vector_ids is not null then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select
            coalesce(avg(1 - (sample <=> query_embedding)), 0),
            coalesce(nullif(stddev_pop(1 - (sample <=> query_embedding)), 0), 1)
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision) as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg.bm25_expression(recipe.id, search.query),
            greatest(statistics.mean_length, 1), recipe.id
        )
        into bm25_scores
        using vector_ids;
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
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg.keyword_candidates(
                recipe.id, search.query, wanted, matching_documents, filter, least_bm25
            ) as found;
        end if;
    end if;

    return query
    with candidates as (
        select known.chunk_id, known.similarity, known.bm25
        from unnest(vector_ids, similarities, bm25_scores) as known (chunk_id, similarity, bm25)
        union all
        select said.chunk_id, 1 - (chunk.embedding <=> query_embedding), said.bm25
        from unnest(word_ids, word_scores) as said (chunk_id, bm25)
        cross join lateral (
            select one.embedding
            from ragpg.chunks as one
            where one.index_id = recipe.id and one.id = said.chunk_id
            limit 1
        ) as chunk
        where said.chunk_id <> all(coalesce(vector_ids, '{}'))
    ),
    best as (
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
            from candidates as candidate
        ) as known
        order by known.score desc, known.chunk_id
        limit k
    )
    select
        (row_number() over (order by best.score desc, best.chunk_id))::integer, hit.source,
        hit.title, hit.content, best.score, best.similarity, best.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id,
        hit.document_version, best.chunk_id
    from best
    -- Looked up one by one, as above: without statistics of the parent of all partitions, and it
    -- has none, a join may be planned that reads every chunk.
    cross join lateral (
        select chunk.*, document.source, document.title, document.metadata
        from ragpg.chunks as chunk
        join ragpg.documents as document on document.id = chunk.document_id
        where chunk.index_id = recipe.id and chunk.id = best.chunk_id
        limit 1
    ) as hit
    order by 1;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- Which chunks answer this question best, without saying the same twice?
create or replace function ragpg.search_distinct(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    max_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    relevance double precision default 1
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    hits jsonb;
    contents text[];
    embeddings halfvec[];
    scores double precision[];  -- from 0, the last, to 1, the first
    nearest double precision[];  -- cosine to what is picked
    is_taken boolean[];  -- picked, or nearly the same as what is
    picks integer[];
    pick integer;
    -- Maximal marginal relevance chooses among more than it returns.
    wanted integer := case when relevance < 1 then greatest(3 * k, 30) else k + k / 2 + 1 end;
begin
    if num_nulls(max_similarity, min_overlap, relevance) > 0 or relevance not between 0 and 1 then
        raise exception 'max_similarity is %, min_overlap is %, relevance is %',
            max_similarity, min_overlap, relevance
            using errcode = 'RG005',
                hint = 'max_similarity is a cosine, min_overlap a share; relevance is from 0 (different) to 1 (best)';
    end if;
    loop
        select
            jsonb_agg(to_jsonb(hit) order by hit.place),
            array_agg(hit.content order by hit.place),
            array_agg(chunk.embedding order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, embeddings, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit
        cross join lateral (
            select one.embedding from ragpg.chunks as one where one.id = hit.chunk_id limit 1
        ) as chunk;
        picks := '{}';
        while cardinality(picks) < k loop
            select candidate.place into pick
            from unnest(scores, nearest, is_taken) with ordinality
                as candidate (score, nearest, is_taken, place)
            where not candidate.is_taken
            order by
                relevance * candidate.score - (1 - relevance) * candidate.nearest desc,
                candidate.place
            limit 1;
            exit when pick is null;
            picks := picks || pick;
            select
                array_agg(greatest(known.nearest, near.similarity) order by known.place),
                array_agg(
                    known.is_taken or known.place = pick
                    or near.similarity >= max_similarity
                    and ragpg.word_overlap(known.content, contents[pick]) >= min_overlap
                    order by known.place
                )
            into nearest, is_taken
            from unnest(nearest, is_taken, embeddings, contents) with ordinality
                as known (nearest, is_taken, embedding, content, place)
            cross join lateral (
                select 1 - (known.embedding <=> embeddings[pick]) as similarity
            ) as near;
        end loop;
        -- Too few, and search has more to give: look further down.
        exit when cardinality(picks) = k or coalesce(cardinality(scores), 0) < wanted;
        wanted := 2 * wanted;
    end loop;
    return query
    select
        picked.place::integer, hit.source, hit.title, hit.content, hit.score, hit.similarity,
        hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context, hit.metadata,
        hit.document_id, hit.document_version, hit.chunk_id
    from unnest(picks) with ordinality as picked (hit, place)
    join jsonb_to_recordset(hits) as hit (
        place integer, source text, title text, content text, score double precision,
        similarity double precision, bm25 double precision, start_char integer, end_char integer,
        page integer, context text, metadata jsonb, document_id bigint, document_version integer,
        chunk_id bigint
    ) on hit.place = picked.hit
    order by 1;
end
$$;
comment on function ragpg.search_distinct(text, integer, text, jsonpath, halfvec, text, bigint, double precision, double precision, double precision) is
'Returns what ragpg.search does, but of chunks that are nearly the same only the best, and k of them whenever there are k. Nearly the same: a cosine similarity of at least max_similarity, and at least min_overlap of the words in common (ragpg.word_overlap; without it lists of different things look the same). relevance below 1 also trades score against being unlike the chunks before (maximal marginal relevance, Carbonell and Goldstein 1998: 0.7 is usual).';

-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer, words text[]
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select
            case
                when fitted.enabled then ragpg.embed_query_static(explain_search.query, recipe.id)
                else ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
            end
        into query_embedding
        from ragpg.encoders as encoder
        left join ragpg.static_encoders as fitted on fitted.index_id = recipe.id
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg.lexeme_query(word.lexeme)
        )
    from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
    cross join lateral (
        select one.lexemes
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = best.chunk_id
        limit 1
    ) as chunk
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec, text) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query''s words it holds. Three searches, so for looking, not for serving.';

-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    given ragpg.chunks;
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.* into given
    from ragpg.chunks as chunk
    where chunk.id = similar_chunks.to_chunk_id;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.id
    from ragpg.vector_candidates(given.index_id, given.embedding, k + 1) as near
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = given.index_id and one.id = near.chunk_id
        limit 1
    ) as chunk
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';

-- What does search confuse with the answer?
create or replace function ragpg.hard_negatives(
    question text,
    relevant_chunk_ids bigint[],
    wanted integer default 3,
    collection text default null,
    query_embedding halfvec default null,
    index_id bigint default null,
    depth integer default 50,
    max_similarity double precision default 0.95,
    excluded_document_ids bigint[] default '{}'
) returns table (
    place integer, source text, text text, similarity double precision, document_id bigint,
    chunk_id bigint
)
language sql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
    with recipe as materialized (
        select coalesce(hard_negatives.index_id, one.active_index_id) as id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(hard_negatives.collection)
    )
    select
        hit.place, hit.source,
        ragpg.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from recipe
    cross join ragpg.search(
        query => hard_negatives.question, k => hard_negatives.depth,
        collection => hard_negatives.collection,
        query_embedding => hard_negatives.query_embedding, index_id => recipe.id
    ) as hit
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = hit.chunk_id
        limit 1
    ) as chunk
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from ragpg.chunks as answer
            where answer.index_id = recipe.id
                and answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
$$;
comment on function ragpg.hard_negatives(text, bigint[], integer, text, halfvec, bigint, integer, double precision, bigint[]) is
'Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    found jsonb;
    relevant_ids bigint[];
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
begin
    select known.* into strict run from ragpg.evaluation_runs as known where known.id = run_id;
    select question.question, one.name into strict asked, collection
    from ragpg.evaluation_questions as question
    join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
    join ragpg.collections as one on one.id = of_set.collection_id
    where question.id = question_id and of_set.id = run.evaluation_set_id;
    started := clock_timestamp();
    select coalesce(jsonb_agg(to_jsonb(hit) - 'content' - 'metadata' - 'context'), '[]') into found
    from ragpg.search(
        query => asked, k => run.k, collection => collection,
        query_embedding => evaluate_question.query_embedding, mode => run.mode,
        index_id => run.index_id
    ) as hit;
    latency := extract(epoch from clock_timestamp() - started) * 1000;

    with span as materialized (
        select label.*
        from ragpg.evaluation_label_spans as label
        where label.evaluation_question_id = question_id
    ),
    touched as materialized (
        select
            span.evaluation_label_id, chunk.id,
            chunk.start_char <= span.start_char and span.end_char <= chunk.end_char as is_whole
        from span
        -- Looked up document by document: a join may be planned that reads every chunk.
        cross join lateral (
            select one.id, one.start_char, one.end_char
            from ragpg.chunks as one
            where one.index_id = run.index_id
                and one.document_id = span.document_id
                and one.start_char < span.end_char
                and span.start_char < one.end_char
            offset 0
        ) as chunk
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (select count(*) from span),
        (select count(*) from span where span.state <> 'found'),
        (
            select count(*)
            from span
            where span.state = 'found'
                and not exists (
                    select
                    from touched
                    where touched.evaluation_label_id = span.evaluation_label_id
                        and touched.is_whole
                )
        ),
        (
            select coalesce(jsonb_object_agg(by_document.document_id, by_document.spans::text), '{}')
            from (
                select
                    span.document_id,
                    range_agg(int4range(span.start_char, span.end_char)) as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, labels, lost, split, spans;

    select min(hit.place) into first_place
    from jsonb_to_recordset(found) as hit (place integer, chunk_id bigint)
    where hit.chunk_id = any(relevant_ids);
    if first_place is null and cardinality(relevant_ids) > 0 then
        -- Ranked too low, or not even a candidate?
        select min(hit.place) into first_place
        from ragpg.search(
            query => asked, k => (run.recipe ->> 'candidates')::integer * 2,
            collection => collection, query_embedding => evaluate_question.query_embedding,
            mode => run.mode, index_id => run.index_id
        ) as hit
        where hit.chunk_id = any(relevant_ids);
    end if;
    insert into ragpg.evaluation_results (
        evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks,
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans
    )
    values (
        run_id, question_id, jsonb_array_length(found), cardinality(relevant_ids), first_place,
        latency, labels, lost, split, spans
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

-- Where does each label stand in the documents as they are now?
create or replace view ragpg.evaluation_label_spans with (security_invoker = true) as
select
    label.id as evaluation_label_id,
    question.id as evaluation_question_id,
    question.evaluation_set_id,
    question.question,
    label.source,
    label.quote,
    case
        when document.id is null then 'document is gone'
        when label.quote is not null and place.start_char is null then 'quote is gone'
        when label.quote is null and label.end_char > char_length(document.content)
            then 'document is shorter'
        else 'found'
    end as state,
    document.id as document_id,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char
        else coalesce(label.start_char, 0)
    end as start_char,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char + char_length(label.quote)
        else coalesce(label.end_char, char_length(document.content))
    end as end_char
from ragpg.evaluation_labels as label
join ragpg.evaluation_questions as question on question.id = label.evaluation_question_id
join ragpg.evaluation_sets as asked on asked.id = question.evaluation_set_id
left join lateral (
    -- The source itself, or else the one document whose path ends with it: asked for only then,
    -- because that reads every source.
    select known.id, known.content
    from ragpg.documents as known
    where known.collection_id = asked.collection_id and known.source = label.source
    union all
    select known.id, known.content
    from ragpg.documents as known
    where (
        select exact.id
        from ragpg.documents as exact
        where exact.collection_id = asked.collection_id and exact.source = label.source
        limit 1
    ) is null
        and known.collection_id = asked.collection_id
        and known.source like '%/' || label.source
        and not exists (
            select
            from ragpg.documents as other
            where other.collection_id = asked.collection_id
                and other.source like '%/' || label.source
                and other.id <> known.id
        )
) as document on true
left join lateral (
    select case
        -- At its old place still, or else where it first occurs.
        when substr(document.content, label.start_char + 1, char_length(label.quote)) = label.quote
            then label.start_char
        else nullif(strpos(document.content, label.quote), 0) - 1
    end as start_char
) as place on true;
comment on view ragpg.evaluation_label_spans is
'A row per label with the characters it stands at today; state says when its document or quote is gone.';
comment on column ragpg.evaluation_label_spans.evaluation_label_id is 'The label.';
comment on column ragpg.evaluation_label_spans.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_label_spans.evaluation_set_id is 'The evaluation set.';
comment on column ragpg.evaluation_label_spans.question is 'The question''s text.';
comment on column ragpg.evaluation_label_spans.source is 'The document, as the label names it.';
comment on column ragpg.evaluation_label_spans.quote is 'The labelled text, if it is a quote.';
comment on column ragpg.evaluation_label_spans.state is
'found, document is gone, quote is gone, or document is shorter.';
comment on column ragpg.evaluation_label_spans.document_id is 'The document; null when it is gone.';
comment on column ragpg.evaluation_label_spans.start_char is 'First labelled character.';
comment on column ragpg.evaluation_label_spans.end_char is 'One past the last.';
