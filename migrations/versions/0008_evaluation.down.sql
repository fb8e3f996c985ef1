drop function ragpg.calibrate;
drop function ragpg.relevance;
drop function ragpg.fit_relevance;
drop function ragpg.similarity_to_keep;
drop function ragpg.wilson_interval;
drop function ragpg.compare_runs;
drop view ragpg.evaluation_failures;
drop view ragpg.evaluation_leaderboard;
drop view ragpg.evaluation_answers;
drop function ragpg.note_answer;
drop view ragpg.evaluation_measures;
drop function ragpg.evaluate;
drop function ragpg.evaluate_question;
drop function ragpg.start_evaluation;
drop function ragpg.put_evaluation_question;
drop view ragpg.evaluation_label_spans;
drop function ragpg.range_length;
alter table ragpg.search_indexes
    drop constraint search_indexes_relevance_is_whole,
    drop column relevance_offset, drop column relevance_slope;
drop table ragpg.evaluation_hits, ragpg.evaluation_results, ragpg.evaluation_runs,
    ragpg.evaluation_labels, ragpg.evaluation_questions, ragpg.evaluation_sets;
-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete and store answers, without owning or changing any table. For applications. To be called by the owner of the schema.';
-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, all versions, every answer that cites it, and its words from the statistics; returns how many documents, earlier versions and answers went. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';
