"""Documents to chunks to embeddings to rows of one search index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ragpg.chunking import ChunkSpan, chunk_text
from ragpg.database import Connection
from ragpg.errors import EmbeddingError
from ragpg.indexing import queries
from ragpg.models import PROBE_TEXT, Embedder, HalfVector, Progress
from ragpg.models.embedding import embed_documents, even_token_starts
from ragpg.reading import LoadedDocument
from ragpg.session import SearchIndex, Session


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunked document: its spans, the text that is embedded of each, and its SHA-256.

    `generated` are the characters at the end of each context that a language model wrote.
    """

    spans: list[ChunkSpan]
    contexts: list[str]
    texts: list[str]
    hashes: list[bytes]
    generated: list[int]


class Indexer:
    """Writes documents into one search index."""

    def __init__(self, session: Session, index: SearchIndex) -> None:
        self.index = index
        self._session = session
        self.database = session.database
        self._embedder = session.embedder_for(index)

    def prepare(self, document: LoadedDocument) -> Prepared:
        """Returns the document's chunks by the recipe of the search index.

        Where that has a language model write sentences of context, they are asked for; raises
        AnswerError when that fails.
        """
        content = document.content
        spans = self.cut(document)
        sentences = self._sentences(document, spans)
        bodies = [content[span.start_char : span.end_char] for span in spans]
        contexts = [
            _joined(_with_title(document.title, span.context), sentence)
            for span, sentence in zip(spans, sentences, strict=True)
        ]
        texts = [
            f"{_joined(span.context, sentence)}\n{body}"
            for span, sentence, body in zip(spans, sentences, bodies, strict=True)
        ]
        hashes = [
            hashlib.sha256(f"{context}\n{body}".encode()).digest()
            for context, body in zip(contexts, bodies, strict=True)
        ]
        return Prepared(spans, contexts, texts, hashes, [len(one) for one in sentences])

    def cut(self, document: LoadedDocument) -> list[ChunkSpan]:
        """Returns the document's chunks, with room for the sentences they shall get."""
        return cut(
            document,
            self._embedder,
            chunk_tokens=self.index.chunk_tokens,
            overlap_tokens=self.index.overlap_tokens,
            context_tokens=self.index.context_tokens,
        )

    def _sentences(self, document: LoadedDocument, spans: list[ChunkSpan]) -> list[str]:
        """Returns what a model wrote about each chunk, as much as its room holds."""
        if self.index.context_model is None or not spans:
            return [""] * len(spans)
        from ragpg.contexts import sentences_of

        tokens = self._embedder.token_starts
        return sentences_of(self._session, self.index, document, spans, lambda t: len(tokens(t)))

    def embed(
        self, batch: Sequence[Prepared], progress: Progress | None = None, tenant: str | None = None
    ) -> tuple[dict[bytes, HalfVector], int]:
        """Returns the embedding of each text by its hash, and how many the model had to embed.

        Texts that a search index of the collection with the same model holds are not embedded
        again, if they are the tenant's, by default the one acted for: what others stored is theirs
        to have got wrong. Raises EmbeddingError when the model fails.
        """
        texts = dict(pair for one in batch for pair in zip(one.hashes, one.texts, strict=True))
        vectors = self._known(list(texts), tenant)
        unseen = [key for key in texts if key not in vectors]
        try:
            new = unseen and embed_documents(self._embedder, [texts[k] for k in unseen], progress)
        except RuntimeError as error:
            raise EmbeddingError(f"the embedding model failed: {error}") from error
        vectors.update((key, HalfVector(row)) for key, row in zip(unseen, new, strict=True))
        return vectors, len(unseen)

    def _known(self, hashes: list[bytes], tenant: str | None) -> dict[bytes, HalfVector]:
        rows = self.database.rows(
            queries.KNOWN_EMBEDDINGS,
            index_ids=self.index.same_model_ids,
            hashes=hashes,
            tenant=tenant,
        )
        return {bytes(row["content_hash"]): row["embedding"] for row in rows}

    def store(
        self,
        connection: Connection,
        prepared: Prepared,
        document_id: int,
        document_version: int,
        vectors: dict[bytes, HalfVector],
    ) -> None:
        """Replaces the document's chunks; raises DocumentChanged when it has a newer version."""
        connection.execute(
            queries.REPLACE_CHUNKS,
            {
                "index_id": self.index.id,
                "document_id": document_id,
                "document_version": document_version,
                "starts": [span.start_char for span in prepared.spans],
                "ends": [span.end_char for span in prepared.spans],
                "contexts": prepared.contexts,
                "token_counts": [span.token_count for span in prepared.spans],
                "embeddings": [vectors[key] for key in prepared.hashes],
                "generated_chars": prepared.generated,
            },
        )


def cut(
    document: LoadedDocument,
    embedder: Embedder,
    *,
    chunk_tokens: int,
    overlap_tokens: int = 0,
    context_tokens: int = 0,
) -> list[ChunkSpan]:
    """Returns the document's chunks, `context_tokens` of each kept free."""
    return chunk_text(
        document.content,
        title=document.title,
        media_type=document.media_type,
        token_starts=even_token_starts(embedder, document.content),
        count_tokens=lambda text: len(even_token_starts(embedder, text)),
        max_tokens=min(chunk_tokens, embedder.max_tokens) - context_tokens,
        overlap_tokens=overlap_tokens,
    )


def _joined(context: str, sentence: str) -> str:
    return f"{context}\n{sentence}" if context and sentence else context or sentence


def _with_title(title: str, context: str) -> str:
    """Returns what words are searched in: the title belongs to every chunk of a document.

    It is embedded with the first only: it makes vectors alike, but words tell documents apart.
    """
    line = " ".join(title.split())
    if not line or context.casefold().startswith(line.casefold()):
        return context
    between = "\n" if context.startswith(("|", "rows ")) else " > "
    return f"{line}{between}{context}" if context else line


def register_model(connection: Connection, embedder: Embedder) -> int:
    """Returns the id of the embedder's model; raises ModelMismatch when it gives other vectors."""
    parameters = {
        "provider": embedder.provider,
        "name": embedder.name,
        "max_tokens": embedder.max_tokens,
        "probe": HalfVector(embedder.embed_documents([PROBE_TEXT])[0]),
    }
    row = connection.execute(queries.ENSURE_EMBEDDING_MODEL, parameters).fetchone()
    assert row is not None
    return int(row[0])
