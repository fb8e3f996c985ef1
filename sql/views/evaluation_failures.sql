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
        else 'the weight of the legs, or a reranker'
    end as what_to_try,
    failed.first_relevant_place,
    failed.span_recall
from (
    select
        measure.*,
        case
            when result.lost_labels = result.labels then 'not in the corpus'
            when result.split_labels = result.labels - result.lost_labels
                then 'cut across chunks'
            when measure.first_relevant_place is null then 'not among the candidates'
            when measure.first_relevant_place > measure.k then 'ranked low'
        end as kind
    from ragpg.evaluation_measures as measure
    join ragpg.evaluation_results as result
        on result.evaluation_run_id = measure.evaluation_run_id
        and result.evaluation_question_id = measure.evaluation_question_id
    where measure.is_answerable
        and result.labels > 0
        and (measure.success = 0 or measure.span_recall < 1)
) as failed
where failed.kind is not null;
comment on view ragpg.evaluation_failures is
'A row per question of a run whose answer the hits do not hold whole, with the reason: its document or quote is not in the corpus; no chunk holds it whole; no chunk of it is a candidate; or one is, but ranked below k.';
comment on column ragpg.evaluation_failures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_failures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_failures.question is 'Its text.';
comment on column ragpg.evaluation_failures.kind is
'not in the corpus, cut across chunks, not among the candidates, or ranked low.';
comment on column ragpg.evaluation_failures.what_to_try is 'What may help.';
comment on column ragpg.evaluation_failures.first_relevant_place is 'Where the first relevant chunk was, if a candidate.';
comment on column ragpg.evaluation_failures.span_recall is 'Share of the labelled characters found.';
