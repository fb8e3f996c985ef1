"""What so many chunks take: disk, and memory for the vector index. Arithmetic, no database."""

from __future__ import annotations

from dataclasses import dataclass

from ragpg.arguments import tells
from ragpg.errors import BadArgument

_PAGE = 8192
# Bytes, as measured at a million documents of one chunk (docs/scale.md says by which command).
_OF_A_DOCUMENT = 540  # its row but for the text, its indexes, its state in the search index
_OF_A_CHUNK = 480  # its row but for text, words and embedding, its indexes
_OF_A_VALUE = 190  # of metadata, that filters look up
_WORDS = 1.6  # bytes of a chunk's words by its characters
_WORD_INDEX = 0.75
_SECONDS = 500e-6  # to load a chunk that brings its embedding, all indexes built, on two cores


@tells
@dataclass(frozen=True, slots=True)
class Plan:
    """Bytes that a collection takes, by what they are for; from `plan`."""

    chunks: int
    dimensions: int
    documents: int
    words: int  # of the chunks, and their index
    embeddings: int
    vector_index: int | None  # None: so many dimensions are not indexed whole
    vector_index_of_bits: int
    metadata: int
    load_hours: float

    @property
    def disk(self) -> int:
        """With the vector index whole, where it can be."""
        rest = self.documents + self.words + self.embeddings + self.metadata
        return rest + (self.vector_index or self.vector_index_of_bits)


def plan(
    chunks: float,
    dimensions: int,
    *,
    characters: int = 1000,
    chunks_a_document: float = 5,
    values: int = 5,
) -> Plan:
    """Returns what so many chunks take; characters are of each, values of a document's metadata.

    Raises BadArgument where there is nothing to plan.
    """
    given = {
        "chunks": chunks,
        "dimensions": dimensions,
        "characters": characters,
        "chunks_a_document": chunks_a_document,
    }
    for name, value in given.items():
        if not value >= 1:
            raise BadArgument(f"{name} is {value}: 1 or more")
    if dimensions > 16_000:
        raise BadArgument(f"dimensions is {dimensions}: pgvector's halfvec takes 16,000 at most")
    documents = chunks / chunks_a_document
    return Plan(
        chunks=round(chunks),
        dimensions=dimensions,
        documents=round(
            documents * _OF_A_DOCUMENT + chunks * (_OF_A_CHUNK + 2 * characters)
        ),  # a chunk's text is in its document and in its row
        words=round(chunks * characters * (_WORDS + _WORD_INDEX)),
        embeddings=round(chunks * (2 * dimensions + 8)),
        vector_index=_graph(chunks, 2 * dimensions) if dimensions <= 4000 else None,
        vector_index_of_bits=_graph(chunks, dimensions / 8),
        metadata=round(documents * values * _OF_A_VALUE),
        load_hours=chunks * _SECONDS / 3600,
    )


def _graph(chunks: float, vector: float) -> int:
    """Returns the bytes of pgvector's HNSW: an element and its 32 neighbours never part a page."""
    return round(chunks / max((_PAGE - 40) // (vector + 300), 1) * _PAGE)
