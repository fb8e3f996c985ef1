-- A new run of an evaluation set.
create or replace function ragpg_internal.start_evaluation(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default '',
    is_trial boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(start_evaluation.collection);
    set_id bigint;
    names text;
    recipe ragpg.search_indexes;
    new_id bigint;
begin
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent_id
        and known.tenant = ragpg_internal.written_tenant()
        and known.name = start_evaluation.evaluation_set;
    if set_id is null then
        select string_agg(known.name, ', ' order by known.name) into names
        from ragpg.evaluation_sets as known
        where known.collection_id = parent_id;
        raise exception 'there is no evaluation set "%"', start_evaluation.evaluation_set
            using errcode = 'RG011',
                hint = coalesce('there are: ' || names, 'load one: ragpg eval load FILE');
    end if;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.collection_id = parent_id
        and known.id = coalesce(
            start_evaluation.index_id,
            (select one.active_index_id from ragpg.collections as one where one.id = parent_id)
        );
    if recipe.id is null then
        raise exception 'this collection has no search index %', coalesce(index_id::text, 'yet')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    insert into ragpg.evaluation_runs (
        evaluation_set_id, index_id, k, mode, note, is_trial, recipe, tenant
    )
    select
        asked.id, recipe.id, start_evaluation.k, start_evaluation.mode, start_evaluation.note,
        start_evaluation.is_trial,
        to_jsonb(recipe) || jsonb_build_object(
            'embedding_model', (
                select model.name
                from ragpg.embedding_models as model
                where model.id = recipe.embedding_model_id
            )
        ),
        asked.tenant
    from ragpg.evaluation_sets as asked
    where asked.id = set_id
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_evaluation(text, text, integer, text, bigint, text, boolean) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). A trial is judged only where it is named. ragpg_internal.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';
