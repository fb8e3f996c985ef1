-- The chunks of a version whose metadata alone are new are those of the version before.
drop trigger documents_queue_updated on ragpg.documents;
create trigger documents_queue_updated after update on ragpg.documents
    referencing old table as replaced new table as written
    for each statement execute function ragpg_internal.queue_documents();
comment on trigger documents_queue_updated on ragpg.documents is
'Queues changed documents for each search index.';

drop function ragpg_internal.passes(jsonb, jsonpath);
drop function ragpg_internal.matching_documents(bigint, jsonpath, boolean, uuid);

-- Does a filter compare dates or times?
create or replace function ragpg_internal.has_times(filter jsonpath) returns boolean
language sql immutable parallel safe
return filter::text ~ '\.(datetime|date|time|time_tz|timestamp|timestamp_tz)\(';
comment on function ragpg_internal.has_times(jsonpath) is
'Returns whether a filter reads texts as dates or times.';

-- Does a document's metadata pass a filter?
create or replace function ragpg_internal.passes(
    metadata jsonb, filter jsonpath, has_times boolean default null
) returns boolean
language sql stable parallel safe
-- Inlined into the statements that use it, so that `@@` finds its index. Times are compared by the
-- session's time zone where one has none: `@@` would raise an error that nothing silences.
return case
    when coalesce(has_times, ragpg_internal.has_times(filter))
        then jsonb_path_match_tz(metadata, filter, '{}', true)
    else metadata @@ filter
end;
comment on function ragpg_internal.passes(jsonb, jsonpath, boolean) is
'Returns whether metadata pass a filter; null, as good as no, where the filter cannot be asked of them: a value of another type, a time that is none. has_times, where it is known, is ragpg_internal.has_times of the filter, which a statement that is planned once would ask for each row.';

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
set search_path = ragpg_internal, ragpg, pg_temp
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

-- What do the columns of a collection's view say? What those say that they come from.
create or replace function ragpg_internal.comment_chunks_view(collection_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    view_name constant text := format('ragpg.%I', 'chunks_of_' || collection_name);
    shown record;
begin
    execute format(
        'comment on view %s is %L', view_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
    for shown in
        select distinct on (one.attnum)
            one.attname, col_description(origin.attrelid, origin.attnum) as said
        from pg_attribute as one
        join pg_attribute as origin
            on origin.attname = one.attname
            and origin.attrelid in ('ragpg.chunks'::regclass, 'ragpg.documents'::regclass)
        where one.attrelid = view_name::regclass and one.attnum > 0
        order by one.attnum, origin.attrelid = 'ragpg.chunks'::regclass desc
    loop
        execute format('comment on column %s.%I is %L', view_name, shown.attname, shown.said);
    end loop;
end
$$;
revoke execute on function ragpg_internal.comment_chunks_view(text) from public;
comment on function ragpg_internal.comment_chunks_view(text) is
'Gives the view chunks_of_<collection> and its columns the comments of the tables they come from.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false,
    proof uuid default ragpg_internal.proof()
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    if collection_name is null then
        raise exception 'there is no search index %', coalesce(index_id::text, '(null)')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg_internal.check_shared('collection ' || collection_name, proof)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
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
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
    );
    perform ragpg_internal.comment_chunks_view(collection_name);
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean, uuid) from public;
comment on function ragpg.activate_search_index(bigint, boolean, uuid) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

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

-- What does a filter join, by which operator?
create or replace function ragpg_internal.filter_parts(
    condition text,
    out operator text,
    out parts text[]
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    is_enclosed boolean;
begin
    -- Most filters are one comparison.
    parts := regexp_match(condition, '^\(?((?:"(?:[^"\\]|\\.)*"|[^"()&|])+)\)?$');
    if parts is not null then
        return;
    end if;
    -- A jsonpath writes itself with blanks around operators, keys and strings in double quotes, and
    -- parentheses where && stands within && and || within &&.
    loop
        with token as (
            select
                found.part[1] as part, found.place,
                sum(case found.part[1] when '(' then 1 when ')' then -1 else 0 end)
                    over (order by found.place) as depth
            from regexp_matches(
                condition, '"(?:[^"\\]|\\.)*"| && | \|\| |[()]|[^"()&| ]+|.', 'g'
            ) with ordinality as found (part, place)
        ),
        joined as (
            select max(token.part) as operator  -- || binds less
            from token
            where token.depth = 0 and token.part in (' && ', ' || ')
        ),
        divided as (
            select
                token.*,
                count(*) filter (where token.depth = 0 and token.part = joined.operator)
                    over (order by token.place) as number,
                token.depth = 0 and token.part = joined.operator as divides
            from token
            cross join joined
        ),
        held as (
            select divided.number, string_agg(divided.part, '' order by divided.place) as part
            from divided
            where divided.divides is not true
            group by divided.number
        )
        select
            (select joined.operator from joined),
            array(select held.part from held order by held.number),
            -- Do the first parenthesis and the last one belong together?
            (
                select
                    bool_and(token.depth > 0 or token.place = last.place)
                    and bool_or(token.depth > 0)
                from token
                cross join (select max(token.place) as place from token) as last
            ) and condition like '(%'
        into operator, parts, is_enclosed;
        exit when not coalesce(is_enclosed, false);
        condition := substr(condition, 2, length(condition) - 2);
    end loop;
    if operator is not null then
        parts := array(
            select unnest(
                case within.operator when filter_parts.operator then within.parts
                    else array[part] end
            )
            from unnest(filter_parts.parts) as part
            cross join lateral ragpg_internal.filter_parts(part) as within
        );
    end if;
end
$$;
comment on function ragpg_internal.filter_parts(text) is
'Returns the conditions that a jsonpath predicate, as Postgres writes it, joins by && or ||, and which of them; the one condition it is, without parentheses around it, where it joins none.';

-- Which documents may a filter let through, by the values that are kept of them?
create or replace function ragpg_internal.listed_documents(
    collection_id bigint,
    tenants text[],
    condition text,
    most integer,
    out document_ids bigint[],
    out is_exact boolean
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Planned once in a session: an index that is empty then will not be.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    joined record;
    part text;
    asked record;
    listed record;
    within text;
    found_ids bigint[];
    has_lists boolean;
    -- A text behind all that are kept.
    beyond constant text := repeat(U&'\+10FFFF', 101);
begin
    joined := ragpg_internal.filter_parts(condition);
    if joined.operator = ' || ' then
        document_ids := '{}';
        is_exact := true;
        foreach part in array joined.parts loop
            listed := ragpg_internal.listed_documents(
                listed_documents.collection_id, tenants, part, most
            );
            document_ids := document_ids || listed.document_ids;
            if listed.document_ids is null or cardinality(document_ids) > most then
                document_ids := null;
                return;
            end if;
            is_exact := is_exact and listed.is_exact;
        end loop;
        document_ids := array(select distinct id from unnest(document_ids) as id);
        return;
    end if;
    -- Of conditions that all must hold the one that lists least is enough; both bounds of a key are
    -- one condition. What is equal is asked first: it is likely to list less.
    for asked in
        select
            one.kind, one.key, one.is_exact, one.is_both,
            coalesce(one.least, '-Infinity') - one.leeway as low_number,
            coalesce(one.greatest, 'Infinity') + one.leeway as high_number,
            coalesce(one.first, '') as low_word,
            coalesce(one.last, beyond) as high_word,
            case when one.is_open and one.kind <> 't' then coalesce(one.least, one.greatest) end
                as other_number,
            case when one.is_open then coalesce(one.first, one.last) end as other_word
        from (
            select
                said.kind, said.key, bool_and(said.is_exact) as is_exact,
                count(*) > 1 as is_both, bool_or(said.sign = '==') as is_equal,
                count(*) = 1 and min(said.sign) in ('<', '>') as is_open,
                case said.kind when 't' then 604800 else 0 end as leeway,
                max(said.number) filter (where said.sign not like '<%') as least,
                min(said.number) filter (where said.sign not like '>%') as greatest,
                max(said.word collate "C") filter (where said.sign not like '<%') as first,
                min(
                    case said.sign when 'starts with' then said.word || beyond else said.word end
                    collate "C"
                ) filter (where said.sign not like '>%') as last
            from unnest(joined.parts) as part
            cross join lateral ragpg_internal.filter_condition(part) as said
            where said.kind is not null
            group by said.kind, said.key
        ) as one
        order by one.is_equal desc, one.is_both desc, one.key
    loop
        -- Of a list one value may keep the one bound, another the other.
        if asked.kind in ('s', 'l') then
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= asked.high_word
                        and one.word is distinct from asked.other_word
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= case when asked.is_both then beyond else asked.high_word end
                        and one.word is distinct from asked.other_word
                )
                limit most + 1
            ) as found;
        else
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= asked.high_number
                        and one.number is distinct from asked.other_number
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= case
                            when asked.is_both then 'Infinity' else asked.high_number end
                        and one.number is distinct from asked.other_number
                )
                limit most + 1
            ) as found;
        end if;
        if cardinality(found_ids) <= most then
            document_ids := case
                when has_lists then array(select distinct id from unnest(found_ids) as id)
                else found_ids
            end;
            is_exact := cardinality(joined.parts) = 1 and asked.is_exact;
            most := cardinality(document_ids) - 1;
            exit when most < 200;
        end if;
    end loop;
    foreach part in array joined.parts loop
        exit when most < 200 or cardinality(joined.parts) = 1 and is_exact;
        within := coalesce(
            ragpg_internal.filter_of_each(part),
            case when (ragpg_internal.filter_parts(part)).operator is not null then part end
        );
        continue when within is null;
        listed := ragpg_internal.listed_documents(
            listed_documents.collection_id, tenants, within, most
        );
        if listed.document_ids is not null then
            document_ids := listed.document_ids;
            is_exact := false;
            most := cardinality(document_ids) - 1;
        end if;
    end loop;
end
$$;
comment on function ragpg_internal.listed_documents(bigint, text[], text, integer) is
'Returns the documents of a collection and some tenants whose kept values (ragpg.document_values) a condition of a filter lets through, and whether they are exactly those that it does: else it may be some of them. Null where the values cannot tell, or where they are more than the most wanted.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    most integer default null,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
    tenants text[] := array[only_tenant];
    only_collection bigint;
    untold bigint[];
    is_exact boolean;
    counted constant integer := 100;
begin
    select recipe.collection_id into only_collection
    from ragpg.search_indexes as recipe
    where recipe.id = matching_documents.index_id;
    if only_tenant is null then
        -- One look at an index for each.
        tenants := array(
            with recursive met as (
                (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection
                    order by document.tenant
                    limit 1
                )
                union all
                select (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection and document.tenant > met.tenant
                    order by document.tenant
                    limit 1
                )
                from met
                where met.tenant is not null
            )
            select met.tenant from met where met.tenant is not null
        );
    end if;
    select listed.document_ids, listed.is_exact into document_ids, is_exact
    from ragpg_internal.listed_documents(
        only_collection, tenants, filter::text, coalesce(most, 1000000)
    ) as listed;
    if document_ids is not null then
        select array_agg(known.document_id) into untold
        from ragpg.document_values as known
        where known.collection_id = only_collection
            and known.key = ''
            and known.kind = 'x'
            and known.tenant = any(tenants)
            and known.word is not null;
        if untold is not null then
            document_ids := array(
                select distinct id from unnest(document_ids || untold) as id
            );
        end if;
        if untold is not null or not is_exact then
            document_ids := ragpg_internal.passing(document_ids, filter);
        end if;
    elsif most is null then
        -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
        execute format(
            'select array_agg(document.id) from ragpg.documents as document'
            ' where document.collection_id = $1 and case when %s'
            '  then ragpg_internal.passes(document.metadata, $2) end',
            case when only_tenant is null then 'true' else 'document.tenant = $3' end
        )
        into document_ids
        using only_collection, filter, only_tenant;
    else
        return;
    end if;
    -- Counted, or where they are many, estimated from some.
    select
        case when cardinality(document_ids) <= counted then sum(state.chunk_count)
            else sum(state.chunk_count) * cardinality(document_ids) / counted
        end::bigint
    into chunks
    from unnest(document_ids[:counted]) as listed (id)
    cross join lateral (
        select one.chunk_count
        from ragpg.index_documents as one
        where one.document_id = listed.id and one.index_id = matching_documents.index_id
        limit 1
    ) as state;
    chunks := greatest(chunks, case when cardinality(document_ids) > counted then 1 else 0 end);
end
$$;
grant execute on function
ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid)
to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have: counted up to 100 documents, else estimated from so many; nothing where at most so many were to be listed by ragpg.document_values, and these cannot tell or are more. Without that limit each document is asked where they cannot. Security definer while tenants are on (ragpg_internal.tenant_legs), so that indexes are used; then only of the caller''s tenant.';

-- Which of these documents does a filter let through?
create or replace function ragpg_internal.passing(document_ids bigint[], filter jsonpath)
returns bigint[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Planned once in a session.
set plan_cache_mode = force_generic_plan
as $$
declare
    has_times constant boolean := ragpg_internal.has_times(filter);
begin
    return (
        select array_agg(known.id)
        from unnest(document_ids) as known (id)
        -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
        where (
            select ragpg_internal.passes(document.metadata, filter, has_times)
            from ragpg.documents as document
            where document.id = known.id
        )
    );
end
$$;
comment on function ragpg_internal.passing(bigint[], jsonpath) is
'Returns those of the documents whose metadata pass a filter, null for none.';

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
    sampled_documents bigint[];  -- that the filter lets through
    matching_documents bigint[];  -- all of them; null where they are many: each candidate is asked
    matching_chunks bigint;
    matching_share double precision := 0;
    exactly boolean := false;  -- all chunks that pass are looked at: they are few, or far
    -- Up to so many are looked at as quickly as the index finds some (docs/measured.md).
    exact_limit constant integer := 4000;
    few_chunks constant integer := 200;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
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
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if all_chunks > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, exact_limit) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                sampled_documents := ragpg_internal.passing(some_documents[:50], filter);
                matching_share := coalesce(cardinality(sampled_documents), 0) / 50.0;
            end if;
        end if;
        if matching_documents is null and matching_share * coalesce(all_chunks, 0) <= 40000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(
                -- So many are listed in 10 ms.
                recipe.id, filter, case when matching_share >= 0.03 then 50000 end
            ) as found;
        end if;
        exactly := coalesce(matching_chunks <= exact_limit, false);
        -- The index finds what is near the question. Where of what passes even the nearest (two
        -- deviations above the mean of some) is farther than the nearest of all, it would go
        -- through many rows and still miss some: all that pass are looked at instead.
        if not exactly and query_embedding is not null and mode <> 'keyword' then
            select spread.mean, spread.deviation
            into vector_mean, vector_deviation
            from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
                as spread;
            if matching_documents is null then
                sampled_documents := ragpg_internal.passing(some_documents, filter);
            end if;
            select coalesce(
                avg(near.similarity) + 2 * stddev_pop(near.similarity)
                < vector_mean + 1.6 * vector_deviation,
                false
            )
            into exactly
            from (
                select coalesce(matching_documents, sampled_documents) as ids
            ) as passed
            cross join generate_series(
                1, cardinality(passed.ids), greatest(cardinality(passed.ids) / 200, 1)
            ) as place
            cross join lateral (
                select 1 - (chunk.embedding <=> query_embedding) as similarity
                from ragpg.chunks as chunk
                where chunk.index_id = recipe.id and chunk.document_id = passed.ids[place]
                order by chunk.ordinal
                limit 1
            ) as near;
        end if;
        if exactly and matching_chunks is null then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
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
            sum(word.chunk_count), coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_chunks, word_mean, word_deviation
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
        loop
            select array_agg(found.chunk_id), array_agg(found.similarity)
            into vector_ids, similarities
            from ragpg_internal.vector_candidates(
                recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter,
                exactly
            ) as found;
            -- How many of all chunks should be nearer than the last of them, if similarities are
            -- spread as the normal distribution is? Where they are more than a filter that has
            -- nothing to do with the question would make the index pass by, it has missed some.
            exit when exactly or filter is null or (
                all_chunks * ragpg_internal.normal_tail(
                    (similarities[cardinality(similarities)] - vector_mean) / vector_deviation
                ) > greatest(100, 2.5 * wanted / greatest(
                    matching_share,
                    matching_chunks / all_chunks::double precision, 0.001
                ))
            ) is not true;
            exactly := true;
            if matching_chunks is null then
                select found.document_ids, found.chunks
                into matching_documents, matching_chunks
                from ragpg_internal.matching_documents(recipe.id, filter) as found;
            end if;
        end loop;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' and vector_mean is null then
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
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   %s as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg_internal.bm25_expression(words, word_weights),
            ragpg_internal.bm25_saturation(mean_length), recipe.id
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
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25
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
        -- Alike to the words, which none of them holds, or to a weight of nothing: the nearest.
        order by known.score desc, known.similarity desc nulls last, known.chunk_id
        limit k
    )
    select
        (row_number() over (
            order by best.score desc, best.similarity desc nulls last, best.chunk_id
        ))::integer, hit.source,
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
    exactly boolean default false
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
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s operator(%6$s.<=>) $1 as distance'
        '  from %2$s as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s operator(%6$s.<=>) $1 limit %5$s) as near';
    vector_schema constant text := ragpg_internal.vector_schema();
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_passing text := case
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
        else ''
    end;
    only_own text := '';
    tenant_chunks bigint;
    scan text;
    ids bigint[];
    distances double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $4';
        tenant_chunks := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = only_tenant
            ),
            0
        );
        exactly := exactly or tenant_chunks <= 20000;
        if document_ids is null then
            matching_chunks := tenant_chunks;
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if not exactly then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case
            when only_own || only_passing = '' then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::%s.halfvec(%s)', vector_schema, vector_dims(query_embedding)),
                'ragpg.' || table_name, recipe.id, only_own || only_passing, wanted, vector_schema
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null then
            execute format(
                template, 'embedding', 'ragpg.' || table_name, recipe.id,
                only_own || only_passing, wanted, vector_schema
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
        elsif only_tenant is null and cardinality(document_ids) > 4000 then
            -- Page by page of the table, in order: two thirds of the time where there are so many.
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select chunk.id, chunk.embedding <=> query_embedding as distance
                from ragpg.chunks as chunk
                where chunk.index_id = vector_candidates.index_id
                    and chunk.document_id = any((select document_ids)::bigint[])
                order by 2
                limit wanted
            ) as near;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks, and since Postgres 17 the whole index of documents is. Planned once
            -- in a session: two thirds of the time where few match.
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
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, boolean) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match, or where asked to be; otherwise the HNSW index, and exact again should that come back with too few.';

-- Views that are there already.
do $$
begin
    perform ragpg_internal.comment_chunks_view(one.name)
    from ragpg.collections as one
    where to_regclass(format('ragpg.%I', 'chunks_of_' || one.name)) is not null;
end
$$;
