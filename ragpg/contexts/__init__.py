"""Sentences of context for chunks, written by a language model: asked, batched, stored, counted.

Uses the session, chunking and models; imported where a search index takes such sentences.
"""

from ragpg.contexts.batches import run_batches
from ragpg.contexts.contextual import Ask
from ragpg.contexts.situating import (
    ContextEstimate,
    ContextProgress,
    Situator,
    context_costs,
    estimate,
    prices_of,
    sentences_of,
)

__all__ = [
    "Ask",
    "ContextEstimate",
    "ContextProgress",
    "Situator",
    "context_costs",
    "estimate",
    "prices_of",
    "run_batches",
    "sentences_of",
]
