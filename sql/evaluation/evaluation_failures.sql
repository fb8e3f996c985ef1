-- Why did it miss?
create or replace view ragpg.evaluation_failures with (security_invoker = true) as
select
    failed.evaluation_run_id,
    failed.evaluation_question_id,
    failed.question,
    failed.kind,
    case failed.kind
        when 'not in the corpus' then 'add the missing document, or correct the label'
        when 'cut across chunks' then 'larger chunks, or overlap: ragpg index build'
        when 'not among the candidates'
            then 'other words or another embedding model; more candidates'
        when 'ranked low' then 'the weight of the legs, or a reranker'
        when 'should have abstained' then 'a higher min_similarity: ragpg eval calibrate'
        when 'answer wrong or uncited' then 'the prompt or another model; look at the hits it read'
        else 'a behaviour, not a knowledge gap: examples in the prompt, or fine-tuning'
    end as what_to_try,
    failed.first_relevant_place,
    failed.span_recall
from (
    select
        measure.*,
        case
            when not measure.is_answerable then
                case when not answered.abstained then 'should have abstained' end
            when result.labels > 0 and (measure.success = 0 or measure.span_recall < 1) then
                case
                    when answered.grade = 'right' then null  -- what was found was enough
                    when result.lost_labels = result.labels then 'not in the corpus'
                    when result.split_labels = result.labels - result.lost_labels
                        then 'cut across chunks'
                    when measure.first_relevant_place is null then 'not among the candidates'
                    when measure.first_relevant_place > measure.k then 'ranked low'
                end
            when answered.grade = 'right in fact' then 'answer right in fact, wrong in form'
            when answered.abstained or not answered.grounded or answered.grade = 'wrong'
                then 'answer wrong or uncited'
        end as kind
    from ragpg.evaluation_measures as measure
    join ragpg.evaluation_results as result
        on result.evaluation_run_id = measure.evaluation_run_id
        and result.evaluation_question_id = measure.evaluation_question_id
    left join ragpg.evaluation_answers as answered
        on answered.evaluation_run_id = measure.evaluation_run_id
        and answered.evaluation_question_id = measure.evaluation_question_id
) as failed
where failed.kind is not null;
comment on view ragpg.evaluation_failures is
'A row per question of a run that went wrong, with the reason. The hits do not hold the answer whole: its document or quote is not in the corpus; no chunk holds it whole; no chunk of it is a candidate; or one is, but ranked below k. With answers also those whose hits sufficed: the answer is wrong or uncited (knowledge was there), or right in fact but wrong in form (a behaviour gap, which retrieval does not close), and those that should have abstained.';
comment on column ragpg.evaluation_failures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_failures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_failures.question is 'Its text.';
comment on column ragpg.evaluation_failures.kind is
'not in the corpus, cut across chunks, not among the candidates, ranked low, should have abstained, answer wrong or uncited, or answer right in fact, wrong in form.';
comment on column ragpg.evaluation_failures.what_to_try is 'What may help.';
comment on column ragpg.evaluation_failures.first_relevant_place is 'Where the first relevant chunk was, if a candidate.';
comment on column ragpg.evaluation_failures.span_recall is 'Share of the labelled characters found.';
