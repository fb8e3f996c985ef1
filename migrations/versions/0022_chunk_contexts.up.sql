-- 0022: a sentence of context per chunk, written by a language model.

alter table ragpg.search_indexes
    add column context_model text,
    add column context_tokens integer not null default 0,
    add constraint search_indexes_context_has_room check (
        case when context_model is null then context_tokens = 0
        else context_tokens between 1 and chunk_tokens - 1 end
    );
comment on column ragpg.search_indexes.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';
comment on column ragpg.search_indexes.context_tokens is
'Tokens of a chunk kept free for that sentence.';

alter table ragpg.chunks add column generated_chars integer not null default 0;
comment on column ragpg.chunks.generated_chars is
'How many characters at the end of context a language model wrote; 0: all of it is the document''s own.';

create table ragpg.context_batches (
    id bigint generated always as identity,
    collection_id bigint not null,
    model text not null,
    request_count integer not null,
    provider_batch_id text,
    state text not null default 'submitting',
    error text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    constraint context_batches_pkey primary key (id),
    constraint context_batches_collection_id_fkey foreign key (collection_id)
        references ragpg.collections (id) on delete cascade
);
comment on table ragpg.context_batches is
'Batches of requests for sentences of context, handed to the Message Batches API.';
comment on column ragpg.context_batches.id is 'Key.';
comment on column ragpg.context_batches.collection_id is 'The collection of the documents.';
comment on column ragpg.context_batches.model is 'The language model.';
comment on column ragpg.context_batches.request_count is 'How many sentences were asked for.';
comment on column ragpg.context_batches.provider_batch_id is 'The API''s name of the batch; null until it is known.';
comment on column ragpg.context_batches.state is 'submitting, then a word of the API: in_progress, canceling, ended.';
comment on column ragpg.context_batches.error is 'Why it did not bring all sentences.';
comment on column ragpg.context_batches.created_at is 'When the submission began.';
comment on column ragpg.context_batches.ended_at is 'When its results were stored.';
create index context_batches_collection_id_btree on ragpg.context_batches (collection_id);
comment on index ragpg.context_batches_collection_id_btree is 'Foreign key: the batches of a collection.';

create table ragpg.chunk_contexts (
    collection_id bigint not null,
    asked_hash bytea not null,
    document_hash bytea not null,
    model text not null,
    sentence text,
    problem text,
    batch_id bigint,
    input_tokens integer not null default 0,
    output_tokens integer not null default 0,
    cache_read_tokens integer not null default 0,
    cache_creation_tokens integer not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    constraint chunk_contexts_pkey primary key (collection_id, asked_hash),
    constraint chunk_contexts_collection_id_fkey foreign key (collection_id)
        references ragpg.collections (id) on delete cascade,
    constraint chunk_contexts_batch_id_fkey foreign key (batch_id)
        references ragpg.context_batches (id) on delete cascade,
    constraint chunk_contexts_hashes_are_sha256 check (
        octet_length(asked_hash) = 32 and octet_length(document_hash) = 32
    ),
    constraint chunk_contexts_say_why_there_is_none check (
        case when sentence is null then problem is null and batch_id is not null
        else (sentence = '') = (problem is not null) end
    )
);
comment on table ragpg.chunk_contexts is
'Sentences of context that a language model wrote, by what it was asked: none is paid for twice, whichever search index needs it.';
comment on column ragpg.chunk_contexts.collection_id is 'The collection of the document.';
comment on column ragpg.chunk_contexts.asked_hash is 'SHA-256 of what was asked: model, prompt, what was shown of the document, chunk.';
comment on column ragpg.chunk_contexts.document_hash is 'SHA-256 of the document''s whole text, as documents.content_hash: by it the sentence is erased with the document.';
comment on column ragpg.chunk_contexts.model is 'The language model.';
comment on column ragpg.chunk_contexts.sentence is 'What it wrote; empty: nothing of use, problem says why; null: an open batch shall bring it.';
comment on column ragpg.chunk_contexts.problem is 'Why there is no sentence: refused, empty, cut or too long.';
comment on column ragpg.chunk_contexts.batch_id is 'The batch it was asked in; null: asked at once.';
comment on column ragpg.chunk_contexts.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.chunk_contexts.output_tokens is 'Tokens written.';
comment on column ragpg.chunk_contexts.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.chunk_contexts.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.chunk_contexts.created_at is 'When it was written, or its batch begun.';
create index chunk_contexts_collection_id_document_hash_btree
on ragpg.chunk_contexts (collection_id, document_hash);
comment on index ragpg.chunk_contexts_collection_id_document_hash_btree is
'ragpg.erase_document: the sentences about a text.';
create index chunk_contexts_batch_id_btree on ragpg.chunk_contexts (batch_id)
where batch_id is not null;
comment on index ragpg.chunk_contexts_batch_id_btree is 'The sentences of a batch.';

drop function ragpg.create_search_index(text, bigint, integer, integer, text);
drop function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[]);

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english',
    context_model text default null,
    context_tokens integer default 0
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
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
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
revoke execute on function
ragpg.create_search_index(text, bigint, integer, integer, text, text, integer)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money.';

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
    generated_chars integer[] default null
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
        token_count, lexeme_count, language, context, content, lexemes, embedding, generated_chars
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
        '', piece.embedding, coalesce(piece.generated_chars, 0)
    from unnest(
        starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
    ) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
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
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

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
            -- Nobody pays for sentences of a recipe that never answered, unless told to fill it.
            and (
                recipe.context_model is null
                or recipe.activated_at is not null
                or state.index_id = only_index_id
            )
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
'Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg.release_document or ends. Those of a contextual search index that was never activated only when it is named.';

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
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
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
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

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
    -- Sentences about texts that nothing holds any more; fresh ones may belong to a document that
    -- is being stored, open ones to a batch.
    delete from ragpg.chunk_contexts as written
    where written.created_at < now() - interval '1 day'
        and written.sentence is not null
        and (
            prune_versions.collection is null
            or written.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.documents as document
            where document.collection_id = written.collection_id
                and document.content_hash = written.document_hash
        )
        and not exists (
            select
            from ragpg.document_versions as earlier
            where earlier.collection_id = written.collection_id
                and ragpg.hash_text(earlier.content) = written.document_hash
        );
    return gone;
end
$$;
comment on function ragpg.prune_versions(interval, text) is
'Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay. Sentences a model wrote about texts that are gone go, too.';

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
            embedding = excluded.embedding,
            generated_chars = 0
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
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text, text, integer),'
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

-- Which sentences shall a batch write that no other writes yet?
create or replace function ragpg.start_context_batch(
    collection text,
    model text,
    asked_hashes bytea[],
    document_hashes bytea[]
) returns table (batch_id bigint, asked_hash bytea)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(start_context_batch.collection);
    new_id bigint;
begin
    insert into ragpg.context_batches as batch (collection_id, model, request_count)
    values (parent_id, start_context_batch.model, 0)
    returning batch.id into new_id;
    -- Two at once: the second waits for the first's rows and leaves them to it.
    return query
    insert into ragpg.chunk_contexts as written (
        collection_id, asked_hash, document_hash, model, batch_id
    )
    select parent_id, wanted.asked_hash, wanted.document_hash, start_context_batch.model, new_id
    from unnest(asked_hashes, document_hashes) as wanted (asked_hash, document_hash)
    order by wanted.asked_hash
    on conflict do nothing
    returning new_id, written.asked_hash;
    update ragpg.context_batches as batch
    set request_count = (
        select count(*) from ragpg.chunk_contexts as written where written.batch_id = new_id
    )
    where batch.id = new_id;
    delete from ragpg.context_batches as batch
    where batch.id = new_id and batch.request_count = 0;
end
$$;
comment on function ragpg.start_context_batch(text, text, bytea[], bytea[]) is
'Makes a row of ragpg.context_batches and reserves for it those of the asked sentences (arrays of equal length) that are neither written nor in another open batch; returns them with the batch''s id, no row when none is left. To be committed before the batch is submitted.';

-- A batch is over: what did it not write?
create or replace function ragpg.finish_context_batch(batch_id bigint, error text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    left_over bigint;
begin
    delete from ragpg.chunk_contexts as written
    where written.batch_id = finish_context_batch.batch_id and written.sentence is null;
    get diagnostics left_over = row_count;
    update ragpg.context_batches as batch
    set state = 'ended', error = finish_context_batch.error, ended_at = clock_timestamp()
    where batch.id = finish_context_batch.batch_id;
    return left_over;
end
$$;
comment on function ragpg.finish_context_batch(bigint, text) is
'Ends a batch whose results are stored: what it left unwritten may be asked again. Returns how many sentences that are; error says why.';

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
    measured.measured_at as recall_measured_at,
    recipe.context_model
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
comment on column ragpg.index_health.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';

-- What did the sentences of context take and cost, and why has a chunk none?
create or replace view ragpg.context_costs with (security_invoker = true) as
select
    one.name as collection,
    written.model,
    written.batch_id is not null as in_batch,
    count(*) as asked,
    count(*) filter (where written.sentence <> '') as sentences,
    count(*) filter (where written.sentence is null) as open,
    count(*) filter (where written.problem = 'refused') as refused,
    count(*) filter (where written.problem = 'empty') as empty,
    count(*) filter (where written.problem = 'cut') as cut,
    count(*) filter (where written.problem = 'too long') as too_long,
    sum(written.input_tokens) as input_tokens,
    sum(written.output_tokens) as output_tokens,
    sum(written.cache_read_tokens) as cache_read_tokens,
    sum(written.cache_creation_tokens) as cache_creation_tokens,
    sum(
        (
            written.input_tokens * price.input_price
            + written.output_tokens * price.output_price
            + written.cache_read_tokens * price.cache_read_price
            -- A batch keeps its cache for an hour, at twice the price of what is read, and costs
            -- half: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
            + written.cache_creation_tokens
                * case
                    when written.batch_id is null then price.cache_creation_price
                    else 2 * price.input_price
                end
        ) / case when written.batch_id is null then 1 else 2 end
    ) / 1000000 as cost,
    min(written.created_at) as first_at,
    max(written.created_at) as last_at
from ragpg.chunk_contexts as written
join ragpg.collections as one on one.id = written.collection_id
left join ragpg.model_prices as price on price.model = written.model
group by one.name, written.model, written.batch_id is not null;
comment on view ragpg.context_costs is
'A row per collection, model and way of asking: sentences of context written, those that failed and why, tokens, and their cost by ragpg.model_prices. Erased and pruned ones are not counted.';
comment on column ragpg.context_costs.collection is 'Name of the collection.';
comment on column ragpg.context_costs.model is 'The language model.';
comment on column ragpg.context_costs.in_batch is 'Whether it was asked through the Message Batches API, at half the price.';
comment on column ragpg.context_costs.asked is 'Chunks it was asked about.';
comment on column ragpg.context_costs.sentences is 'Sentences it wrote.';
comment on column ragpg.context_costs.open is 'Those that a batch under way shall bring.';
comment on column ragpg.context_costs.refused is 'Chunks it declined to write about: they have no sentence.';
comment on column ragpg.context_costs.empty is 'Chunks it wrote nothing about.';
comment on column ragpg.context_costs.cut is 'Chunks whose sentence did not come to an end.';
comment on column ragpg.context_costs.too_long is 'Chunks about which it wrote more than a chunk can hold.';
comment on column ragpg.context_costs.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.context_costs.output_tokens is 'Tokens written.';
comment on column ragpg.context_costs.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.context_costs.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.context_costs.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';
comment on column ragpg.context_costs.first_at is 'When it was first asked.';
comment on column ragpg.context_costs.last_at is 'When it was last asked.';

-- How many chunks have a sentence of context that a model wrote?
create or replace view ragpg.contextual_indexes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.context_model,
    recipe.context_tokens,
    count(chunk.id) as chunks,
    count(chunk.id) filter (where chunk.generated_chars > 0) as chunks_with_sentence,
    round(avg(chunk.generated_chars) filter (where chunk.generated_chars > 0)) as mean_chars
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
left join ragpg.chunks as chunk on chunk.index_id = recipe.id
where recipe.context_model is not null
group by one.id, recipe.id;
comment on view ragpg.contextual_indexes is
'A row per search index whose chunks get a sentence of context by a language model. It counts chunks, so it takes a scan.';
comment on column ragpg.contextual_indexes.collection is 'Name of the collection.';
comment on column ragpg.contextual_indexes.index_id is 'The search index.';
comment on column ragpg.contextual_indexes.active is 'Whether it answers searches.';
comment on column ragpg.contextual_indexes.context_model is 'The language model.';
comment on column ragpg.contextual_indexes.context_tokens is 'Tokens of a chunk kept free for its sentence.';
comment on column ragpg.contextual_indexes.chunks is 'Its chunks.';
comment on column ragpg.contextual_indexes.chunks_with_sentence is 'Those with a sentence.';
comment on column ragpg.contextual_indexes.mean_chars is 'Mean characters of a sentence.';
