"""Every statement the conversation package sends, by name."""

from __future__ import annotations

from typing import LiteralString

START_CONVERSATION: LiteralString = """
select ragpg.start_conversation(%(collection)s)
"""

DELETE_CONVERSATION: LiteralString = """
select ragpg.delete_conversation(id)
from ragpg.conversations
where id = %(conversation_id)s and collection_id = ragpg.collection_id(%(collection)s)
"""

KNOWN_CONVERSATION: LiteralString = """
select id
from ragpg.conversations
where id = %(conversation_id)s and collection_id = ragpg.collection_id(%(collection)s)
"""

PRUNE_CONVERSATIONS: LiteralString = """
select ragpg.prune_conversations(older_than => %(older_than)s, collection => %(collection)s)
"""

CONTINUE_CONVERSATION: LiteralString = """
select ragpg.continue_conversation(%(collection)s)
"""

TURNS: LiteralString = """
select
    turn, answer_id, question, standalone, answer, model, abstained, grounded, ended_by, steps,
    citations, rating, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens,
    latency_ms, cost, created_at
from ragpg.conversation_turns
where conversation_id = %(conversation_id)s and collection = %(collection)s
order by turn
"""

PAST_TURNS: LiteralString = """
select
    said.turn, said.question, said.standalone, said.answer,
    said.model is not null and said.ended_by not in ('refusal', 'failed', 'unfinished')
        as is_answered,
    coalesce(
        (
            select jsonb_agg(
                shown.hit || jsonb_build_object('content', substr(
                    ragpg.document_text(
                        (shown.hit ->> 'document_id')::bigint,
                        (shown.hit ->> 'document_version')::integer
                    ),
                    (shown.hit ->> 'start_char')::integer + 1,
                    (shown.hit ->> 'end_char')::integer - (shown.hit ->> 'start_char')::integer
                ))
                order by shown.number
            )
            from (
                select step.hits
                from ragpg.answer_steps as step
                where step.answer_id = said.answer_id and step.tool = 'search'
                order by step.place
                limit 1
            ) as first_search
            cross join jsonb_array_elements(first_search.hits)
                with ordinality as shown (hit, number)
            left join ragpg.documents as document
                on document.id = (shown.hit ->> 'document_id')::bigint
            where %(filter)s::jsonpath is null
                or ragpg_internal.passes(document.metadata, %(filter)s::jsonpath)
        ),
        '[]'
    ) as hits
from ragpg.conversation_turns as said
where said.conversation_id = %(conversation_id)s
    and said.collection = %(collection)s
    and said.ended_by is distinct from 'unfinished'
order by said.turn
"""

START_ANSWER: LiteralString = """
select ragpg_internal.start_answer(
    collection => %(collection)s, question => %(question)s, model => %(model)s,
    conversation_id => %(conversation_id)s
)
"""

NOTE_STEP: LiteralString = """
select ragpg_internal.note_step(
    answer_id => %(answer_id)s, place => %(place)s, tool => %(tool)s, query => %(query)s,
    filter => %(filter)s, k => %(k)s, start_char => %(start_char)s, end_char => %(end_char)s,
    hits => %(hits)s, input_tokens => %(input_tokens)s, output_tokens => %(output_tokens)s,
    cache_read_tokens => %(cache_read_tokens)s,
    cache_creation_tokens => %(cache_creation_tokens)s, milliseconds => %(milliseconds)s,
    failed => %(failed)s
)
"""

FINISH_ANSWER: LiteralString = """
select ragpg_internal.finish_answer(
    answer_id => %(answer_id)s, content => %(content)s, model => %(model)s,
    abstained => %(abstained)s, grounded => %(grounded)s, stop_reason => %(stop_reason)s,
    input_tokens => %(input_tokens)s, output_tokens => %(output_tokens)s,
    cache_read_tokens => %(cache_read_tokens)s,
    cache_creation_tokens => %(cache_creation_tokens)s, latency_ms => %(latency_ms)s,
    ended_by => %(ended_by)s, citations => %(citations)s
)
"""

PAGES_OF_CITATIONS: LiteralString = """
select page from ragpg.citations where answer_id = %(answer_id)s order by ordinal
"""

FORGET_ANSWER: LiteralString = """
delete from ragpg.answers where id = %(answer_id)s
"""

READ_DOCUMENT: LiteralString = """
select document_id, document_version, title, content, page, metadata, length
from ragpg_internal.read_document(
    collection => %(collection)s, source => %(source)s, start_char => %(start_char)s,
    end_char => %(end_char)s, filter => %(filter)s::jsonpath
)
"""
