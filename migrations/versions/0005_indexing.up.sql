-- 0005: documents that SQL wrote are indexed by workers; several search indexes live side by side;
-- pages; versions can be pruned and documents erased; tables of one's own become collections.

alter table ragpg.documents
    add column page_starts integer[] not null default '{}',
    add constraint documents_page_starts_has_no_null
        check (array_position(page_starts, null) is null);
comment on column ragpg.documents.page_starts is
'The characters, from 0 and in order, at which pages, slides or sheets 1, 2, ... begin; empty when it has none.';
alter table ragpg.document_versions
    add column page_starts integer[] not null default '{}';
comment on column ragpg.document_versions.page_starts is 'Where its pages began then.';

alter table ragpg.citations add column page integer;
comment on column ragpg.citations.page is 'Page of the first cited character, where the document has pages.';

alter table ragpg.index_documents
    alter column document_version drop not null,
    alter column chunk_count set default 0,
    alter column indexed_at drop not null,
    alter column indexed_at drop default,
    add column pending_since timestamptz,
    add column attempts integer not null default 0,
    add column error text,
    add column next_attempt_at timestamptz not null default '-infinity',
    add constraint index_documents_is_indexed_or_pending
        check (document_version is not null and indexed_at is not null or pending_since is not null),
    add constraint index_documents_attempts_is_not_negative check (attempts >= 0);
comment on table ragpg.index_documents is
'Which version of which document a search index holds, and which documents wait for it (view ingest_queue).';
comment on column ragpg.index_documents.document_version is
'The version whose chunks are stored; null before the first.';
comment on column ragpg.index_documents.indexed_at is 'When; null before the first time.';
comment on column ragpg.index_documents.pending_since is
'Since when a newer version waits to be indexed; null when none does.';
comment on column ragpg.index_documents.attempts is 'How often indexing the waiting version failed.';
comment on column ragpg.index_documents.error is 'What the last attempt said.';
comment on column ragpg.index_documents.next_attempt_at is 'Workers leave it alone until then.';
create index index_documents_next_attempt_at_btree
    on ragpg.index_documents (next_attempt_at, document_id) where pending_since is not null;
comment on index ragpg.index_documents_next_attempt_at_btree is
'Serves workers that look for what waits.';
-- What waits already.
insert into ragpg.index_documents as state (index_id, document_id, pending_since)
select recipe.id, document.id, document.updated_at
from ragpg.documents as document
join ragpg.search_indexes as recipe on recipe.collection_id = document.collection_id
left join ragpg.index_documents as known
    on known.index_id = recipe.id and known.document_id = document.id
where known.document_version is distinct from document.version
on conflict on constraint index_documents_pkey do update
set pending_since = excluded.pending_since;

comment on column ragpg.chunks.token_count is
'Tokens of content in the embedding model''s own tokens; 0 where the embedding was given and nobody counted.';

alter table ragpg.search_indexes
    add column activated_at timestamptz,
    drop constraint search_indexes_state_is_known,
    add constraint search_indexes_state_is_known check (state in ('building', 'ready'));
comment on column ragpg.search_indexes.state is
'building (first load, vector index not there yet) or ready.';
comment on column ragpg.search_indexes.activated_at is
'When it last began to answer searches; null when it never has.';
update ragpg.search_indexes as recipe
set activated_at = now()
from ragpg.collections as one
where one.active_index_id = recipe.id;

drop function ragpg.put_document(text, text, text, text, text, jsonb, bytea);
drop function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]);
drop function ragpg.activate_search_index(bigint);
drop function ragpg.search(text, integer, text, jsonpath, halfvec, text);

-- On which page is a character of version n of a document?
create or replace function ragpg.page_at(document_id bigint, version integer, start_char integer)
returns integer
language sql stable
begin atomic
    select width_bucket(page_at.start_char, nullif(stored.page_starts, '{}'))
    from (
        select document.version, document.page_starts
        from ragpg.documents as document
        where document.id = page_at.document_id
        union all
        select earlier.version, earlier.page_starts
        from ragpg.document_versions as earlier
        where earlier.document_id = page_at.document_id
    ) as stored
    where stored.version = page_at.version;
end;
comment on function ragpg.page_at(bigint, integer, integer) is
'Returns the page (slide, sheet), from 1, that holds a character, counted from 0, of that version of a document; null when it has no pages.';

-- Is a quote really there, and on which page? Refuses one that is not the cited characters.
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
    new.page := ragpg.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$$;
comment on function ragpg.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, and notes its page.';

-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata, old.page_starts)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata, new.page_starts)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        page_starts, valid_from, valid_to
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.page_starts, old.updated_at, greatest(old.updated_at, now())
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
    source_hash bytea default null,
    page_starts integer[] default '{}'
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
        collection_id, source, content, title, media_type, metadata, source_hash, page_starts
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash,
        put_document.page_starts
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
            source_hash = put_document.source_hash,
            page_starts = put_document.page_starts
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea, integer[]) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. A worker (ragpg worker) makes its chunks; until then it is in the view ingest_queue. page_starts are the characters, from 0, at which its pages begin.';

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
    recipe_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}') into body, page_starts
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
        piece.place - 1, piece.start_char, piece.end_char,
        width_bucket(piece.start_char, page_starts), piece.token_count, 0,
        recipe_language, piece.context,
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

-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.index_documents as state (index_id, document_id, pending_since)
    select recipe.id, written.id, now()
    from written
    join ragpg.search_indexes as recipe on recipe.collection_id = written.collection_id
    left join ragpg.index_documents as known
        on known.index_id = recipe.id and known.document_id = written.id
    where known.document_version is distinct from written.version
    on conflict on constraint index_documents_pkey do update
    set pending_since = coalesce(state.pending_since, excluded.pending_since),
        attempts = 0,
        error = null,
        next_attempt_at = default;
    notify ragpg_documents;
    return null;
end
$$;
comment on function ragpg.queue_documents() is
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told.';

-- The advisory lock that stands for one document in one search index.
create or replace function ragpg.claim_key(index_id bigint, document_id bigint) returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended(format('ragpg.index_documents %s %s', index_id, document_id), 0);
end;
comment on function ragpg.claim_key(bigint, bigint) is
'Returns the key of the advisory lock a worker holds while it indexes a document.';

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

-- A worker is done with a document: well, or with an error that is kept.
create or replace function ragpg.release_document(
    index_id bigint, document_id bigint, document_version integer, error text default null
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if error is not null then
        -- 5 s, 10 s, 20 s ... up to an hour; a newer version does not wait.
        update ragpg.index_documents as state
        set attempts = state.attempts + 1,
            error = release_document.error,
            next_attempt_at = clock_timestamp()
                + least(5 * 2 ^ least(state.attempts, 20), 3600) * interval '1 second'
        from ragpg.documents as document
        where state.index_id = release_document.index_id
            and state.document_id = release_document.document_id
            and state.pending_since is not null
            and document.id = state.document_id
            and document.version = release_document.document_version;
    end if;
    perform pg_advisory_unlock(
        ragpg.claim_key(release_document.index_id, release_document.document_id)
    );
end
$$;
comment on function ragpg.release_document(bigint, bigint, integer, text) is
'Gives a claimed document back. With an error the document waits longer after each attempt (5 seconds doubled, at most an hour), and view ingest_queue shows it.';

-- Can what was just written be found?
create or replace function ragpg.wait_until_indexed(
    collection text, source text default null, timeout interval default '30 seconds'
) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(wait_until_indexed.collection);
    until timestamptz := clock_timestamp() + timeout;
    is_own boolean;
    is_waiting boolean;
begin
    loop
        select
            coalesce(bool_or(document.updated_at = now()), false),
            count(*) > 0
        into is_own, is_waiting
        from ragpg.documents as document
        join ragpg.collections as one on one.id = document.collection_id
        left join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = one.active_index_id
        where one.id = parent_id
            and (wait_until_indexed.source is null or document.source = wait_until_indexed.source)
            and state.document_version is distinct from document.version;
        if not is_waiting then
            return true;
        elsif is_own then
            raise exception 'this transaction wrote the document: no worker sees it before commit'
                using errcode = 'RG005', hint = 'commit, then wait';
        elsif clock_timestamp() >= until then
            return false;
        end if;
        perform pg_sleep(0.05);
    end loop;
end
$$;
comment on function ragpg.wait_until_indexed(text, text, interval) is
'Returns true as soon as searches see the newest version of the document, or of all documents of the collection when no source is given; false after the timeout. A worker must be running; to be called after the commit of what was written.';

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

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
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
revoke execute on function ragpg.activate_search_index(bigint, boolean) from public;
comment on function ragpg.activate_search_index(bigint, boolean) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

-- The recipe before this one was better: back to it.
create or replace function ragpg.rollback_search_index(collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    earlier_id bigint;
begin
    select recipe.id into earlier_id
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where one.id = ragpg.collection_id(rollback_search_index.collection)
        and recipe.id <> one.active_index_id
        and recipe.activated_at is not null
    order by recipe.activated_at desc
    limit 1;
    if earlier_id is null then
        raise exception 'no other search index of this collection has been active'
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg.activate_search_index(earlier_id);
    return earlier_id;
end
$$;
comment on function ragpg.rollback_search_index(text) is
'Activates the search index that answered before the active one and returns its id. Raises RG010 when there is none.';

-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint) from public;
comment on function ragpg.drop_search_index(bigint) is
'Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.';

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
'Erases a document for good: its text, chunks, all versions, every answer that cites it, and its words from the statistics; returns how many documents, earlier versions and answers went. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

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

-- One row of somebody's table as a document.
create or replace function ragpg.index_row(
    stored jsonb,
    collection text,
    source_column text,
    content_column text,
    title_column text,
    metadata_columns text,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(stored ->> source_column, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(stored ->> content_column, '') !~ '\S' then
        perform ragpg.delete_document(collection, stored ->> source_column);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => stored ->> source_column,
        content => stored ->> content_column,
        title => coalesce(stored ->> nullif(title_column, ''), ''),
        media_type => index_row.media_type,
        metadata => (
            select coalesce(jsonb_object_agg(wanted.name, stored -> wanted.name), '{}')
            from unnest(metadata_columns::text[]) as wanted (name)
        )
    );
end
$$;
comment on function ragpg.index_row(jsonb, text, text, text, text, text, text) is
'Stores a row, as jsonb, as a document of a collection; one without content is deleted. For ragpg.index_table.';

-- Trigger: what happened to a table that is indexed?
create or replace function ragpg.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.source = stored.%I::text',
            tg_relid::regclass, tg_argv[1]
        )
        using tg_argv[0];
        return null;
    end if;
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE'
        and to_jsonb(old) ->> tg_argv[1] is distinct from to_jsonb(new) ->> tg_argv[1]
    then
        perform ragpg.delete_document(tg_argv[0], to_jsonb(old) ->> tg_argv[1]);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg.index_row(
            to_jsonb(new), tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4], tg_argv[5]
        );
    end if;
    return null;
end
$$;
revoke execute on function ragpg.index_table_row() from public;
comment on function ragpg.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';

-- Which tables of one's own are collections?
create or replace view ragpg.indexed_tables with (security_invoker = true) as
select
    trigger.tgrelid::regclass as table_name,
    convert_from(argument.list[1], 'utf8') as collection,
    convert_from(argument.list[2], 'utf8') as source_column,
    convert_from(argument.list[3], 'utf8') as content_column,
    nullif(convert_from(argument.list[4], 'utf8'), '') as title_column,
    convert_from(argument.list[5], 'utf8')::text[] as metadata_columns,
    convert_from(argument.list[6], 'utf8') as media_type
from pg_trigger as trigger
cross join lateral (
    -- pg_trigger keeps arguments as bytes with a zero after each.
    select array_agg(decode(part, 'hex') order by place) as list
    from regexp_split_to_table(
        regexp_replace(encode(trigger.tgargs, 'hex'), '(..)', '\1 ', 'g'), '00 '
    ) with ordinality as cut (part, place)
) as argument
where trigger.tgfoid = 'ragpg.index_table_row'::regproc
    and trigger.tgtype & 1 = 1;
comment on view ragpg.indexed_tables is
'A row per table that ragpg.index_table keeps in step with a collection.';
comment on column ragpg.indexed_tables.table_name is 'The table.';
comment on column ragpg.indexed_tables.collection is 'Name of the collection.';
comment on column ragpg.indexed_tables.source_column is 'The column that gives a document''s source.';
comment on column ragpg.indexed_tables.content_column is 'The column that gives its text.';
comment on column ragpg.indexed_tables.title_column is 'The column that gives its title, if any.';
comment on column ragpg.indexed_tables.metadata_columns is 'The columns that become its metadata.';
comment on column ragpg.indexed_tables.media_type is 'How the text is read, such as text/markdown.';

-- A table of one's own is no collection any more.
create or replace function ragpg.stop_indexing_table(
    table_name regclass, collection text, delete_documents boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    followed ragpg.indexed_tables;
    gone bigint := 0;
begin
    select known.* into followed
    from ragpg.indexed_tables as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.source = stored.%I::text',
            table_name, followed.source_column
        )
        using collection;
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';

-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    arguments text := format(
        '%L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type
    );
    missing text;
    rows_done bigint;
begin
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    perform ragpg.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    execute format(
        'select count(*) from (select ragpg.index_row(to_jsonb(stored), %s) from %s as stored'
        ' offset 0) as done',
        arguments, table_name
    )
    into rows_done;
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner; the owner of schema ragpg must be able to read it.';

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
            0, 0, recipe.language, given.title, given.content, '',
            given.embedding
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
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
        ' ragpg.answers, ragpg.citations to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete and store answers, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- What is stored but not yet searchable, and why?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    coalesce(state.pending_since, document.updated_at) as waiting_since,
    document.id as document_id,
    recipe.id as index_id,
    recipe.id is not distinct from one.active_index_id as active,
    coalesce(state.attempts, 0) as attempts,
    state.error,
    state.next_attempt_at
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.search_indexes as recipe on recipe.collection_id = one.id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = recipe.id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'A row per document and search index that does not hold its newest version: written by SQL and not picked up by a worker yet, left by an ingest that was stopped, or failing (error).';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version this search index holds; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';
comment on column ragpg.ingest_queue.index_id is 'The search index; null when the collection has none yet.';
comment on column ragpg.ingest_queue.active is 'Whether searches use that index.';
comment on column ragpg.ingest_queue.attempts is 'How often indexing this version failed.';
comment on column ragpg.ingest_queue.error is 'What the last attempt said.';
comment on column ragpg.ingest_queue.next_attempt_at is 'When workers try next.';

-- What did a document say, and when?
create or replace view ragpg.document_history with (security_invoker = true) as
select
    one.name as collection,
    version.source,
    version.version,
    version.title,
    version.valid_from,
    version.valid_to,
    char_length(version.content) as characters,
    (
        select count(*)
        from ragpg.citations as cited
        where cited.document_id = version.document_id
            and cited.document_version = version.version
    ) as citations,
    version.document_id
from (
    select
        document.collection_id, document.source, document.version, document.title,
        document.updated_at as valid_from, null::timestamptz as valid_to, document.content,
        document.id as document_id
    from ragpg.documents as document
    union all
    select
        earlier.collection_id, earlier.source, earlier.version, earlier.title,
        earlier.valid_from, earlier.valid_to, earlier.content, earlier.document_id
    from ragpg.document_versions as earlier
) as version
join ragpg.collections as one on one.id = version.collection_id;
comment on view ragpg.document_history is
'A row per version of every document, deleted ones too; ragpg.document_text(document_id, version) gives its text.';
comment on column ragpg.document_history.collection is 'Name of the collection.';
comment on column ragpg.document_history.source is 'The document''s source then.';
comment on column ragpg.document_history.version is 'Which version.';
comment on column ragpg.document_history.title is 'Its title then.';
comment on column ragpg.document_history.valid_from is 'Since when it was current.';
comment on column ragpg.document_history.valid_to is 'Until when; null when it is current.';
comment on column ragpg.document_history.characters is 'Length of its text.';
comment on column ragpg.document_history.citations is 'Citations that point at it.';
comment on column ragpg.document_history.document_id is 'The document.';

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
    recipe.activated_at
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
    select to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation
) as partition;
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
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
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
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. Raises RG001 to RG005, RG010.';

create trigger documents_queue_inserted after insert on ragpg.documents
    referencing new table as written
    for each statement execute function ragpg.queue_documents();
comment on trigger documents_queue_inserted on ragpg.documents is
'Queues new documents for each search index.';
create trigger documents_queue_updated after update on ragpg.documents
    referencing new table as written
    for each statement execute function ragpg.queue_documents();
comment on trigger documents_queue_updated on ragpg.documents is
'Queues changed documents for each search index.';
