"""Text to spans: chunks for the index, sentences for splitting and citing. Pure functions.

Uses what `reading` knows of Markdown and of media types; no database, no model, no settings.
"""

from ragpg.chunking.chunker import ChunkSpan, chunk_text
from ragpg.chunking.sentences import sentence_spans

__all__ = ["ChunkSpan", "chunk_text", "sentence_spans"]
