-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
    some_ids bigint[];
    held record;  -- their chunks
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    for some_ids in
        select array_agg(listed.id)
        from (
            select
                document.id,
                sum(coalesce(held.chunks, 0)) over (order by document.id) / 5000 as batch
            from ragpg.documents as document
            left join (
                select state.document_id, sum(state.chunk_count)::bigint as chunks
                from ragpg.index_documents as state
                group by state.document_id
            ) as held on held.document_id = document.id
            where only_id is null or document.collection_id = only_id
        ) as listed
        group by listed.batch::bigint
    loop
        select
            array_agg(chunk.id) as ids, array_agg(chunk.index_id) as index_ids,
            array_agg(chunk.document_id) as document_ids,
            array_agg(chunk.document_version) as versions,
            array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends,
            array_agg(chunk.content) as contents
        into held
        from ragpg.chunks as chunk
        where chunk.document_id = any(some_ids);
        return query
        with chunk as materialized (
            select one.*, one.start_char / block_chars as block_number
            from unnest(
                held.ids, held.index_ids, held.document_ids, held.versions, held.starts, held.ends,
                held.contents
            ) as one (id, index_id, document_id, version, start_char, end_char, content)
        ),
        block as materialized (
            select
                used.document_id, used.version, used.number,
                substr(
                    ragpg.document_text(used.document_id, used.version),
                    used.number * block_chars + 1, block_chars + used.longest
                ) as content
            from (
                select
                    chunk.document_id, chunk.version, chunk.block_number as number,
                    max(chunk.end_char - chunk.start_char) as longest
                from chunk
                group by 1, 2, 3
            ) as used
        )
        select
            'chunk is not its span',
            format('chunk %s of search index %s', chunk.id, chunk.index_id),
            format('document %s version %s, characters %s to %s', chunk.document_id,
                chunk.version, chunk.start_char, chunk.end_char),
            'build the search index anew: ragpg index build'
        from chunk
        join block
            on block.document_id = chunk.document_id
            and block.version = chunk.version
            and block.number = chunk.block_number
        where substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;
    end loop;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        'values of metadata missing or too many', format('document %s', document.id),
        'filters miss it, or ask it without need',
        format('select ragpg_internal.put_document_values(array[%s])', document.id)
    from ragpg.documents as document
    where (only_id is null or document.collection_id = only_id)
        and exists (
            select
            from (
                select held.kind, held.key, held.number, held.word
                from ragpg_internal.metadata_values(document.metadata) as held
            ) as held
            full join (
                select known.kind, known.key, known.number, known.word
                from ragpg.document_values as known
                where known.document_id = document.id
                    and known.collection_id = document.collection_id
                    and known.tenant = document.tenant
            ) as known
                on known.kind = held.kind
                and known.key = held.key
                and coalesce(known.number, 0) = coalesce(held.number, 0)
                and coalesce(known.word, '') = coalesce(held.word, '')
            where known.kind is null or held.kind is null
        );

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, values of metadata missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.';
