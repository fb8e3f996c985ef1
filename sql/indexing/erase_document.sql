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
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Who stores an answer that cites it is waited for, and its answer found.
    perform from ragpg.documents as document where document.id = any(ids) for update;
    perform from ragpg.document_versions as earlier where earlier.document_id = any(ids) for update;
    -- Who asks the next question of a conversation in which it was shown is waited for, and its
    -- turn found; or waits, and reads only the turns that are left.
    perform
    from ragpg.conversations as talk
    where talk.id in (
        select answer.conversation_id
        from ragpg.answers as answer
        where answer.id in (
            select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
    )
    order by talk.id
    for update;
    -- Answers repeat what they read, so those that cite it go as a whole; so do those that were
    -- shown it, whose later steps may repeat it, and the turns of a conversation after them.
    delete from ragpg.answers as answer
    where answer.id in (
        with touched as (
            select cited.answer_id as id
            from ragpg.citations as cited
            where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
        select touched.id
        from touched
        union
        select later.id
        from touched
        join ragpg.answers as earlier on earlier.id = touched.id
        join ragpg.answers as later
            on later.conversation_id = earlier.conversation_id and later.turn > earlier.turn
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
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
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it or was shown it in a step, and the turns of a conversation after that, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';
