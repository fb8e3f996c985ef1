"""Every statement the fine-tuning package sends, by name."""

from __future__ import annotations

from typing import LiteralString

ADVISE: LiteralString = """
select step, finding, points_to, next_command from ragpg.advise(%(collection)s)
"""

FINETUNING_EXAMPLES: LiteralString = """
select question, answer, split_by
from ragpg.finetuning_examples
where collection = %(collection)s
    and ragpg.collection_id(%(collection)s) is not null
    and (%(origin)s::text is null or origin = %(origin)s)
order by
    origin = 'corrected answer' desc, origin = 'accepted answer' desc, split_by, question, answer
"""

START_FINETUNING: LiteralString = """
select ragpg_internal.start_finetuning(
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
from ragpg_internal.hard_negatives(
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
