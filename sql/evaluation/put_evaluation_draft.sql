-- A question somebody or a model proposes, for a person to accept.
create or replace function ragpg.put_evaluation_draft(
    collection text,
    evaluation_set text,
    question text,
    expected_answer text,
    document_id bigint,
    quote text,
    start_char integer,
    model text
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(put_evaluation_draft.collection);
    set_id bigint;
    new_id bigint;
begin
    perform
    from ragpg.documents as document
    where document.id = put_evaluation_draft.document_id
        and document.collection_id = parent_id
        and put_evaluation_draft.quote = substr(
            document.content, put_evaluation_draft.start_char + 1,
            char_length(put_evaluation_draft.quote)
        );
    if not found then
        raise exception 'document % does not hold this quote at character %',
            put_evaluation_draft.document_id, put_evaluation_draft.start_char
            using errcode = 'RG006', hint = 'draft from the document as it is now';
    end if;
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (parent_id, evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_drafts as known (
        evaluation_set_id, document_id, question, expected_answer, quote, start_char, model
    )
    select
        set_id, put_evaluation_draft.document_id, put_evaluation_draft.question,
        put_evaluation_draft.expected_answer, put_evaluation_draft.quote,
        put_evaluation_draft.start_char, put_evaluation_draft.model
    where not exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = set_id
            and asked.question = put_evaluation_draft.question
    )
    on conflict on constraint evaluation_drafts_evaluation_set_id_question_key do nothing
    returning known.id into new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_draft(text, text, text, text, bigint, text, integer, text) is
'Stores a drafted question of an evaluation set, which is made when it is new, and returns its id; null when the set has that question or draft already. No run asks it before ragpg.accept_draft. Raises RG006 when the document does not hold the quote at that character.';
