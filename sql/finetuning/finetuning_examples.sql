-- Which question and answer pairs has a person vouched for?
create or replace view ragpg.finetuning_examples with (security_invoker = true) as
select
    one.name as collection,
    case when newest.corrected_text is null then 'accepted answer' else 'corrected answer' end
        as origin,
    -- A follow-up says little without what it follows.
    coalesce(answer.standalone, answer.question) as question,
    coalesce(newest.corrected_text, answer.content) as answer,
    coalesce(
        (
            select coalesce(document.source, earlier.source)
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = answer.id
            order by cited.ordinal
            limit 1
        ),
        coalesce(answer.standalone, answer.question)
    ) as split_by
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
cross join lateral (
    select said.rating, said.corrected_text
    from ragpg.answer_feedback as said
    where said.answer_id = answer.id
    order by said.id desc
    limit 1
) as newest
where newest.corrected_text is not null or newest.rating = 'good'
union all
select
    one.name,
    'evaluation set ' || of_set.name,
    question.question,
    question.expected_answer,
    coalesce(
        (
            select min(label.source)
            from ragpg.evaluation_labels as label
            where label.evaluation_question_id = question.id
        ),
        question.question
    )
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
where question.expected_answer ~ '\S';
comment on view ragpg.finetuning_examples is
'A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.';
comment on column ragpg.finetuning_examples.collection is 'Name of the collection.';
comment on column ragpg.finetuning_examples.origin is 'accepted answer, corrected answer, or the evaluation set.';
comment on column ragpg.finetuning_examples.question is 'The question.';
comment on column ragpg.finetuning_examples.answer is 'The answer to learn.';
comment on column ragpg.finetuning_examples.split_by is
'Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.';
