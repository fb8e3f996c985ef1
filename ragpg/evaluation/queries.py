"""Every statement the evaluation package sends, by name."""

from __future__ import annotations

from typing import LiteralString

PUT_EVALUATION_QUESTION: LiteralString = """
select ragpg.put_evaluation_question(
    collection => %(collection)s, evaluation_set => %(evaluation_set)s, question => %(question)s,
    labels => %(labels)s, expected_answer => %(expected_answer)s,
    is_answerable => %(is_answerable)s, tags => %(tags)s::text[]
)
"""

EVALUATION_FROM_FEEDBACK: LiteralString = """
select ragpg.evaluation_from_feedback(%(collection)s, %(evaluation_set)s) as questions
"""

KEEP_EVALUATION_QUESTIONS: LiteralString = """
delete from ragpg.evaluation_questions as question
using ragpg.evaluation_sets as of_set
where of_set.id = question.evaluation_set_id
    and of_set.collection_id = ragpg.collection_id(%(collection)s)
    and of_set.name = %(evaluation_set)s
    and question.question <> all(%(kept)s::text[])
"""

LOST_LABELS: LiteralString = """
select label.state, label.source, label.quote, label.question
from ragpg.evaluation_label_spans as label
join ragpg.evaluation_sets as of_set on of_set.id = label.evaluation_set_id
where of_set.collection_id = ragpg.collection_id(%(collection)s)
    and of_set.name = %(evaluation_set)s
    and label.state <> 'found'
order by label.evaluation_label_id
"""

START_EVALUATION: LiteralString = """
select ragpg_internal.start_evaluation(
    collection => %(collection)s, evaluation_set => %(evaluation_set)s, k => %(k)s,
    mode => %(mode)s, index_id => %(index_id)s, note => %(note)s, is_trial => %(is_trial)s
)
"""

QUESTIONS_OF_RUN: LiteralString = """
select question.id, question.question, question.expected_answer
from ragpg.evaluation_questions as question
join ragpg.evaluation_runs as run on run.evaluation_set_id = question.evaluation_set_id
where run.id = %(run_id)s
order by question.id
"""

EVALUATE_QUESTION: LiteralString = """
select ragpg_internal.evaluate_question(
    run_id => %(run_id)s, question_id => %(question_id)s,
    query_embedding => %(query_embedding)s::halfvec
)
"""

NOTE_ANSWER: LiteralString = """
select ragpg_internal.note_answer(
    run_id => %(run_id)s, question_id => %(question_id)s, answer_id => %(answer_id)s,
    grade => %(grade)s, grade_reason => %(grade_reason)s
)
"""

CALIBRATE: LiteralString = """
select * from ragpg.calibrate(
    run_id => %(run_id)s, keep => %(keep)s::double precision, store => %(store)s
)
"""

FINISH_EVALUATION: LiteralString = """
update ragpg.evaluation_runs set finished_at = clock_timestamp() where id = %(run_id)s
"""

EVALUATION_RUNS: LiteralString = """
select
    run_id, evaluation_set, note, mode, k, index_id, active, embedding_model, chunk_tokens,
    questions, labelled_questions, success, recall, precision, mrr, map, ndcg, span_recall,
    span_precision, span_iou, zero_hit_rate, answers, abstention_accuracy, grounded_share,
    citation_validity, citation_precision, correct_share, latency_p50_ms, latency_p95_ms,
    started_at, finished_at, is_trial
from ragpg.evaluation_leaderboard
where collection = %(collection)s and ragpg.collection_id(%(collection)s) is not null
order by run_id desc
"""

EVALUATION_FAILURES: LiteralString = """
select question, kind, what_to_try, first_relevant_place, span_recall
from ragpg.evaluation_failures
where evaluation_run_id = ragpg_internal.check_run(%(run_id)s)
order by kind, evaluation_question_id
"""

COMPARE_RUNS: LiteralString = """
select
    measure, questions, first_mean, second_mean, difference, low, high, better, worse
from ragpg.compare_runs(first_run => %(first)s, second_run => %(second)s, split => %(split)s)
"""

LABELLED_QUESTIONS: LiteralString = """
select question.id, question.question, ragpg_internal.evaluation_split(question.id) as split
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
where of_set.collection_id = ragpg.collection_id(%(collection)s)
    and of_set.name = %(evaluation_set)s
    and exists (
        select
        from ragpg.evaluation_labels as label
        where label.evaluation_question_id = question.id
    )
order by hashint8extended(question.id, 0)
limit %(most)s
"""

RANK_RUNS: LiteralString = """
select
    run_id, index_id, embedding_model, chunk_tokens, overlap_tokens, k, vector_weight, candidates,
    ef_search, coalesce(train_ndcg, 0) as train_ndcg,
    coalesce(train_span_recall, 0) as train_span_recall,
    coalesce(held_out_ndcg, 0) as held_out_ndcg,
    coalesce(held_out_span_recall, 0) as held_out_span_recall, latency_p50_ms, index_bytes,
    best_trade
from ragpg.rank_runs(%(run_ids)s::bigint[])
"""

DELETE_RUNS: LiteralString = """
delete from ragpg.evaluation_runs where id = any(%(run_ids)s)
"""

MOVED_QUESTIONS: LiteralString = """
select was.question, became.ndcg - was.ndcg as difference, was.ndcg as first, became.ndcg as second
from ragpg.evaluation_measures as was
join ragpg.evaluation_measures as became
    on became.evaluation_question_id = was.evaluation_question_id
where was.evaluation_run_id = ragpg_internal.check_run(%(first)s)
    and became.evaluation_run_id = ragpg_internal.check_run(%(second)s)
    and became.ndcg <> was.ndcg
order by abs(became.ndcg - was.ndcg) desc, was.evaluation_question_id
"""

REPORT_RUNS: LiteralString = """
select
    best.run_id, best.note, best.mode, best.k, best.index_id, best.active, best.embedding_model,
    best.questions, best.labelled_questions, best.success, best.recall, best.mrr, best.ndcg,
    best.span_recall, best.span_iou, best.zero_hit_rate, best.answers, best.abstention_accuracy,
    best.grounded_share, best.citation_validity, best.citation_precision, best.correct_share,
    best.latency_p50_ms, best.latency_p95_ms, best.started_at, best.is_trial, run.recipe
from ragpg.evaluation_leaderboard as best
join ragpg.evaluation_runs as run on run.id = best.run_id
where best.collection = %(collection)s
    and best.evaluation_set = %(evaluation_set)s
    and best.finished_at is not null
order by best.run_id
"""

REPORT_TAGS: LiteralString = """
select
    now.tag, now.questions, now.ndcg, before.ndcg as ndcg_before, now.recall, now.mrr,
    now.span_recall,
    array(
        select measure.ndcg
        from ragpg.evaluation_measures as measure
        where measure.evaluation_run_id = now.evaluation_run_id
            and now.tag = any(measure.tags)
            and measure.relevant_chunks > 0
        order by measure.ndcg
    ) as each
from ragpg.evaluation_tags as now
left join ragpg.evaluation_tags as before
    on before.evaluation_run_id = %(before)s and before.tag = now.tag
where now.evaluation_run_id = %(run_id)s
order by now.ndcg, now.tag
"""

REPORT_FAILURE_KINDS: LiteralString = """
select kind, what_to_try, count(*) as questions
from ragpg.evaluation_failures
where evaluation_run_id = %(run_id)s
group by kind, what_to_try
order by questions desc, kind
"""

REPORT_LATENCIES: LiteralString = """
select latency_ms, question
from ragpg.evaluation_measures
where evaluation_run_id = %(run_id)s
order by latency_ms desc
"""

REPORT_WORST: LiteralString = """
select
    measure.evaluation_question_id as question_id, measure.question, measure.tags,
    measure.is_answerable, question.expected_answer, failure.kind, failure.what_to_try,
    measure.ndcg, measure.span_recall, measure.first_relevant_place, measure.relevant_chunks,
    answered.answer, answered.grade_reason
from ragpg.evaluation_measures as measure
join ragpg.evaluation_questions as question on question.id = measure.evaluation_question_id
left join ragpg.evaluation_failures as failure
    on failure.evaluation_run_id = measure.evaluation_run_id
    and failure.evaluation_question_id = measure.evaluation_question_id
left join ragpg.evaluation_answers as answered
    on answered.evaluation_run_id = measure.evaluation_run_id
    and answered.evaluation_question_id = measure.evaluation_question_id
where measure.evaluation_run_id = %(run_id)s
    and (failure.kind is not null or measure.ndcg < 1)
order by
    failure.kind is null, coalesce(measure.ndcg, 0), coalesce(measure.span_recall, 0),
    measure.evaluation_question_id
limit %(questions)s
"""

REPORT_LABELS: LiteralString = """
select
    label.evaluation_question_id as question_id, label.source, label.state, label.quote,
    label.end_char - label.start_char as characters,
    substr(
        document.content, greatest(label.start_char - 80, 0) + 1,
        least(label.end_char - label.start_char, 600) + least(label.start_char, 80) + 80
    ) as around,
    least(label.start_char, 80) as first_char, label.start_char > 80 as is_cut_before,
    label.end_char + 80 < char_length(document.content) as is_cut_after
from ragpg.evaluation_label_spans as label
left join ragpg.documents as document on document.id = label.document_id
where label.evaluation_question_id = any(%(question_ids)s)
order by label.evaluation_label_id
"""

REPORT_HITS: LiteralString = """
select
    hit.evaluation_question_id as question_id, hit.place, hit.source, hit.is_relevant, hit.score,
    hit.similarity, hit.bm25,
    substr(
        ragpg.document_text(hit.document_id, hit.document_version),
        hit.start_char + 1, hit.end_char - hit.start_char
    ) as content,
    array(
        select array[lower(span) - hit.start_char, upper(span) - hit.start_char]
        from unnest(
            (result.labelled_spans ->> hit.document_id::text)::int4multirange
            * int4multirange(int4range(hit.start_char, hit.end_char))
        ) as span
    ) as marks
from ragpg.evaluation_hits as hit
join ragpg.evaluation_results as result
    on result.evaluation_run_id = hit.evaluation_run_id
    and result.evaluation_question_id = hit.evaluation_question_id
where hit.evaluation_run_id = %(run_id)s
    and hit.evaluation_question_id = any(%(question_ids)s)
    and hit.place <= %(hits)s
order by hit.evaluation_question_id, hit.place
"""

SAMPLE_CHUNKS: LiteralString = """
select document_id, source, title, context, content, start_char
from ragpg.sample_chunks(
    collection => %(collection)s, evaluation_set => %(evaluation_set)s, k => %(k)s
)
"""

PUT_DRAFT: LiteralString = """
select ragpg.put_evaluation_draft(
    collection => %(collection)s, evaluation_set => %(evaluation_set)s, question => %(question)s,
    expected_answer => %(expected_answer)s, document_id => %(document_id)s, quote => %(quote)s,
    start_char => %(start_char)s, model => %(model)s
)
"""

DRAFTS: LiteralString = """
select
    draft.id, draft.question, draft.expected_answer, draft.quote, document.source,
    right(left(document.content, place.start_char), 200) as before,
    substr(document.content, place.start_char + char_length(draft.quote) + 1, 200) as after
from ragpg.evaluation_drafts as draft
join ragpg.evaluation_sets as of_set on of_set.id = draft.evaluation_set_id
join ragpg.documents as document on document.id = draft.document_id
cross join lateral (
    -- At its old place still, or else where it first occurs; null when it is gone.
    select case
        when substr(document.content, draft.start_char + 1, char_length(draft.quote)) = draft.quote
            then draft.start_char
        else nullif(strpos(document.content, draft.quote), 0) - 1
    end as start_char
) as place
where of_set.collection_id = ragpg.collection_id(%(collection)s)
    and of_set.name = %(evaluation_set)s
    and draft.rejected_at is null
order by draft.id
"""

ACCEPT_DRAFT: LiteralString = "select ragpg.accept_draft(%(draft_id)s)"

REJECT_DRAFT: LiteralString = """
update ragpg.evaluation_drafts set rejected_at = now() where id = %(draft_id)s
"""

EDIT_DRAFT: LiteralString = """
update ragpg.evaluation_drafts as draft
set question = %(question)s, expected_answer = %(expected_answer)s
where draft.id = %(draft_id)s
    and not exists (
        select
        from ragpg.evaluation_drafts as other
        where other.evaluation_set_id = draft.evaluation_set_id
            and other.question = %(question)s
            and other.id <> draft.id
    )
returning id
"""

SEARCH_SETTINGS: LiteralString = """
select id as index_id, vector_weight, candidates, ef_search
from ragpg.search_indexes
where id = %(index_id)s
"""

SET_SEARCH_SETTINGS: LiteralString = """
update ragpg.search_indexes
set vector_weight = %(vector_weight)s, candidates = %(candidates)s, ef_search = %(ef_search)s
where id = %(index_id)s
"""

KEEP_TRIAL: LiteralString = """
update ragpg.evaluation_runs set is_trial = false where id = %(run_id)s
"""

ACTIVATE_TRIED_INDEX: LiteralString = "select ragpg.activate_search_index(%(index_id)s)"
