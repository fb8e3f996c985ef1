-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
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
    where known.index_id = refresh_search_index.index_id and known.tenant = '';
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
        return ragpg_internal.count_tenants(refresh_search_index.index_id, force) > 0;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg_internal.build_vector_index(refresh_search_index.index_id, dimensions);
        if ragpg_internal.tenants_enabled() then  -- the expressions of new indexes, too
            perform ragpg_internal.protect_table(format('ragpg.%I', partition_name)::regclass, true);
        end if;
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    perform ragpg_internal.count_chunks(refresh_search_index.index_id, '');
    perform ragpg_internal.count_tenants(refresh_search_index.index_id, force);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';
