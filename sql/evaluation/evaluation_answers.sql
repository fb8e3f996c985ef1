-- Were the answers of a run right, cited, and withheld where there was nothing to say?
create or replace view ragpg.evaluation_answers with (security_invoker = true) as
select
    result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.is_answerable,
    question.expected_answer,
    answer.id as answer_id,
    answer.content as answer,
    answer.abstained,
    answer.abstained = not question.is_answerable as abstained_rightly,
    answer.grounded,
    cited.citations,
    cited.valid as valid_citations,
    cited.labelled as labelled_citations,
    result.grade,
    result.grade_reason,
    answer.latency_ms,
    answer.input_tokens,
    answer.output_tokens
from ragpg.evaluation_results as result
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
join ragpg.answers as answer on answer.id = result.answer_id
cross join lateral (
    select
        count(*) as citations,
        count(*) filter (
            where citation.quote = substr(
                ragpg.document_text(citation.document_id, citation.document_version),
                citation.start_char + 1,
                citation.end_char - citation.start_char
            )
        ) as valid,
        count(*) filter (
            where coalesce(
                result.labelled_spans -> citation.document_id::text = 'null'
                or (result.labelled_spans ->> citation.document_id::text)::int4multirange
                && int4range(citation.start_char, citation.end_char),
                false
            )
        ) as labelled
    from ragpg.citations as citation
    where citation.answer_id = answer.id
) as cited;
comment on view ragpg.evaluation_answers is
'A row per question of a run that was answered too (ragpg eval run --answers): abstained rightly or not, claims cited or not, quotes that stand where they are said to, citations that touch a labelled text, and the grade a judge gave.';
comment on column ragpg.evaluation_answers.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_answers.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_answers.question is 'Its text.';
comment on column ragpg.evaluation_answers.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_answers.expected_answer is 'What a good answer says, if known.';
comment on column ragpg.evaluation_answers.answer_id is 'The stored answer.';
comment on column ragpg.evaluation_answers.answer is 'Its text.';
comment on column ragpg.evaluation_answers.abstained is 'Whether it says that there is no answer.';
comment on column ragpg.evaluation_answers.abstained_rightly is 'Whether that is as the question wants it.';
comment on column ragpg.evaluation_answers.grounded is 'Whether every claim is cited.';
comment on column ragpg.evaluation_answers.citations is 'How many it cites.';
comment on column ragpg.evaluation_answers.valid_citations is 'Those whose quote stands at the cited characters of that version.';
comment on column ragpg.evaluation_answers.labelled_citations is 'Those that touch a labelled text.';
comment on column ragpg.evaluation_answers.grade is 'right, right in fact, or wrong; null without a judge.';
comment on column ragpg.evaluation_answers.grade_reason is 'What the judge said.';
comment on column ragpg.evaluation_answers.latency_ms is 'Milliseconds the answer took.';
comment on column ragpg.evaluation_answers.input_tokens is 'Tokens the model read.';
comment on column ragpg.evaluation_answers.output_tokens is 'Tokens it wrote.';
