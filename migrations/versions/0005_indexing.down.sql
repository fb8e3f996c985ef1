drop trigger documents_queue_inserted on ragpg.documents;
drop trigger documents_queue_updated on ragpg.documents;
do $$
declare
    followed record;
begin
    for followed in select * from ragpg.indexed_tables loop
        perform ragpg.stop_indexing_table(followed.table_name, followed.collection);
    end loop;
end
$$;
drop view ragpg.document_history;
drop function ragpg.put_embedded_documents;
drop function ragpg.index_table;
drop function ragpg.stop_indexing_table;
drop view ragpg.indexed_tables;
drop function ragpg.index_table_row;
drop function ragpg.index_row;
drop function ragpg.prune_versions;
drop function ragpg.erase_document;
drop function ragpg.drop_search_index;
drop function ragpg.rollback_search_index;
drop function ragpg.wait_until_indexed;
drop function ragpg.release_document;
drop function ragpg.claim_documents;
drop function ragpg.claim_key;
drop function ragpg.queue_documents;
drop function ragpg.page_at;
drop view ragpg.ingest_queue;
drop view ragpg.index_health;
drop function ragpg.put_document(text, text, text, text, text, jsonb, bytea, integer[]);
drop function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[]);
drop function ragpg.activate_search_index(bigint, boolean);
drop function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint);
-- Is a quote really there? Refuses a citation whose quote is not the cited characters.
create or replace function ragpg.check_citation_quote() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    found_text text := substr(
        ragpg.document_text(new.document_id, new.document_version),
        new.start_char + 1,
        new.end_char - new.start_char
    );
begin
    if found_text is distinct from new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    return new;
end
$$;
comment on function ragpg.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version.';

-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        valid_from, valid_to
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.updated_at, greatest(old.updated_at, now())
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$$;
comment on function ragpg.keep_document_version() is
'Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.';

-- Stores a document: new, changed or as it was.
create or replace function ragpg.put_document(
    collection text,
    source text,
    content text,
    title text default '',
    media_type text default 'text/plain',
    metadata jsonb default '{}',
    source_hash bytea default null
) returns table (document_id bigint, version integer, outcome text)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.ensure_collection(put_document.collection);
    old_version integer;
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. Its chunks are made by the indexer; until then it is in the view ingest_queue.';

-- The chunks of a document version, all at once.
create or replace function ragpg.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[],
    pages integer[] default null
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    recipe_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content into body
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select recipe.language into strict recipe_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);

    delete from ragpg.chunks as chunk
    where chunk.index_id = replace_chunks.index_id
        and chunk.document_id = replace_chunks.document_id;
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page,
        token_count, lexeme_count, language, context, content, lexemes, embedding
    )
    with blocks as materialized (
        select number, substr(body, number * block + 1, block + longest) as content
        from (select distinct start / block as number from unnest(starts) as start) as used
    )
    select
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        piece.place - 1, piece.start_char, piece.end_char, piece.page, piece.token_count, 0,
        recipe_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding
    from unnest(starts, ends, contexts, token_counts, embeddings, pages) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, page, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp()
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at;
    return cardinality(starts);
end
$$;
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here; returns how many. Raises RG007 when the document has another version by now.';

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english'
) returns bigint
language plpgsql volatile
-- Security definer: a partition is the one piece of DDL of daily work, and a role that may
-- write documents should not need to own the tables. Execute is revoked from public.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
begin
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language
    )
    values (parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language)
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    return new_id;
end
$$;
revoke execute on function ragpg.create_search_index(text, bigint, integer, integer, text)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text) is
'Returns the id of a new, empty search index of a collection. It answers searches once activate_search_index names it.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, dimensions, index_id
    );
    execute format(
        'comment on view ragpg.%I is %L',
        'chunks_of_' || collection_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
end
$$;
revoke execute on function ragpg.activate_search_index(bigint) from public;
comment on function ragpg.activate_search_index(bigint) is
'Makes a search index the one that answers for its collection, and the view chunks_of_<collection> show its chunks.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete and store answers, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- What is stored but not yet searchable?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    document.updated_at as waiting_since,
    document.id as document_id
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = one.active_index_id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'Documents whose newest version is not indexed: written by SQL, or by an ingest that was stopped.';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version searches see; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';

-- How large is each search index, and are its statistics fresh?
create or replace view ragpg.index_health with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.state,
    model.name as embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count as counted_chunks,
    statistics.refreshed_at,
    pg_table_size(partition.relation) as table_bytes,
    pg_indexes_size(partition.relation) as index_bytes,
    coalesce(
        (
            select bool_and(part.indisvalid)
            from pg_index as part
            where part.indrelid = partition.relation
        ),
        false
    ) as indexes_valid
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics on statistics.index_id = recipe.id
cross join lateral (
    select coalesce(sum(state.chunk_count), 0) as chunks, count(*) as documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation
) as partition;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building, ready or retired.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents now.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';

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

comment on column ragpg.chunks.token_count is 'Tokens of content in the embedding model''s own tokens.';
alter table ragpg.citations drop column page;
alter table ragpg.search_indexes
    drop column activated_at,
    drop constraint search_indexes_state_is_known,
    add constraint search_indexes_state_is_known check (state in ('building', 'ready', 'retired'));
comment on column ragpg.search_indexes.state is
'building (first load, vector index not there yet), ready, or retired (kept for rollback).';
delete from ragpg.index_documents where document_version is null;
drop index ragpg.index_documents_next_attempt_at_btree;
alter table ragpg.index_documents
    drop constraint index_documents_is_indexed_or_pending,
    drop column pending_since,
    drop column attempts,
    drop column error,
    drop column next_attempt_at,
    alter column document_version set not null,
    alter column chunk_count drop default,
    alter column indexed_at set not null,
    alter column indexed_at set default now();
comment on table ragpg.index_documents is
'Which version of which document a search index holds. A document whose version is another one is pending (view ingest_queue).';
comment on column ragpg.index_documents.document_version is 'The version whose chunks are stored.';
comment on column ragpg.index_documents.indexed_at is 'When.';
alter table ragpg.document_versions drop column page_starts;
alter table ragpg.documents drop column page_starts;
