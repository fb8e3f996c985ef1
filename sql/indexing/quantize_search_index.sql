-- How much of each embedding does the vector index hold?
create or replace function ragpg.quantize_search_index(
    index_id bigint, quantize text default 'auto', proof uuid default ragpg_internal.proof()
) returns text
language plpgsql volatile
-- Security definer: an index is built and another dropped, which takes their owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes := ragpg_internal.recipe_of(null, quantize_search_index.index_id);
    index_name constant text := format('chunks_%s_embedding_hnsw', recipe.id);
    lock_timeout constant text := current_setting('lock_timeout');
    dimensions integer;
    chunks bigint;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id, proof);
    -- Not while refresh_search_index builds what this drops.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(recipe.id::text)
    );
    recipe := ragpg_internal.recipe_of(null, recipe.id);  -- as who was waited for left it
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    if quantize = 'auto' then
        -- What it lacks is taken to be as many chunks as in the active one.
        select max(held.chunks) into chunks
        from (
            select sum(state.chunk_count) as chunks
            from ragpg.collections as one
            join ragpg.index_documents as state
                on state.index_id in (recipe.id, one.active_index_id)
            where one.id = recipe.collection_id
            group by state.index_id
        ) as held;
        quantize := case
            when dimensions > 4000
                -- An embedding in the graph, and its neighbours (docs/scale.md).
                or chunks * (2 * dimensions + 300)
                > pg_size_bytes(current_setting('effective_cache_size'))
                then 'bit'
            else 'none'
        end;
    end if;
    if quantize ~ '^subvector:[1-9][0-9]{0,3}$' then
        if split_part(quantize, ':', 2)::integer >= least(dimensions, 4001) then
            raise exception 'the embeddings have % dimensions, "%" is not a part of them%', dimensions,
                quantize, case when dimensions > 4000 then ' that a vector index takes' else '' end
                using errcode = 'RG005',
                    hint = format('subvector:%s or less', least(dimensions - 1, 4000));
        end if;
    elsif quantize is null or quantize not in ('none', 'bit') then
        raise exception 'there is no quantisation "%"', quantize
            using errcode = 'RG005', hint = 'none, bit, subvector:256 or auto';
    elsif quantize = 'none' and dimensions > 4000 then
        raise exception 'the embeddings have % dimensions, a vector index of them takes 4,000 at most',
            dimensions
            using errcode = 'RG005', hint = 'bit: it holds a bit of each number; or subvector:1024, its first numbers';
    end if;
    if quantize = recipe.quantize then
        return quantize;
    end if;
    update ragpg.search_indexes as known
    set quantize = quantize_search_index.quantize,
        ef_search = case quantize_search_index.quantize when 'none' then 100 else 400 end
    where known.id = recipe.id;
    if recipe.state = 'ready' then
        -- Searches go on by the one there is until the other one is built.
        execute format('alter index ragpg.%I rename to %I', index_name, index_name || '_before');
        perform ragpg_internal.build_vector_index(recipe.id, dimensions);
        -- Who still reads is waited for, a moment at a time: searches wait behind who waits.
        for tried in 1..1500 loop
            begin
                perform set_config('lock_timeout', '200ms', true);
                execute format('drop index ragpg.%I', index_name || '_before');
                exit;
            exception
                when lock_not_available then
                    if tried = 1500 then
                        raise;
                    end if;
                    perform pg_sleep(0.2);
            end;
        end loop;
        perform set_config('lock_timeout', lock_timeout, true);
        if ragpg_internal.tenants_enabled() then  -- the new index's expression, too
            perform ragpg_internal.protect_table(
                format('ragpg.%I', 'chunks_' || recipe.id)::regclass, true
            );
        end if;
    end if;
    return quantize;
end
$$;
revoke execute on function ragpg.quantize_search_index(bigint, text, uuid) from public;
comment on function ragpg.quantize_search_index(bigint, text, uuid) is
'Sets what the vector index of a search index holds of its embeddings, and returns it: none (of it left out), bit (a bit of each number), subvector:N (the first N numbers, for models trained so that these are an embedding, too: Matryoshka), or auto: bit where more than 4,000 dimensions leave no choice, or where a whole one would be larger than effective_cache_size. A search index that answers gets its vector index built anew; searches go on meanwhile, writing waits. The ef_search nearest by what it holds are ordered by the embeddings. How much it finds: ragpg.measure_recall; ragpg.tune_ef_search sets how many are ordered anew (400 at first). Raises RG005, RG010.';
