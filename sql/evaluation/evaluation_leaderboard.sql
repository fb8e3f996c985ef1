-- Which run was best?
create or replace view ragpg.evaluation_leaderboard with (security_invoker = true) as
select
    one.name as collection,
    of_set.name as evaluation_set,
    run.id as run_id,
    run.note,
    run.mode,
    run.k,
    run.index_id,
    run.index_id = one.active_index_id as active,
    run.recipe ->> 'embedding_model' as embedding_model,
    (run.recipe ->> 'chunk_tokens')::integer as chunk_tokens,
    count(*) as questions,
    count(*) filter (where measure.relevant_chunks > 0) as labelled_questions,
    avg(measure.success) filter (where measure.relevant_chunks > 0) as success,
    avg(measure.recall) as recall,
    avg(measure.precision) filter (where measure.relevant_chunks > 0) as precision,
    avg(measure.reciprocal_rank) filter (where measure.relevant_chunks > 0) as mrr,
    avg(measure.average_precision) as map,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall,
    avg(measure.span_precision) filter (where measure.relevant_chunks > 0) as span_precision,
    avg(measure.span_iou) filter (where measure.relevant_chunks > 0) as span_iou,
    avg((measure.hit_count = 0)::integer) as zero_hit_rate,
    count(answered.answer_id) as answers,
    avg(answered.abstained_rightly::integer)::double precision as abstention_accuracy,
    avg(answered.grounded::integer) filter (where not answered.abstained)::double precision
        as grounded_share,
    sum(answered.valid_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_validity,
    sum(answered.labelled_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_precision,
    avg((answered.grade = 'right')::integer)::double precision as correct_share,
    percentile_cont(0.5) within group (order by measure.latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by measure.latency_ms) as latency_p95_ms,
    run.started_at,
    run.finished_at,
    run.is_trial
from ragpg.evaluation_runs as run
join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
join ragpg.evaluation_measures as measure on measure.evaluation_run_id = run.id
left join ragpg.evaluation_answers as answered
    on answered.evaluation_run_id = measure.evaluation_run_id
    and answered.evaluation_question_id = measure.evaluation_question_id
group by one.id, of_set.id, run.id;
comment on view ragpg.evaluation_leaderboard is
'A row per run: means of evaluation_measures over the questions with labelled texts in the collection.';
comment on column ragpg.evaluation_leaderboard.collection is 'The collection.';
comment on column ragpg.evaluation_leaderboard.evaluation_set is 'The questions.';
comment on column ragpg.evaluation_leaderboard.run_id is 'The run.';
comment on column ragpg.evaluation_leaderboard.note is 'What was tried.';
comment on column ragpg.evaluation_leaderboard.mode is 'hybrid, vector or keyword.';
comment on column ragpg.evaluation_leaderboard.k is 'Hits asked for.';
comment on column ragpg.evaluation_leaderboard.index_id is 'The search index.';
comment on column ragpg.evaluation_leaderboard.active is 'Whether that answers searches now.';
comment on column ragpg.evaluation_leaderboard.embedding_model is 'Its embedding model then.';
comment on column ragpg.evaluation_leaderboard.chunk_tokens is 'Its chunk size then.';
comment on column ragpg.evaluation_leaderboard.questions is 'Questions asked.';
comment on column ragpg.evaluation_leaderboard.labelled_questions is
'Those with a relevant chunk, which the means are over.';
comment on column ragpg.evaluation_leaderboard.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_leaderboard.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_leaderboard.precision is 'Mean precision at k.';
comment on column ragpg.evaluation_leaderboard.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_leaderboard.map is 'Mean average precision.';
comment on column ragpg.evaluation_leaderboard.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_leaderboard.span_recall is 'Mean share of labelled characters found.';
comment on column ragpg.evaluation_leaderboard.span_precision is 'Mean share of found characters that are labelled.';
comment on column ragpg.evaluation_leaderboard.span_iou is 'Mean of characters in both by characters in either.';
comment on column ragpg.evaluation_leaderboard.zero_hit_rate is 'Share of questions without any hit.';
comment on column ragpg.evaluation_leaderboard.answers is 'Questions that were answered too.';
comment on column ragpg.evaluation_leaderboard.abstention_accuracy is
'Share of answers that abstain where the question has no answer, and only there.';
comment on column ragpg.evaluation_leaderboard.grounded_share is
'Share of answers, of those not abstained, whose every claim is cited.';
comment on column ragpg.evaluation_leaderboard.citation_validity is
'Share of citations whose quote stands at the cited characters.';
comment on column ragpg.evaluation_leaderboard.citation_precision is
'Share of citations that touch a labelled text.';
comment on column ragpg.evaluation_leaderboard.correct_share is 'Share of graded answers that are right.';
comment on column ragpg.evaluation_leaderboard.latency_p50_ms is 'Median of the searches, milliseconds.';
comment on column ragpg.evaluation_leaderboard.latency_p95_ms is 'Their 95th percentile.';
comment on column ragpg.evaluation_leaderboard.started_at is 'When it began.';
comment on column ragpg.evaluation_leaderboard.finished_at is 'When it ended; null: it did not.';
comment on column ragpg.evaluation_leaderboard.is_trial is 'Whether it tried other settings than those in use (ragpg tune, ragpg index compare).';
