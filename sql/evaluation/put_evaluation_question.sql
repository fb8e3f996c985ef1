-- A question for measuring, with where its answer stands.
create or replace function ragpg.put_evaluation_question(
    collection text,
    evaluation_set text,
    question text,
    labels jsonb default '[]',
    expected_answer text default null,
    is_answerable boolean default true,
    tags text[] default '{}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    set_id bigint;
    new_id bigint;
begin
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (ragpg.collection_id(put_evaluation_question.collection), evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_questions as known (
        evaluation_set_id, question, expected_answer, is_answerable, tags
    )
    values (
        set_id, put_evaluation_question.question, put_evaluation_question.expected_answer,
        put_evaluation_question.is_answerable, put_evaluation_question.tags
    )
    on conflict on constraint evaluation_questions_evaluation_set_id_question_key do update
    set expected_answer = excluded.expected_answer,
        is_answerable = excluded.is_answerable,
        tags = excluded.tags
    returning known.id into new_id;
    delete from ragpg.evaluation_labels as label where label.evaluation_question_id = new_id;
    insert into ragpg.evaluation_labels (
        evaluation_question_id, source, quote, start_char, end_char, tenant
    )
    select asked.id, label.source, label.quote, label.start_char, label.end_char, asked.tenant
    from ragpg.evaluation_questions as asked
    cross join jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    )
    where asked.id = new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_question(text, text, text, jsonb, text, boolean, text[]) is
'Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.';
