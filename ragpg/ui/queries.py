"""Every statement the web page sends, by name."""

from __future__ import annotations

from typing import LiteralString

COLLECTION_NAMES: LiteralString = "select name from ragpg.collections order by name"

DOCUMENTS_PAGE: LiteralString = """
select source, title, media_type, version, characters, chunks, indexed, updated_at, document_id
from ragpg.document_status
where collection = %(collection)s
    and (strpos(lower(source), lower(%(find)s)) > 0 or strpos(lower(title), lower(%(find)s)) > 0)
order by source
limit %(limit)s offset %(offset)s
"""

DOCUMENT: LiteralString = """
select media_type, metadata, version, chunks, indexed, indexed_at
from ragpg.document_status
where document_id = %(document_id)s
"""

DOCUMENT_VERSIONS: LiteralString = """
select collection, source, version, title, valid_from, valid_to, characters, citations
from ragpg.document_history
where document_id = %(document_id)s
order by version desc
"""

DOCUMENT_TEXT: LiteralString = "select ragpg.document_text(%(document_id)s, %(version)s)"

QUEUE: LiteralString = """
select
    collection, source, version, indexed_version, waiting_since, document_id, index_id, active,
    attempts, error, count(*) over () as waiting, count(error) over () as failing,
    case when isfinite(next_attempt_at) then next_attempt_at end as next_attempt_at
from ragpg.ingest_queue
order by error is null, waiting_since, source, index_id
limit %(limit)s
"""

ANSWERS_BY_DAY: LiteralString = """
select
    day, model, answers, grounded, abstained, input_tokens, output_tokens, median_latency_ms
from ragpg.answers_by_day
where collection = %(collection)s
order by day desc, model
limit 30
"""

NEWEST_RUN: LiteralString = """
select one.name
from ragpg.evaluation_runs as run
join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
order by run.id desc
limit 1
"""

EVALUATION_RUN: LiteralString = """
select
    collection, run_id, evaluation_set, note, mode, k, index_id, active, embedding_model,
    chunk_tokens, questions, labelled_questions, success, recall, precision, mrr, map, ndcg,
    span_recall, span_precision, span_iou, zero_hit_rate, answers, abstention_accuracy,
    grounded_share, citation_validity, citation_precision, correct_share, latency_p50_ms,
    latency_p95_ms, started_at, finished_at
from ragpg.evaluation_leaderboard
where run_id = %(run_id)s
"""

EVALUATION_MEASURES: LiteralString = """
select question, is_answerable, recall, ndcg, span_recall, first_relevant_place, latency_ms
from ragpg.evaluation_measures
where evaluation_run_id = %(run_id)s
order by ndcg nulls last, evaluation_question_id
"""

EVALUATION_ANSWERS: LiteralString = """
select
    question, answer, abstained, abstained_rightly, grounded, citations, valid_citations, grade,
    grade_reason
from ragpg.evaluation_answers
where evaluation_run_id = %(run_id)s
order by evaluation_question_id
"""

CONVERSATIONS: LiteralString = """
select
    collection, conversation_id, first_question, turns, steps, unfinished, good, bad, tokens, cost,
    last_at, count(*) over () as conversations
from ragpg.conversation_overview
where turns > 0
order by last_at desc, conversation_id desc
limit %(limit)s
"""

CONVERSATION_TURNS: LiteralString = """
select
    said.collection, said.turn, said.answer_id, said.question, said.standalone, said.answer,
    said.model, said.abstained, said.grounded, said.ended_by, said.rating, said.cost,
    said.latency_ms, said.created_at,
    said.input_tokens + said.cache_read_tokens + said.cache_creation_tokens as tokens_read,
    said.output_tokens,
    coalesce(
        (
            select jsonb_agg(to_jsonb(step) order by step.place)
            from ragpg.answer_steps as step
            where step.answer_id = said.answer_id
        ),
        '[]'
    ) as steps,
    coalesce(
        (
            select jsonb_agg(
                jsonb_build_object(
                    'document_id', cited.document_id,
                    'document_version', cited.document_version,
                    'source', coalesce(document.source, earlier.source, 'a pruned document'),
                    'title', coalesce(document.title, earlier.title, ''),
                    'start_char', cited.start_char, 'end_char', cited.end_char,
                    'quote', cited.quote, 'answer_start', cited.answer_start,
                    'answer_end', cited.answer_end, 'page', cited.page
                )
                order by cited.ordinal
            )
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = said.answer_id
        ),
        '[]'
    ) as citations
from ragpg.conversation_turns as said
where said.conversation_id = %(conversation_id)s
order by said.turn
"""
