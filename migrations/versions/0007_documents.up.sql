-- The chunks of a version whose metadata alone are new are those of the version before.
drop trigger documents_queue_updated on ragpg.documents;
create trigger documents_queue_updated after update on ragpg.documents
    referencing old table as replaced new table as written
    for each statement execute function ragpg_internal.queue_documents();
comment on trigger documents_queue_updated on ragpg.documents is
'Queues changed documents for each search index.';

-- Is a document among those that a filter, or a list of sources, names?
create or replace function ragpg_internal.is_chosen(
    source text, metadata jsonb, sources text[], filter jsonpath
) returns boolean
language sql stable parallel safe
-- Inlined, so that what is not given costs nothing and sources find their index.
return (sources is null or source = any(sources))
    and (filter is null or ragpg_internal.passes(metadata, filter));
comment on function ragpg_internal.is_chosen(text, jsonb, text[], jsonpath) is
'Returns whether a document''s source is one of the sources and its metadata pass the filter; what is null chooses all.';

-- Does this choose documents, or all that there are?
create or replace function ragpg_internal.check_choice(filter jsonpath, sources text[])
returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if filter is null and sources is null then
        raise exception 'nothing says which documents' using errcode = 'RG005',
            hint = 'give a filter over their metadata, such as $.tier == "pro", or their sources';
    end if;
    perform ragpg_internal.check_filter(filter);
end
$$;
comment on function ragpg_internal.check_choice(jsonpath, text[]) is
'Raises RG005 when neither a filter nor sources are given, RG004 when the filter is no predicate.';

-- What does a change say of metadata? (RFC 7396)
create or replace function ragpg_internal.merge_patch(target jsonb, patch jsonb) returns jsonb
language plpgsql immutable
set search_path = ragpg_internal, pg_temp
as $$
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    if jsonb_typeof(target) is distinct from 'object' then
        target := '{}';
    end if;
    return (
        select coalesce(jsonb_object_agg(merged.key, merged.value), '{}')
        from (
            select one.key, one.value from jsonb_each(target) as one where not patch ? one.key
            union all
            select one.key, ragpg_internal.merge_patch(target -> one.key, one.value)
            from jsonb_each(patch) as one
            where jsonb_typeof(one.value) <> 'null'
        ) as merged
    );
end
$$;
comment on function ragpg_internal.merge_patch(jsonb, jsonb) is
'Returns the target with the changes of a JSON Merge Patch (RFC 7396): null takes a key away, an object changes the keys it names, anything else replaces.';

-- Takes the documents away that a filter or a list of sources names.
create or replace function ragpg.delete_documents(
    collection text default 'default',
    filter jsonpath default null,
    sources text[] default null,
    dry_run boolean default false
) returns setof text
language plpgsql volatile
set search_path = ragpg, pg_temp
-- What is not given is planned away.
set plan_cache_mode = force_custom_plan
as $$
declare
    parent_id constant bigint := ragpg.collection_id(delete_documents.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        order by document.source;
        return;
    end if;
    return query
    with gone as (
        delete from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        returning document.source
    )
    select gone.source from gone order by gone.source;
end
$$;
comment on function ragpg.delete_documents(text, jsonpath, text[], boolean) is
'Deletes the documents of a collection whose metadata match the filter and whose source is one of the sources, with their chunks, and returns their sources; dry_run deletes nothing. Raises RG005 when neither is given: ragpg.drop_collection deletes all. Their last versions stay in document_versions.';

-- Which documents are meant by a filter or a list of sources? A page of them.
create or replace function ragpg.find_documents(
    collection text default 'default',
    filter jsonpath default null,
    sources text[] default null,
    page_size integer default null,
    after text default null
) returns table (document_id bigint, source text)
language plpgsql stable
set search_path = ragpg, pg_temp
-- What is not given is planned away.
set plan_cache_mode = force_custom_plan
as $$
begin
    perform ragpg_internal.check_filter(filter);
    if page_size < 1 then
        raise exception 'page_size must be at least 1, not %', page_size using errcode = 'RG005';
    end if;
    return query
    select document.id, document.source
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(find_documents.collection)
        and (after is null or document.source > after)
        and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
    order by document.source, document.id
    limit page_size;
end
$$;
comment on function ragpg.find_documents(text, jsonpath, text[], integer, text) is
'Returns the documents of a collection whose metadata match the filter and whose source is one of the sources, all without either, in the order of their sources; page_size of them, those after a source: the last one of the page before. document_status tells more of each. Raises RG004 for a filter that is no predicate.';

-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg_internal.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        -- What is cut and embedded is as it was: the chunks are the new version's, too.
        with carried as (
            update ragpg.index_documents as state
            set document_version = later.version
            from written as later
            join replaced as earlier on earlier.id = later.id
            where state.document_id = later.id
                and state.document_version = earlier.version
                and state.pending_since is null
                and later.version <> earlier.version
                and (later.content, later.title, later.media_type, later.page_starts)
                    is not distinct from
                    (earlier.content, earlier.title, earlier.media_type, earlier.page_starts)
                and (later.tenant, later.collection_id, later.metadata -> 'language')
                    is not distinct from
                    (earlier.tenant, earlier.collection_id, earlier.metadata -> 'language')
            returning state.index_id, state.document_id, state.document_version
        )
        update ragpg.chunks as chunk
        set document_version = carried.document_version
        from carried
        where chunk.index_id = carried.index_id and chunk.document_id = carried.document_id;
    end if;
    insert into ragpg.index_documents as state (index_id, document_id, pending_since, tenant)
    select recipe.id, written.id, now(), written.tenant
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
comment on function ragpg_internal.queue_documents() is
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told. A new version whose metadata alone are new has the chunks of the one before, at once.';

-- The chunks of a document version, all at once.
create or replace function ragpg_internal.replace_chunks(
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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    owner_name text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata, document.tenant
    into body, page_starts, document_metadata, owner_name
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for share;  -- a newer version waits, so that it is not taken off the queue unread
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg_internal.document_language(recipe.language, document_metadata, body)
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
        token_count, lexeme_count, language, context, content, lexemes, embedding, generated_chars,
        tenant
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
        '', piece.embedding, coalesce(piece.generated_chars, 0), owner_name
    from unnest(
        starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
    ) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since, tenant
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null, owner_name
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
comment on function ragpg_internal.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

-- Changes the metadata of the documents that a filter or a list of sources names.
create or replace function ragpg.update_metadata(
    changes jsonb,
    collection text default 'default',
    filter jsonpath default null,
    sources text[] default null,
    dry_run boolean default false
) returns setof text
language plpgsql volatile
set search_path = ragpg, pg_temp
-- What is not given is planned away.
set plan_cache_mode = force_custom_plan
as $$
declare
    parent_id constant bigint := ragpg.collection_id(update_metadata.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'the changes % are no JSON object', coalesce(changes::text, 'null')
            using errcode = 'RG005', hint = 'name keys and values, such as {"tier": "pro"}';
    end if;
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        order by document.source;
        return;
    end if;
    return query
    with changed as (
        update ragpg.documents as document
        set metadata = ragpg_internal.merge_patch(document.metadata, changes)
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        returning document.source
    )
    select changed.source from changed order by changed.source;
end
$$;
comment on function ragpg.update_metadata(jsonb, text, jsonpath, text[], boolean) is
'Changes the metadata of the documents of a collection whose metadata match the filter and whose source is one of the sources, and returns the sources of those that it changed; dry_run changes nothing. The changes are a JSON Merge Patch (RFC 7396): {"tier": "pro", "old": null} sets one key and takes another away. Each is a new version; its embeddings are reused when a worker indexes it, filters ask the new metadata at once. Raises RG005 when neither filter nor sources are given.';
