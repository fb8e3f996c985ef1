-- What did the model make of a question's hits, and was it right?
create or replace function ragpg_internal.note_answer(
    run_id bigint, question_id bigint, answer_id bigint, grade text default null,
    grade_reason text default null
) returns void
language sql volatile
begin atomic
    update ragpg.evaluation_results as result
    set answer_id = note_answer.answer_id,
        grade = note_answer.grade,
        grade_reason = note_answer.grade_reason
    where result.evaluation_run_id = note_answer.run_id
        and result.evaluation_question_id = note_answer.question_id;
end;
comment on function ragpg_internal.note_answer(bigint, bigint, bigint, text, text) is
'Notes which stored answer a question of a run got, and its grade if a judge gave one: right, right in fact (but wrong in form), or wrong.';
