-- 0004: questions are embedded once, and a static encoder embeds them in a millisecond.

alter table ragpg.encoders
    add column cached_queries integer not null default 10000,
    add constraint encoders_cached_queries_is_not_negative check (cached_queries >= 0);
comment on column ragpg.encoders.cached_queries is
'How many embeddings of questions ragpg.query_embeddings keeps for it, and up to 127 more; 0 keeps and uses none.';

create table ragpg.query_embeddings (
    id bigint generated always as identity,
    embedding_model_id bigint not null,
    query_hash bytea not null,
    embedding vector not null,
    weights_loaded_at timestamptz not null,
    stored_at timestamptz not null default clock_timestamp(),
    constraint query_embeddings_pkey primary key (id),
    constraint query_embeddings_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.embedding_models (id) on delete cascade,
    constraint query_embeddings_query_hash_is_a_sha256 check (length(query_hash) = 32)
);
create index query_embeddings_embedding_model_id_query_hash_btree
    on ragpg.query_embeddings (embedding_model_id, query_hash);
create index query_embeddings_embedding_model_id_id_btree
    on ragpg.query_embeddings (embedding_model_id, id);
comment on table ragpg.query_embeddings is
'A cache: the embeddings that encoders in this database gave questions, so that a question asked again costs no forward pass. The questions themselves are not stored. Emptied when an encoder changes; may be emptied at any time.';
comment on column ragpg.query_embeddings.id is 'Key; grows in the order of storing.';
comment on column ragpg.query_embeddings.embedding_model_id is 'The encoder''s model. It references the model, not the encoder: a search must not wait for a load, nor a load for a search.';
comment on column ragpg.query_embeddings.query_hash is 'SHA-256 of the question''s UTF-8 bytes. Not unique: two sessions that ask a new question at once both store it.';
comment on column ragpg.query_embeddings.embedding is 'What ragpg.embed_query returned.';
comment on column ragpg.query_embeddings.weights_loaded_at is 'The encoder''s loaded_at then; rows of other weights are not used.';
comment on column ragpg.query_embeddings.stored_at is 'When it was computed.';
comment on index ragpg.query_embeddings_embedding_model_id_query_hash_btree is 'ragpg.remembered_query: was this question embedded before?';
comment on index ragpg.query_embeddings_embedding_model_id_id_btree is 'ragpg.remember_query: which questions are the oldest?';


create table ragpg.static_encoders (
    index_id bigint not null,
    bias vector not null,
    span_count integer not null,
    chunk_count bigint not null,
    fitted_at timestamptz not null default now(),
    held_out_count integer,
    mean_cosine double precision,
    mean_overlap double precision,
    agrees boolean not null generated always as (
        coalesce(mean_cosine >= 0.75 and mean_overlap >= 0.5, false)
    ) stored,
    enabled boolean not null default false,
    constraint static_encoders_pkey primary key (index_id),
    constraint static_encoders_index_id_fkey foreign key (index_id)
        references ragpg.search_indexes (id) on delete cascade,
    constraint static_encoders_span_count_is_positive check (span_count > 0),
    constraint static_encoders_mean_cosine_is_a_cosine check (mean_cosine between -1.001 and 1.001),
    constraint static_encoders_mean_overlap_is_a_share check (mean_overlap between 0 and 1),
    constraint static_encoders_enabled_when_it_agrees check (agrees or not enabled)
);
comment on table ragpg.static_encoders is
'An approximation of a search index''s model that costs a millisecond: the embedding of a question is the normalised sum of a bias and a vector per token, fitted to the index''s own texts (ragpg.embed_query_static).';
comment on column ragpg.static_encoders.index_id is 'The search index whose texts it was fitted to.';
comment on column ragpg.static_encoders.bias is 'What is added for every question.';
comment on column ragpg.static_encoders.span_count is 'Spans of the chunks it was fitted to.';
comment on column ragpg.static_encoders.chunk_count is 'Chunks of the search index then.';
comment on column ragpg.static_encoders.fitted_at is 'When.';
comment on column ragpg.static_encoders.held_out_count is 'Spans of other chunks it was measured with.';
comment on column ragpg.static_encoders.mean_cosine is 'Its mean cosine to the model on those.';
comment on column ragpg.static_encoders.mean_overlap is
'Of the ten chunks nearest by the model, the mean share that is among the ten nearest by this, on those.';
comment on column ragpg.static_encoders.agrees is 'Whether both are good enough for searches.';
comment on column ragpg.static_encoders.enabled is 'Whether ragpg.search uses it instead of the model; see ragpg.use_static_encoder.';

create table ragpg.static_token_embeddings (
    index_id bigint not null,
    token_id integer not null,
    embedding halfvec not null,
    constraint static_token_embeddings_pkey primary key (index_id, token_id),
    constraint static_token_embeddings_index_id_fkey foreign key (index_id)
        references ragpg.static_encoders (index_id) on delete cascade
);
comment on table ragpg.static_token_embeddings is 'What each token adds in a static encoder.';
comment on column ragpg.static_token_embeddings.index_id is 'The static encoder''s search index.';
comment on column ragpg.static_token_embeddings.token_id is 'The token, by the vocabulary of the search index''s model.';
comment on column ragpg.static_token_embeddings.embedding is 'Its vector.';

-- Was this question embedded before?
create or replace function ragpg.remembered_query(encoder_id bigint, query text)
returns vector
language sql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg.hash_text(remembered_query.query)
    limit 1
$$;
comment on function ragpg.remembered_query(bigint, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';

-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg.remember_query(encoder_id bigint, query text)
returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg.remembered_query(encoder_id, query);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg.encode(encoder_id, ragpg.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at
    )
    select model.id, ragpg.hash_text(remember_query.query), computed, loaded_at
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$$;
revoke execute on function ragpg.remember_query(bigint, text) from public;
comment on function ragpg.remember_query(bigint, text) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';

-- Where does a question lie among the embeddings?
-- Stable, though a new question is remembered: an index scan takes no volatile operand, and a
-- stable function may call a volatile one, whose writing does not change the result here. Not
-- parallel safe, because writing is not.
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    usable bigint[];
    encoder ragpg.encoders;
    known vector;
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    known := ragpg.remembered_query(usable[1], query);
    if known is not null then
        return known;
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = usable[1];
    if encoder.cached_queries > 0
        -- On a standby every transaction is read-only.
        and current_setting('transaction_read_only') = 'off'
        -- In a stricter transaction, rows that others evict would make it fail.
        and current_setting('transaction_isolation') = 'read committed'
        and has_function_privilege('ragpg.remember_query(bigint, text)', 'execute')
    then
        return ragpg.remember_query(usable[1], query);
    end if;
    return ragpg.encode(usable[1], ragpg.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1. A question asked before is looked up in ragpg.query_embeddings, a new one is stored there where the transaction may write.';

-- An encoder was loaded anew, changed or dropped: what became of its questions?
create or replace function ragpg.forget_queries() returns trigger
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.query_embeddings as known
    where known.embedding_model_id = old.embedding_model_id;
    return null;
end
$$;
comment on function ragpg.forget_queries() is
'Trigger: empties the cache of an encoder whose row changed or went, because its vectors may be others now.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
    execute format('grant execute on function ragpg.remember_query(bigint, text) to %I', role_name);
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings. For dashboards. To be called by the owner of the schema.';

-- Roughly where does a question lie among the embeddings, in a millisecond?
create or replace function ragpg.embed_query_static(query text, index_id bigint)
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    model_id bigint;
    fitted_bias vector;
begin
    if query is null then
        return null;
    end if;
    select recipe.embedding_model_id, fitted.bias into model_id, fitted_bias
    from ragpg.static_encoders as fitted
    join ragpg.search_indexes as recipe on recipe.id = fitted.index_id
    where fitted.index_id = embed_query_static.index_id;
    if not found then
        raise exception 'search index % has no static encoder', index_id
            using errcode = 'RG009', hint = 'fit one: ragpg model fit-static';
    end if;
    if not exists (
        select from ragpg.encoders as encoder where encoder.embedding_model_id = model_id
    ) then
        raise exception 'the static encoder of search index % needs its model''s vocabulary', index_id
            using errcode = 'RG009', hint = 'load the model: ragpg model load';
    end if;
    return (
        select l2_normalize(sum(part.embedding))
        from (
            select fitted_bias as embedding
            union all
            select token.embedding::vector
            from unnest(ragpg.query_tokens(model_id, query)) as asked (token_id)
            join ragpg.static_token_embeddings as token
                on token.index_id = embed_query_static.index_id
                and token.token_id = asked.token_id
        ) as part
    );
end
$$;
comment on function ragpg.embed_query_static(text, bigint) is
'Returns roughly the embedding, of length 1, that a search index''s model would give a question: the normalised sum of the vectors fitted for its tokens. How roughly says the view static_encoder_status.';

-- How well does a static encoder stand in for its model?
create or replace function ragpg.measure_static_encoder(
    index_id bigint, queries text[], embeddings vector[]
) returns boolean
language sql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
    with asked as materialized (
        select
            listed.place,
            listed.exact,
            ragpg.embed_query_static(listed.query, measure_static_encoder.index_id) as static
        from unnest(queries, embeddings) with ordinality as listed (query, exact, place)
    ),
    found as (
        select
            asked.place,
            1 - (asked.exact <=> asked.static) as cosine,
            (
                select count(by_static.chunk_id)::double precision / count(*)
                from ragpg.vector_candidates(
                    measure_static_encoder.index_id, asked.exact::halfvec, 10
                ) as by_model
                left join ragpg.vector_candidates(
                    measure_static_encoder.index_id, asked.static::halfvec, 10
                ) as by_static on by_static.chunk_id = by_model.chunk_id
            ) as overlap
        from asked
    )
    update ragpg.static_encoders as fitted
    set held_out_count = measured.asked_count,
        mean_cosine = measured.mean_cosine,
        mean_overlap = measured.mean_overlap,
        enabled = false
    from (
        select count(*) as asked_count, avg(cosine) as mean_cosine, avg(overlap) as mean_overlap
        from found
    ) as measured
    where fitted.index_id = measure_static_encoder.index_id
    returning fitted.agrees
$$;
comment on function ragpg.measure_static_encoder(bigint, text[], vector[]) is
'Compares a static encoder with the embeddings its model gives queries it was not fitted to, stores mean cosine and mean overlap of the ten nearest chunks, switches it off, and returns whether it agrees well enough to be switched on.';

-- Shall searches without an embedding be quick, or exact?
create or replace function ragpg.use_static_encoder(index_id bigint, enabled boolean default true)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    fitted ragpg.static_encoders;
begin
    select known.* into fitted
    from ragpg.static_encoders as known
    where known.index_id = use_static_encoder.index_id
    for update;
    if not found then
        raise exception 'search index % has no static encoder', index_id
            using errcode = 'RG009', hint = 'fit one: ragpg model fit-static';
    end if;
    if use_static_encoder.enabled and not fitted.agrees then
        raise exception 'the static encoder of search index % agrees too little with its model: mean cosine %, overlap of the ten nearest %',
            index_id, round(fitted.mean_cosine::numeric, 3), round(fitted.mean_overlap::numeric, 3)
            using errcode = 'RG009', hint = 'keep the model, or fit it again with more text';
    end if;
    update ragpg.static_encoders as known
    set enabled = use_static_encoder.enabled
    where known.index_id = use_static_encoder.index_id;
end
$$;
comment on function ragpg.use_static_encoder(bigint, boolean) is
'Makes ragpg.search embed questions by a search index''s static encoder (or, with false, by its model again). Raises RG009 when there is none or it agrees too little with the model.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
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
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    word_ids bigint[];
    word_scores double precision[];
    vector_ids bigint[];
    vector_weight double precision;
    vector_mean double precision := 0;
    vector_deviation double precision;
    word_mean double precision := 0;
    word_deviation double precision;
    similarity_expression text := 'null::double precision';
    bm25_expression text;
    score_expression text;
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
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(search.collection);
    if recipe.id is null then
        return;  -- a collection without a document yet
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
    where known.index_id = recipe.id;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        select array_agg(document.id), sum(state.chunk_count)
        into matching_documents, matching_chunks
        from ragpg.documents as document
        join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = recipe.id
        where document.collection_id = recipe.collection_id and document.metadata @@ filter;
        if coalesce(matching_chunks, 0) = 0 then
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(recipe.id, search.query, wanted, matching_documents) as found;
        bm25_expression := ragpg.bm25_expression(recipe.id, search.query);
    end if;
    vector_weight := recipe.vector_weight;
    if query_embedding is null and mode = 'hybrid' then
        query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
        vector_weight := 0.5;  -- measured: near one half is best when words made the vector
        raise notice 'the database holds no model to embed the query with: searched by words'
            using hint = 'load the model with ragpg model load, or pass query_embedding';
    end if;
    if mode <> 'keyword' and query_embedding is not null then
        select array_agg(found.chunk_id) into vector_ids
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks
        ) as found;
        similarity_expression := '1 - (stored.embedding <=> $2)';
    end if;

    if mode = 'hybrid' then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select avg(1 - (sample <=> query_embedding)), stddev_pop(1 - (sample <=> query_embedding))
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select sum(word.mean_score), sqrt(sum(word.mean_square - word.mean_score ^ 2))
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        score_expression := format(
            '%s * (chunk.similarity - %s) / %s + %s * (chunk.bm25 - %s) / %s',
            vector_weight, coalesce(vector_mean, 0), coalesce(nullif(vector_deviation, 0), 1),
            1 - vector_weight, coalesce(word_mean, 0), coalesce(nullif(word_deviation, 0), 1)
        );
    else
        score_expression := case mode when 'vector' then 'chunk.similarity' else 'chunk.bm25' end;
    end if;

    return query execute format(
        'select'
        '  (row_number() over (order by best.score desc, best.id))::integer, document.source,'
        '  document.title, best.content, best.score, best.similarity, best.bm25,'
        '  best.start_char, best.end_char, best.page, best.context, document.metadata,'
        '  document.id, best.document_version, best.id'
        ' from ('
        '  select chunk.*, %1$s as score'
        '  from (select chunk.*, %2$s as bm25'
        '   from (select stored.*, %3$s as similarity,'
        '     1.2 * (0.25 + 0.75 * stored.lexeme_count / %4$s::double precision) as saturation'
        '    from ragpg.chunks as stored'
        '    where stored.index_id = %5$s and stored.id = any($1) offset 0) as chunk'
        '   offset 0) as chunk'
        '  order by score desc, chunk.id limit %6$s'
        ' ) as best'
        ' join ragpg.documents as document on document.id = best.document_id'
        ' order by 1',
        score_expression,
        coalesce(bm25_expression, 'null::double precision'),
        similarity_expression, greatest(statistics.mean_length, 1), recipe.id, k
    )
    using word_ids || vector_ids, query_embedding;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. Raises RG001 to RG005.';

-- Which search indexes have a static encoder, how good is it, and has the text moved on since?
create or replace view ragpg.static_encoder_status with (security_invoker = true) as
select
    one.name as collection,
    fitted.index_id,
    recipe.id = one.active_index_id as active,
    fitted.enabled,
    fitted.agrees,
    fitted.mean_cosine,
    fitted.mean_overlap,
    fitted.held_out_count,
    fitted.span_count,
    fitted.fitted_at,
    fitted.chunk_count as fitted_chunks,
    held.chunks,
    changed.share as changed_share,
    changed.share > 0.2 as drifted
from ragpg.static_encoders as fitted
join ragpg.search_indexes as recipe on recipe.id = fitted.index_id
join ragpg.collections as one on one.id = recipe.collection_id
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0)::bigint as chunks,
        coalesce(
            sum(state.chunk_count) filter (where state.indexed_at > fitted.fitted_at), 0
        ) as newer
    from ragpg.index_documents as state
    where state.index_id = fitted.index_id
) as held
cross join lateral (
    select greatest(held.newer, abs(held.chunks - fitted.chunk_count))::double precision
        / greatest(held.chunks, fitted.chunk_count, 1) as share
) as changed;
comment on view ragpg.static_encoder_status is
'A row per static encoder: how well it agrees with its model, and whether the search index changed so much since that it should be fitted again (ragpg model fit-static).';
comment on column ragpg.static_encoder_status.collection is 'Name of the collection.';
comment on column ragpg.static_encoder_status.index_id is 'The search index.';
comment on column ragpg.static_encoder_status.active is 'Whether the search index answers searches.';
comment on column ragpg.static_encoder_status.enabled is 'Whether searches use it instead of the model.';
comment on column ragpg.static_encoder_status.agrees is 'Whether it may be enabled.';
comment on column ragpg.static_encoder_status.mean_cosine is 'Its mean cosine to the model on held-out spans.';
comment on column ragpg.static_encoder_status.mean_overlap is 'Mean share of the model''s ten nearest chunks among its own, on held-out spans.';
comment on column ragpg.static_encoder_status.held_out_count is 'How many spans that were.';
comment on column ragpg.static_encoder_status.span_count is 'Spans it was fitted to.';
comment on column ragpg.static_encoder_status.fitted_at is 'When it was fitted.';
comment on column ragpg.static_encoder_status.fitted_chunks is 'Chunks then.';
comment on column ragpg.static_encoder_status.chunks is 'Chunks now.';
comment on column ragpg.static_encoder_status.changed_share is 'Share of the chunks written or gone since, from 0 to 1.';
comment on column ragpg.static_encoder_status.drifted is 'Whether that is more than a fifth: fit it again.';

create trigger encoders_forget_queries
    after update or delete on ragpg.encoders
    for each row execute function ragpg.forget_queries();
comment on trigger encoders_forget_queries on ragpg.encoders is
'Empties the cache of query embeddings when an encoder changes or goes.';
