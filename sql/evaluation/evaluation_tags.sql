-- On which kinds of questions is a run weak?
create or replace view ragpg.evaluation_tags with (security_invoker = true) as
select
    measure.evaluation_run_id,
    tag,
    count(*) as questions,
    avg(measure.success) as success,
    avg(measure.recall) as recall,
    avg(measure.reciprocal_rank) as mrr,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall
from ragpg.evaluation_measures as measure
cross join lateral unnest(measure.tags) as tag
where measure.relevant_chunks > 0
group by measure.evaluation_run_id, tag;
comment on view ragpg.evaluation_tags is
'A row per run and tag: means of evaluation_measures over its questions with labelled texts in the collection.';
comment on column ragpg.evaluation_tags.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_tags.tag is 'The tag.';
comment on column ragpg.evaluation_tags.questions is 'Questions with it and a relevant chunk.';
comment on column ragpg.evaluation_tags.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_tags.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_tags.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_tags.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_tags.span_recall is 'Mean share of labelled characters found.';
