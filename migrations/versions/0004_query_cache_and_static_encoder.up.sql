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
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.encoders as encoder
            cross join lateral (
                select newest.id
                from ragpg.query_embeddings as newest
                where newest.embedding_model_id = encoder.embedding_model_id
                order by newest.id desc
                offset encoder.cached_queries
                limit 1
            ) as first_over
            join ragpg.query_embeddings as old
                on old.embedding_model_id = encoder.embedding_model_id
                and old.id <= first_over.id
            for update of old skip locked
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
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. Raises RG001 to RG005.';

create trigger encoders_forget_queries
    after update or delete on ragpg.encoders
    for each row execute function ragpg.forget_queries();
comment on trigger encoders_forget_queries on ragpg.encoders is
'Empties the cache of query embeddings when an encoder changes or goes.';
