drop view ragpg.contextual_indexes;
drop view ragpg.context_costs;
drop view ragpg.health_problems;
drop view ragpg.index_health;
drop function ragpg.start_context_batch;
drop function ragpg.finish_context_batch;
drop function ragpg.create_search_index;
drop function ragpg.replace_chunks;
drop table ragpg.chunk_contexts;
drop table ragpg.context_batches;
alter table ragpg.chunks drop column generated_chars;
alter table ragpg.search_indexes
    drop column context_model, drop column context_tokens;

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
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
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
    insert into ragpg.index_documents (index_id, document_id, pending_since)
    select new_id, document.id, now()
    from ragpg.documents as document
    where document.collection_id = parent_id;
    notify ragpg_documents;
    return new_id;
end
$$;
revoke execute on function ragpg.create_search_index(text, bigint, integer, integer, text)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it.';

-- The chunks of a document version, all at once.
create or replace function ragpg.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[]
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata
    into body, page_starts, document_metadata
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg.document_language(recipe.language, document_metadata, body)
    into strict words_language
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
        piece.place - 1, piece.start_char, piece.end_char,
        width_bucket(piece.start_char, page_starts), piece.token_count, 0,
        words_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding
    from unnest(starts, ends, contexts, token_counts, embeddings) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$$;
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

-- Which waiting documents does this worker take?
create or replace function ragpg.claim_documents(
    wanted integer default 32,
    only_collection text default null,
    only_index_id bigint default null
) returns table (
    index_id bigint, document_id bigint, version integer, source text, title text,
    media_type text, content text, page_starts integer[]
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    waiting record;
    taken integer := 0;
    characters bigint := 0;
begin
    for waiting in
        select state.index_id, state.document_id
        from ragpg.index_documents as state
        join ragpg.search_indexes as recipe on recipe.id = state.index_id
        join ragpg.collections as one on one.id = recipe.collection_id
        where state.pending_since is not null
            and state.next_attempt_at <= now()
            and (only_collection is null or one.name = only_collection)
            and (only_index_id is null or state.index_id = only_index_id)
        order by state.next_attempt_at, state.document_id
    loop
        exit when taken >= wanted or characters > 2000000;
        -- The lock belongs to the session: it goes with a worker that is killed, and nobody who
        -- writes the document waits for it.
        continue when not pg_try_advisory_lock(
            ragpg.claim_key(waiting.index_id, waiting.document_id)
        );
        -- Read after the lock: another worker may have finished it in between.
        select
            state.index_id, document.id, document.version, document.source, document.title,
            document.media_type, document.content, document.page_starts
        into
            index_id, document_id, version, source, title, media_type, content, page_starts
        from ragpg.index_documents as state
        join ragpg.documents as document on document.id = state.document_id
        where state.index_id = waiting.index_id
            and state.document_id = waiting.document_id
            and state.pending_since is not null
            and state.next_attempt_at <= now();
        if not found then
            perform pg_advisory_unlock(ragpg.claim_key(waiting.index_id, waiting.document_id));
            continue;
        end if;
        taken := taken + 1;
        characters := characters + char_length(content);
        return next;
    end loop;
end
$$;
comment on function ragpg.claim_documents(integer, text, bigint) is
'Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg.release_document or ends.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Forgets old versions, except those an answer cites.
create or replace function ragpg.prune_versions(older_than interval, collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.document_versions as earlier
    where earlier.valid_to < now() - older_than
        and (
            prune_versions.collection is null
            or earlier.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.citations as cited
            where cited.document_id = earlier.document_id
                and cited.document_version = earlier.version
        );
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_versions(interval, text) is
'Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg.put_embedded_documents(
    index_id bigint,
    sources text[],
    contents text[],
    titles text[],
    media_types text[],
    metadata jsonb[],
    source_hashes bytea[],
    embeddings halfvec[]
) returns table (source text, outcome text)
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after all this and finds the versions indexed.
    return query
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.embedding
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes, embeddings
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, embedding, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash
        from given
        on conflict on constraint documents_collection_id_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    emptied as (
        delete from ragpg.chunks as chunk
        using stored
        where chunk.index_id = recipe.id
            and chunk.document_id = stored.id
            and stored.version > 1
            and chunk.ordinal > 0
    ),
    written as (
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, ragpg.document_language(recipe.language, given.metadata, given.content),
            given.title, given.content, '', given.embedding
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            embedding = excluded.embedding
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp()
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select stored.source, case stored.version when 1 then 'added' else 'updated' end
    from stored;
end
$$;
comment on function ragpg.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

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
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

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
    ) as indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at,
    recipe.ef_search,
    pg_relation_size(partition.vector_index) as vector_index_bytes,
    pg_relation_size(partition.vector_index)::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    pg_stat_get_dead_tuples(partition.relation) as dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics on statistics.index_id = recipe.id
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0) as chunks,
        count(state.document_version) as documents,
        count(state.pending_since) as pending_documents,
        count(state.error) as failed_documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation,
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id || '_embedding_hnsw')) as vector_index
) as partition
left join lateral (
    select known.recall, known.measured_at
    from ragpg.recall_measurements as known
    where known.index_id = recipe.id
    order by known.measured_at desc
    limit 1
) as measured on true;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building (first load, vector index not there yet) or ready.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents it holds.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';
comment on column ragpg.index_health.pending_documents is
'Documents whose newest version it does not hold yet.';
comment on column ragpg.index_health.failed_documents is
'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.index_health.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.index_health.language is 'Text-search configuration of the word leg.';
comment on column ragpg.index_health.created_at is 'When the recipe was made.';
comment on column ragpg.index_health.activated_at is 'When it last began to answer searches.';
comment on column ragpg.index_health.ef_search is 'Least hnsw.ef_search of its scans: ragpg.tune_ef_search.';
comment on column ragpg.index_health.vector_index_bytes is 'Bytes of the vector index; null: there is none yet.';
comment on column ragpg.index_health.share_of_buffers is
'Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.';
comment on column ragpg.index_health.dead_chunks is 'Dead rows that the next vacuum takes away, estimated.';
comment on column ragpg.index_health.recall is 'Recall when it was last measured: ragpg.measure_recall.';
comment on column ragpg.index_health.recall_measured_at is 'When that was.';

-- Does anything need attention now?
create or replace view ragpg.health_problems with (security_invoker = true) as
select
    lag.collection,
    'documents fail' as problem,
    format('%s documents could not be indexed', lag.failing_documents) as detail,
    'ragpg.ingest_queue has the errors' as what_to_do
from ragpg.ingest_lag as lag
where lag.failing_documents > 0
union all
select
    lag.collection, 'indexing is behind',
    format('%s documents wait, the oldest for %s minutes', lag.waiting_documents,
        floor(lag.lag_seconds / 60)),
    'start a worker: ragpg worker'
from ragpg.ingest_lag as lag
where lag.lag_seconds > 900 and lag.waiting_documents > lag.failing_documents
union all
select
    health.collection, wrong.problem, format('search index %s: %s', health.index_id, wrong.detail),
    wrong.what_to_do
from ragpg.index_health as health
cross join lateral (
    values
        (
            not health.indexes_valid, 'index is invalid', 'searches do not use it',
            'reindex it: ragpg.verify() names it'
        ),
        (
            health.recall < 0.9, 'recall is low',
            format('recall %s, measured %s', round(health.recall::numeric, 3),
                health.recall_measured_at),
            'ragpg index tune --recall 0.98'
        ),
        (
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > case when health.chunks > 20000 then health.chunks / 50 else 0 end,
            'statistics are stale',
            format('counted with %s chunks, now %s', coalesce(health.counted_chunks, 0), health.chunks),
            format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
        ),
        (
            health.dead_chunks > greatest(health.chunks, 1000), 'many dead rows',
            format('%s dead, %s alive', health.dead_chunks, health.chunks),
            format('vacuum ragpg.chunks_%s; autovacuum does not keep up', health.index_id)
        )
) as wrong (is_wrong, problem, detail, what_to_do)
where health.state = 'ready' and wrong.is_wrong;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';
