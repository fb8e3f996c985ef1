-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    partition_name text := 'chunks_' || refresh_search_index.index_id;
    recipe ragpg.search_indexes;
    dimensions integer;
    counted_at timestamptz;
    counted bigint;
    total bigint;
    changed bigint;
begin
    -- One at a time per search index; a second caller waits and then finds little to do.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(refresh_search_index.index_id::text)
    );
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = refresh_search_index.index_id;
    select model.dimensions into dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    select known.refreshed_at, known.chunk_count into counted_at, counted
    from ragpg.index_statistics as known
    where known.index_id = refresh_search_index.index_id;
    select
        coalesce(sum(state.chunk_count), 0),
        coalesce(sum(state.chunk_count) filter (where state.indexed_at > counted_at), 0)
    into total, changed
    from ragpg.index_documents as state
    where state.index_id = refresh_search_index.index_id;
    changed := greatest(changed, abs(total - coalesce(counted, 0)));
    -- Small indexes are counted every time; large ones when 2 % changed: df and N move BM25
    -- and the standard scores by less than that.
    if counted_at is not null and recipe.state = 'ready' and not force
        and (changed = 0 or (total > 20000 and changed < total / 50))
    then
        return false;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg.build_vector_index(refresh_search_index.index_id, dimensions);
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    insert into ragpg.index_statistics as known (
        index_id, chunk_count, mean_length, embedding_sample, document_sample, languages,
        refreshed_at
    )
    select
        refresh_search_index.index_id,
        count(*),
        coalesce(avg(chunk.lexeme_count), 0),
        (
            select coalesce(array_agg(drawn.embedding), '{}')
            from (
                select sample.embedding
                from ragpg.chunks as sample
                where sample.index_id = refresh_search_index.index_id
                -- Drawn by hash, not by random(): the same chunks give the same ranking.
                order by hashint8extended(sample.id, 0)
                limit 256
            ) as drawn
        ),
        array(
            select state.document_id
            from ragpg.index_documents as state
            where state.index_id = refresh_search_index.index_id and state.chunk_count > 0
            order by hashint8extended(state.document_id, 0)
            limit 400
        ),
        coalesce(array_agg(distinct chunk.language), '{}'),
        clock_timestamp()
    from ragpg.chunks as chunk
    where chunk.index_id = refresh_search_index.index_id
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        document_sample = excluded.document_sample,
        languages = excluded.languages,
        refreshed_at = excluded.refreshed_at;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat(
            format(
                'select lexemes from ragpg.chunks where index_id = %s',
                refresh_search_index.index_id
            )
        ) as word
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = refresh_search_index.index_id
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, lexeme, chunk_count, occurrence_count
    )
    select refresh_search_index.index_id, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';
