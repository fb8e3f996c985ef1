-- Is this the model we know under that name? Registers a new one, refuses an impostor.
create or replace function ragpg_internal.ensure_embedding_model(
    provider text,
    name text,
    max_tokens integer,
    probe halfvec
) returns bigint
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    known ragpg.embedding_models;
begin
    if not exists (
        select
        from ragpg.embedding_models as model
        where model.provider = ensure_embedding_model.provider
            and model.name = ensure_embedding_model.name
            and model.dimensions = vector_dims(ensure_embedding_model.probe)
    ) then
        -- The owner's workers load the models of this table, by name.
        if not ragpg_internal.sees_all_tenants() then
            raise exception 'the model "%" is none of this database''s', name
                using errcode = 'RG014',
                    hint = 'only the owner of the schema may add one, by the first documents of a collection';
        end if;
        insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe)
        values (provider, name, vector_dims(probe), max_tokens, probe)
        on conflict do nothing;
    end if;
    select model.* into strict known
    from ragpg.embedding_models as model
    where model.provider = ensure_embedding_model.provider
        and model.name = ensure_embedding_model.name
        and model.dimensions = vector_dims(ensure_embedding_model.probe);
    if known.probe <=> probe > 0.01 then
        raise exception 'the model "%" gives another embedding than the one stored here under that name (cosine % of the probe text)',
            name, round((1 - (known.probe <=> probe))::numeric, 4)
            using errcode = 'RG008',
                hint = 'use the model the collection was built with, or build a new collection';
    end if;
    return known.id;
end
$$;
comment on function ragpg_internal.ensure_embedding_model(text, text, integer, halfvec) is
'Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).';
