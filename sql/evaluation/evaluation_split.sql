-- Is a question there to choose settings by, or to judge the choice?
create or replace function ragpg_internal.evaluation_split(question_id bigint) returns text
language sql stable
begin atomic
    select case
        when get_byte(
            ragpg_internal.hash_text(coalesce(min(label.source), question.question)), 0
        ) < 128
            then 'train'
        else 'held-out'
    end
    from ragpg.evaluation_questions as question
    left join ragpg.evaluation_labels as label on label.evaluation_question_id = question.id
    where question.id = evaluation_split.question_id
    group by question.id;
end;
comment on function ragpg_internal.evaluation_split(bigint) is
'Returns train or held-out, about half of the questions each; questions about one source are on one side, so that what is chosen on the first is not known to suit the second.';
