-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    written record;
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches,'
        ' ragpg.conversations, ragpg.answer_steps to %I',
        role_name
    );
    -- Into every column but keys that Postgres gives: one taken would not be given to others.
    for written in
        select
            kept.oid::regclass as relation,
            string_agg(quote_ident(col.attname), ', ' order by col.attnum) as columns
        from pg_class as kept
        join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
        cross join aclexplode(kept.relacl) as given
        where kept.relnamespace = 'ragpg'::regnamespace
            and given.grantee = quote_ident(role_name)::regrole
            and given.privilege_type = 'DELETE'
            and not col.attisdropped
            and col.attidentity = ''
            and col.attgenerated = ''
            and (kept.relname <> 'collections' or col.attname in ('name', 'description'))
        group by kept.oid
    loop
        execute format('revoke insert on %s from %I', written.relation, role_name);
        execute format(
            'grant insert (%s) on %s to %I', written.columns, written.relation, role_name
        );
    end loop;
    for written in
        select own.called from ragpg_internal.proof_takers() as own where own.writes
    loop
        execute format('grant execute on function %s to %I', written.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        execute format('revoke all on ragpg.chunks from %I', role_name);
    end if;
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index, ragpg.activate_search_index, ragpg.refresh_search_index,'
        ' ragpg.drop_search_index, ragpg.drop_collection, ragpg.tune_ef_search,'
        ' ragpg.quantize_search_index to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';
