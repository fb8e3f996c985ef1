"""Text to the spans of its chunks and of its sentences: pure functions, no database, no model."""

from ragpg.chunking.chunker import ChunkSpan, chunk_text
from ragpg.chunking.sentences import sentence_spans

__all__ = ["ChunkSpan", "chunk_text", "sentence_spans"]
