"""Every statement Python sends, by name. What ranks, filters or changes two rows is a function."""

from __future__ import annotations

from typing import LiteralString

SERVER: LiteralString = """
select
    current_setting('server_version') as postgres,
    (select extversion from pg_extension where extname = 'vector') as pgvector,
    current_database() as database
"""

SET_TENANT: LiteralString = "select ragpg.set_tenant(%(tenant)s)"

IS_KEPT_APART: LiteralString = "select row_security_active('ragpg.documents'), current_user"

SET_SESSION_TENANT: LiteralString = "select ragpg.set_tenant(%(tenant)s, for_session => true)"

COLLECTIONS: LiteralString = """
select
    collection, description, documents, pending_documents, chunks, characters, last_changed_at,
    last_indexed_at, embedding_model, active_index_id, chunk_tokens, language
from ragpg.collection_status
order by collection
"""

DOCUMENTS: LiteralString = """
select
    source, title, media_type, metadata, version, characters, chunks, indexed, created_at,
    updated_at, indexed_at, document_id
from ragpg.document_status
where collection = %(collection)s
order by source
"""

INDEXED_HASHES: LiteralString = """
select source, source_hash
from ragpg.document_status
where collection = %(collection)s and indexed and source_hash is not null
"""

UNREFRESHED: LiteralString = """
select health.index_id
from ragpg.index_health as health
where health.collection = %(collection)s and health.active
    and (health.state = 'building' or health.refreshed_at is null
        or health.chunks is distinct from health.counted_chunks)
"""

ENSURE_EMBEDDING_MODEL: LiteralString = """
select ragpg.ensure_embedding_model(
    provider => %(provider)s, name => %(name)s, max_tokens => %(max_tokens)s, probe => %(probe)s
)
"""

ENSURE_SEARCH_INDEX: LiteralString = """
select ragpg.ensure_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s
)
"""

SEARCH_INDEX: LiteralString = """
select
    recipe.id, one.name as collection, recipe.chunk_tokens, recipe.overlap_tokens,
    recipe.language, recipe.context_model, recipe.context_tokens,
    model.provider, model.name, model.dimensions, model.probe,
    coalesce(encoder.verified, false) as in_database,
    array(
        select sibling.id
        from ragpg.search_indexes as sibling
        where sibling.collection_id = recipe.collection_id
            and sibling.embedding_model_id = recipe.embedding_model_id
    ) as same_model_ids
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.encoders as encoder on encoder.embedding_model_id = model.id
where recipe.id = coalesce(
    %(index_id)s::bigint,
    (
        select active_index_id
        from ragpg.collections
        where id = ragpg.collection_id(%(collection)s)
    )
)
"""

CREATE_SEARCH_INDEX: LiteralString = """
select ragpg.create_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s, context_model => %(context_model)s,
    context_tokens => %(context_tokens)s
)
"""

COLLECTIONS_WITHOUT_INDEX: LiteralString = """
select distinct collection
from ragpg.ingest_queue
where index_id is null and (%(collection)s::text is null or collection = %(collection)s)
"""

IS_WAITING: LiteralString = """
select exists (
    select
    from ragpg.ingest_queue
    where collection = %(collection)s and (next_attempt_at <= now() or index_id is null)
)
"""

CLAIM_DOCUMENTS: LiteralString = """
select index_id, document_id, version, source, title, media_type, content, page_starts
from ragpg.claim_documents(
    only_collection => %(collection)s, only_index_id => %(index_id)s
)
"""

RELEASE_DOCUMENT: LiteralString = """
select ragpg.release_document(
    index_id => %(index_id)s, document_id => %(document_id)s,
    document_version => %(document_version)s, error => %(error)s
)
"""

DELETE_VANISHED: LiteralString = """
select candidates, vanished
from ragpg.delete_vanished(
    collection => %(collection)s, paths => %(paths)s::text[], kept => %(kept)s::text[],
    unread => %(unread)s::text[], max_share => %(max_share)s,
    few => %(few)s, dry_run => %(dry_run)s
)
"""

KNOWN_EMBEDDINGS: LiteralString = """
select distinct on (content_hash) content_hash, embedding
from ragpg.chunks
where index_id = any(%(index_ids)s) and content_hash = any(%(hashes)s)
"""

PUT_DOCUMENT: LiteralString = """
select
    stored.document_id, stored.version, stored.outcome,
    stored.version is not distinct from state.document_version as indexed
from ragpg.put_document(
    collection => %(collection)s, source => %(source)s, content => %(content)s,
    title => %(title)s, media_type => %(media_type)s, metadata => %(metadata)s,
    source_hash => %(source_hash)s,
    page_starts => %(page_starts)s::integer[]
) as stored
left join ragpg.index_documents as state
    on state.document_id = stored.document_id and state.index_id = %(index_id)s
"""

REPLACE_CHUNKS: LiteralString = """
select ragpg.replace_chunks(
    index_id => %(index_id)s, document_id => %(document_id)s,
    document_version => %(document_version)s, starts => %(starts)s::integer[],
    ends => %(ends)s::integer[], contexts => %(contexts)s::text[],
    token_counts => %(token_counts)s::integer[], embeddings => %(embeddings)b::halfvec[],
    generated_chars => %(generated_chars)s::integer[]
)
"""

PUT_EMBEDDED_DOCUMENTS: LiteralString = """
select outcome
from ragpg.put_embedded_documents(
    index_id => %(index_id)s, sources => %(sources)s::text[], contents => %(contents)s::text[],
    titles => %(titles)s::text[], media_types => %(media_types)s::text[],
    metadata => %(metadata)s::jsonb[], source_hashes => %(source_hashes)s::bytea[],
    embeddings => %(embeddings)b::halfvec[]
)
"""

REFRESH_SEARCH_INDEX: LiteralString = """
select ragpg.refresh_search_index(%(index_id)s)
"""

DELETE_DOCUMENT: LiteralString = """
select ragpg.delete_document(collection => %(collection)s, source => %(source)s)
"""

DROP_COLLECTION: LiteralString = """
select ragpg.drop_collection(%(collection)s)
"""

SEARCH: LiteralString = """
select
    place, chunk_id, document_id, document_version, source, title, content, context, score,
    similarity, bm25, start_char, end_char, page, metadata
from ragpg.search(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

SEARCH_DISTINCT: LiteralString = """
select
    place, chunk_id, document_id, document_version, source, title, content, context, score,
    similarity, bm25, start_char, end_char, page, metadata
from ragpg.search_distinct(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

EXPLAIN_SEARCH: LiteralString = """
select
    place, chunk_id, document_id, document_version, source, title, content, context, score,
    similarity, bm25, start_char, end_char, page, metadata, vector_place, keyword_place, words
from ragpg.explain_search(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s
)
order by place
"""

SEARCH_ANY: LiteralString = """
select
    place, chunk_id, document_id, document_version, source, title, content, context, score,
    similarity, bm25, start_char, end_char, page, metadata
from ragpg.search_any(
    queries => %(queries)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embeddings => %(query_embeddings)s::halfvec[],
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

SURROUNDINGS: LiteralString = """
select wanted.chunk_id, around.start_char, around.end_char, around.content
from unnest(%(chunk_ids)s::bigint[]) as wanted (chunk_id)
cross join lateral ragpg.surroundings(wanted.chunk_id, %(neighbours)s) as around
"""

HIGHLIGHT: LiteralString = """
select ragpg.highlight(
    given.content, %(query)s, coalesce(chunk.language, 'english'), %(start_mark)s, %(end_mark)s
)
from unnest(%(contents)s::text[], %(chunk_ids)s::bigint[]) with ordinality
    as given (content, chunk_id, place)
left join lateral (
    select one.language from ragpg.chunks as one where one.id = given.chunk_id limit 1
) as chunk on true
order by given.place
"""

WAIT_UNTIL_INDEXED: LiteralString = """
select ragpg.wait_until_indexed(
    collection => %(collection)s, source => %(source)s,
    timeout => make_interval(secs => %(seconds)s)
)
"""

JUDGE_HITS: LiteralString = """
select is_enough, relevance, similarity, words_held, missing_names, unmatched_negation
from ragpg.judge_hits(
    query => %(query)s, chunk_ids => %(chunk_ids)s::bigint[],
    similarities => %(similarities)s::double precision[]
)
"""

SAVE_ANSWER: LiteralString = """
select ragpg.save_answer(
    collection => %(collection)s, question => %(question)s, content => %(content)s,
    model => %(model)s, abstained => %(abstained)s, grounded => %(grounded)s,
    stop_reason => %(stop_reason)s, input_tokens => %(input_tokens)s,
    output_tokens => %(output_tokens)s, cache_read_tokens => %(cache_read_tokens)s,
    cache_creation_tokens => %(cache_creation_tokens)s, latency_ms => %(latency_ms)s,
    citations => %(citations)s
)
"""

CITATION_PAGES: LiteralString = """
select page from ragpg.citations where answer_id = %s order by ordinal
"""

# Search indexes

SEARCH_INDEXES: LiteralString = """
select
    index_id, collection, active, state, embedding_model, chunk_tokens, overlap_tokens, language,
    documents, chunks, pending_documents, failed_documents, table_bytes, index_bytes,
    indexes_valid, created_at, activated_at, refreshed_at, ef_search, dead_chunks, recall,
    recall_measured_at, context_model
from ragpg.index_health
order by collection, index_id
"""

ACTIVATE_SEARCH_INDEX: LiteralString = """
select ragpg.activate_search_index(%(index_id)s, incomplete => %(incomplete)s)
"""

ROLLBACK_SEARCH_INDEX: LiteralString = "select ragpg.rollback_search_index(%(collection)s)"

DROP_SEARCH_INDEX: LiteralString = "select ragpg.drop_search_index(%(index_id)s)"

# Evaluation

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
select ragpg.start_evaluation(
    collection => %(collection)s, evaluation_set => %(evaluation_set)s, k => %(k)s,
    mode => %(mode)s, index_id => %(index_id)s, note => %(note)s
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
select ragpg.evaluate_question(
    run_id => %(run_id)s, question_id => %(question_id)s,
    query_embedding => %(query_embedding)s::halfvec
)
"""

NOTE_ANSWER: LiteralString = """
select ragpg.note_answer(
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
    started_at, finished_at
from ragpg.evaluation_leaderboard
where collection = %(collection)s
order by run_id desc
"""

EVALUATION_FAILURES: LiteralString = """
select question, kind, what_to_try, first_relevant_place, span_recall
from ragpg.evaluation_failures
where evaluation_run_id = %(run_id)s
order by kind, evaluation_question_id
"""

COMPARE_RUNS: LiteralString = """
select
    measure, questions, first_mean, second_mean, difference, low, high, better, worse
from ragpg.compare_runs(first_run => %(first)s, second_run => %(second)s, split => %(split)s)
"""

# Tuning

LABELLED_QUESTIONS: LiteralString = """
select question.id, question.question, ragpg.evaluation_split(question.id) as split
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
where was.evaluation_run_id = %(first)s
    and became.evaluation_run_id = %(second)s
    and became.ndcg <> was.ndcg
order by abs(became.ndcg - was.ndcg) desc, was.evaluation_question_id
"""

# Inspection

CORPUS_OVERVIEW: LiteralString = """
select
    documents, characters, median_characters, table_share, code_share, languages, chunks,
    tokens_p05, tokens_p50, tokens_p95, window_tokens, duplicate_chunks, near_duplicate_share
from ragpg.corpus_overview
where collection = %(collection)s
"""

CORPUS_PROBLEMS: LiteralString = """
select problem, source, detail, what_to_do
from ragpg.corpus_problems
where collection = %(collection)s
order by problem, source, detail
"""

# Versions

HISTORY: LiteralString = """
select version, title, valid_from, valid_to, characters, citations, document_id
from ragpg.document_history
where collection = %(collection)s and source = %(source)s
order by document_id desc, version desc
"""

SOURCE_TEXT: LiteralString = """
select ragpg.document_text(found.document_id, %(version)s::integer)
from ragpg.document_history as found
where found.collection = %(collection)s
    and (found.source = %(source)s or found.source like '%%/' || %(source)s)
order by found.source <> %(source)s, found.document_id desc
limit 1
"""

ERASE_DOCUMENT: LiteralString = """
select documents, versions, answers
from ragpg.erase_document(collection => %(collection)s, source => %(source)s)
"""

PRUNE_VERSIONS: LiteralString = """
select ragpg.prune_versions(older_than => %(older_than)s, collection => %(collection)s)
"""

# The query encoder: ragpg.models.encoder stores a model's weights

DELETE_ENCODER: LiteralString = "delete from ragpg.encoders where embedding_model_id = %s"

INSERT_ENCODER: LiteralString = """
insert into ragpg.encoders (
    embedding_model_id, layers, heads, width, pooling, lower_case, strip_accents,
    unknown_token_id, first_token_id, last_token_id, special_tokens, longest_token,
    query_prefix, max_query_tokens, layer_norm_epsilon
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

COPY_ENCODER_VOCABULARY: LiteralString = """
copy ragpg.encoder_vocabulary (embedding_model_id, token, token_id) from stdin with (format binary)
"""

COPY_ENCODER_EMBEDDINGS: LiteralString = """
copy ragpg.encoder_embeddings (embedding_model_id, token_id, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_POSITIONS: LiteralString = """
copy ragpg.encoder_positions (embedding_model_id, token_position, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_LAYERS: LiteralString = """
copy ragpg.encoder_layers (
    embedding_model_id, layer, attention_gain, attention_shift, output_gain, output_shift
)
from stdin with (format binary)
"""

COPY_ENCODER_WEIGHTS: LiteralString = """
copy ragpg.encoder_weights (embedding_model_id, layer, matrix, place, weights)
from stdin with (format binary)
"""

ENCODE_QUERY: LiteralString = "select ragpg.encode(%s, ragpg.query_tokens(%s, %s))::real[]"

STORE_ENCODER_COSINE: LiteralString = """
update ragpg.encoders set verified_cosine = %s where embedding_model_id = %s returning verified
"""

ANALYZE_ENCODERS: LiteralString = "analyze ragpg.encoder_weights"

ENCODERS: LiteralString = """
select
    embedding_model, provider, dimensions, layers, pooling, max_query_tokens, verified,
    verified_cosine, loaded_at, embedding_model_id
from ragpg.encoder_status
order by embedding_model
"""

MEASURE_RECALL: LiteralString = """
select found.*
from ragpg.measure_recall(
    collection => %(collection)s, k => %(k)s, queries => %(queries)s, ef_search => %(ef_search)s
) as found
"""

TUNE_EF_SEARCH: LiteralString = """
select found.*
from ragpg.tune_ef_search(
    collection => %(collection)s, recall => %(recall)s, k => %(k)s, queries => %(queries)s
) as found
"""

HEALTH_PROBLEMS: LiteralString = """
select collection, problem, detail, what_to_do from ragpg.health_problems
order by collection, problem, detail
"""

INGEST_LAG: LiteralString = """
select
    collection, waiting_documents, failing_documents, oldest_waiting_since, lag_seconds,
    indexed_last_hour, last_indexed_at
from ragpg.ingest_lag
order by collection
"""

COLLECTION_METRICS: LiteralString = """
select
    lag.collection, lag.waiting_documents, lag.failing_documents, lag.lag_seconds,
    held.documents, held.chunks,
    (
        select count(*) from ragpg.stale_citations as stale
        where stale.collection = lag.collection
    ) as stale_citations,
    (
        select count(*) from ragpg.health_problems as wrong
        where wrong.collection = lag.collection
    ) as problems
from ragpg.ingest_lag as lag
join ragpg.collection_status as held on held.collection = lag.collection
order by lag.collection
"""

SEARCHES_TODAY: LiteralString = """
select collection, mode, searches, latency_p95_ms, zero_hit_share
from ragpg.searches_by_day
where day = current_date
order by collection, mode
"""

# Evaluation report

REPORT_RUNS: LiteralString = """
select
    best.run_id, best.note, best.mode, best.k, best.index_id, best.active, best.embedding_model,
    best.questions, best.labelled_questions, best.success, best.recall, best.mrr, best.ndcg,
    best.span_recall, best.span_iou, best.zero_hit_rate, best.answers, best.abstention_accuracy,
    best.grounded_share, best.citation_validity, best.citation_precision, best.correct_share,
    best.latency_p50_ms, best.latency_p95_ms, best.started_at, run.recipe
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

# Evaluation drafts

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

# The web page: ragpg.ui

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

# Feedback, advice, fine-tuning

FEEDBACK: LiteralString = """
select ragpg.feedback(
    answer_id => %(answer_id)s, rating => %(rating)s, corrected_text => %(corrected_text)s,
    comment => %(comment)s
)
"""

ADVISE: LiteralString = """
select step, finding, points_to, next_command from ragpg.advise(%(collection)s)
"""

FINETUNING_EXAMPLES: LiteralString = """
select question, answer, split_by
from ragpg.finetuning_examples
where collection = %(collection)s
    and (%(origin)s::text is null or origin = %(origin)s)
order by
    origin = 'corrected answer' desc, origin = 'accepted answer' desc, split_by, question, answer
"""

START_FINETUNING: LiteralString = """
select ragpg.start_finetuning(
    provider => %(provider)s, base_model => %(base_model)s, training_hash => %(training_hash)s,
    validation_hash => %(validation_hash)s, parameters => %(parameters)s, again => %(again)s
)
"""

FINETUNE_JOBS: LiteralString = """
select
    id, provider, base_model, training_file_id, validation_file_id, job_id, state,
    finished_model, error, created_at, updated_at
from ragpg.finetune_jobs
order by id desc
"""

NOTE_FINETUNE_JOB: LiteralString = """
update ragpg.finetune_jobs
set training_file_id = coalesce(%(training_file_id)s, training_file_id),
    validation_file_id = coalesce(%(validation_file_id)s, validation_file_id),
    job_id = coalesce(%(job_id)s, job_id),
    state = coalesce(%(state)s, state),
    finished_model = coalesce(%(finished_model)s, finished_model),
    error = coalesce(%(error)s, error),
    updated_at = now()
where id = %(id)s
"""

TRAINING_PAIRS: LiteralString = """
select question, split, text, document_id, chunk_id, relevant_chunk_ids
from ragpg.training_pairs(collection => %(collection)s, index_id => %(index_id)s)
"""

HARD_NEGATIVES: LiteralString = """
select chunk_id, text
from ragpg.hard_negatives(
    question => %(question)s, relevant_chunk_ids => %(relevant_chunk_ids)s, wanted => %(wanted)s,
    collection => %(collection)s, query_embedding => %(query_embedding)s::halfvec,
    index_id => %(index_id)s, excluded_document_ids => %(excluded_document_ids)s::bigint[]
)
order by place
"""

MODEL_NAMES: LiteralString = """
select name from ragpg.embedding_models where provider = %(provider)s
"""

FORGET_UNUSED_MODEL: LiteralString = """
delete from ragpg.embedding_models as model
where model.provider = %(provider)s
    and model.name = %(name)s
    and not exists (
        select from ragpg.search_indexes as known where known.embedding_model_id = model.id
    )
"""

# Sentences of context

MODEL_PRICES: LiteralString = """
select input_price, output_price, cache_read_price, cache_creation_price
from ragpg.model_prices
where model = %(model)s
"""

KNOWN_CONTEXTS: LiteralString = """
select asked_hash, sentence
from ragpg.chunk_contexts
where collection_id = ragpg.collection_id(%(collection)s)
    and asked_hash = any(%(asked_hashes)s::bytea[])
"""

PUT_CONTEXT: LiteralString = """
insert into ragpg.chunk_contexts (
    collection_id, asked_hash, document_hash, model, sentence, problem, input_tokens,
    output_tokens, cache_read_tokens, cache_creation_tokens
)
values (
    ragpg.collection_id(%(collection)s), %(asked_hash)s, %(document_hash)s, %(model)s,
    %(sentence)s, %(problem)s, %(input_tokens)s, %(output_tokens)s, %(cache_read_tokens)s,
    %(cache_creation_tokens)s
)
on conflict on constraint chunk_contexts_pkey do nothing
"""

# Only what waits for it: a document that was erased meanwhile does not come back.
FILL_CONTEXT: LiteralString = """
update ragpg.chunk_contexts
set sentence = %(sentence)s, problem = %(problem)s, input_tokens = %(input_tokens)s,
    output_tokens = %(output_tokens)s, cache_read_tokens = %(cache_read_tokens)s,
    cache_creation_tokens = %(cache_creation_tokens)s, created_at = clock_timestamp()
where batch_id = %(batch_id)s and asked_hash = %(asked_hash)s and sentence is null
"""

DOCUMENTS_TO_SITUATE: LiteralString = """
select document.id
from ragpg.documents as document
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = %(index_id)s
where document.collection_id = ragpg.collection_id(%(collection)s)
    and state.document_version is distinct from document.version
order by document.id
"""

TEXTS_OF_DOCUMENTS: LiteralString = """
select content, title, media_type
from ragpg.documents
where id = any(%(document_ids)s)
order by id
"""

START_CONTEXT_BATCH: LiteralString = """
select batch_id, asked_hash
from ragpg.start_context_batch(
    collection => %(collection)s, model => %(model)s,
    asked_hashes => %(asked_hashes)s::bytea[], document_hashes => %(document_hashes)s::bytea[]
)
"""

FINISH_CONTEXT_BATCH: LiteralString = """
select ragpg.finish_context_batch(batch_id => %(batch_id)s, error => %(error)s)
"""

NOTE_CONTEXT_BATCH: LiteralString = """
update ragpg.context_batches
set provider_batch_id = coalesce(%(provider_batch_id)s, provider_batch_id), state = %(state)s
where id = %(batch_id)s
"""

ASKED_IN_BATCH: LiteralString = """
select asked_hash from ragpg.chunk_contexts where batch_id = %(batch_id)s
"""

# Held by the session: a killed one gives it back.
LOCK_CONTEXT_BATCHES: LiteralString = """
select pg_try_advisory_lock(
    hashtextextended('ragpg context batches of ' || %(collection)s::text, 0)
)
"""

UNLOCK_CONTEXT_BATCHES: LiteralString = """
select pg_advisory_unlock_all()
"""

CONTEXT_BATCHES: LiteralString = """
select
    batch.id, one.name as collection, batch.model, batch.request_count, batch.provider_batch_id,
    batch.state, batch.error, batch.created_at, batch.ended_at
from ragpg.context_batches as batch
join ragpg.collections as one on one.id = batch.collection_id
where %(collection)s::text is null or one.name = %(collection)s
order by batch.id
"""

CONTEXT_COSTS: LiteralString = """
select
    collection, model, in_batch, asked, sentences, open, refused, empty, cut, too_long,
    input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, cost
from ragpg.context_costs
where collection = %(collection)s
order by model, in_batch
"""
