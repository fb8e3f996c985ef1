-- The search index to write to: the active one, made when the collection is new.
create or replace function ragpg_internal.ensure_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    found_id bigint;
    found_model bigint;
    names text[];
begin
    -- Two first writers at once: the second waits here and finds what the first made.
    perform pg_advisory_xact_lock(hashtext('ragpg_internal.ensure_search_index'), hashtext(collection));
    perform ragpg_internal.ensure_collection(collection);
    select recipe.id, recipe.embedding_model_id into found_id, found_model
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    where one.name = collection;
    if found_id is null then
        found_id := ragpg.create_search_index(
            collection, embedding_model_id, chunk_tokens, overlap_tokens, language
        );
        perform ragpg.activate_search_index(found_id);
    elsif found_model <> embedding_model_id then
        select array_agg(format('%s (%s dimensions)', model.name, model.dimensions) order by model.id = found_model)
        into names
        from ragpg.embedding_models as model
        where model.id in (found_model, embedding_model_id);
        raise exception 'the collection "%" was embedded with %, not with %', collection, names[2], names[1]
            using errcode = 'RG008',
                hint = 'set that model again, or use another collection for the new one';
    end if;
    return found_id;
end
$$;
comment on function ragpg_internal.ensure_search_index(text, bigint, integer, integer, text) is
'Returns the id of the collection''s active search index; makes collection, index and partition when they are new; raises RG008 when it was built with another embedding model.';
