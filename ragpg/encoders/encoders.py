"""Embedding models in the database: their weights as tables, with which SQL embeds questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
from pgvector.psycopg import register_vector

from ragpg.arguments import tells
from ragpg.database import Connection
from ragpg.encoders import queries
from ragpg.errors import EmbeddingError, ModelMismatch
from ragpg.indexing.indexer import register_model
from ragpg.models import Embedder, SentenceTransformerEmbedder, open_embedder
from ragpg.models.encoder import EncoderSettings, read_encoder
from ragpg.session import Session

VERIFICATION_TEXTS = (
    "refund",
    "How long do refunds take?",
    "how long do refunds take on the pro plan if i paid by invoice",
    "What is the rate limit of the API (requests per minute)?",
    "naïve café, déjà-vu, Ünïcödé ACCENTS",
    "0-dimensional biomaterials show inductive properties.",
    "ERROR: could not resize shared memory segment: No space left on device",
    "東京の天気 and emoji 🙂 together",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "select * from users where id = 42;",
    "e-mail: someone@example.com, tel. +49 30 1234567, 3.50 €",
    "Which of the two is better, the first or the second, and what would make you choose "
    "the other one?",
)


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """Whether the database embeds questions with `model` itself, and what was done or why not."""

    model: str
    loaded: bool
    reason: str


@tells
@dataclass(frozen=True, slots=True)
class Encoders:
    """The models that the database computes itself: `client.models`."""

    session: Session

    def status(self) -> list[dict[str, Any]]:
        """Returns the rows of the view encoder_status."""
        return self.session.database.rows(queries.ENCODERS)

    def load(self, name: str | None = None) -> float:
        """Stores a model's weights, so that SQL embeds questions; returns the verified cosine.

        `name` is a sentence-transformers model of the BERT family, by default the configured one.
        Raises EmbeddingError, changing nothing, when the model cannot be computed in SQL or does
        not agree with itself in Python.
        """
        name = name or self.session.settings.embedding_model
        if open_embedder(name).provider != SentenceTransformerEmbedder.provider:
            raise EmbeddingError(
                f'"{name}" is hosted, so the database cannot run it: SQL searches by words, or '
                "with a query_embedding"
            )
        exact = SentenceTransformerEmbedder(name, exact=True)
        with self.session.database.connection() as connection:  # one transaction
            model_id = register_model(connection, exact)
            load_encoder(connection, model_id, exact.folder())
            cosine = verify_encoder(connection, model_id, exact)
            if cosine < 0.9999:
                raise EmbeddingError(
                    f'the database computes "{exact.name}" differently (cosine {cosine:.6f}): '
                    "nothing was changed"
                )
        return cosine

    def ensure(self) -> EncoderReport:
        """Makes the database hold the configured model where it can; says why where it cannot.

        Imports no model when it is there already.
        """
        name = self.session.settings.embedding_model.removeprefix("sentence-transformers/")
        if any(one["embedding_model"] == name and one["verified"] for one in self.status()):
            return EncoderReport(name, True, "it was in the database already")
        with self.session.database.connection() as connection:
            if connection.info.server_version < 160000:
                return EncoderReport(name, False, "computing it in SQL needs Postgres 16 or newer")
        try:
            cosine = self.load(name)
        except (EmbeddingError, ModelMismatch) as error:
            return EncoderReport(name, False, str(error))
        return EncoderReport(name, True, f"smallest cosine to the model in Python: {cosine:.7f}")

    def drop(self, name: str) -> bool:
        """Removes a model's weights; returns whether they were there."""
        found = [one for one in self.status() if one["embedding_model"] == name]
        for one in found:
            self.session.database.execute(queries.DELETE_ENCODER, key=one["embedding_model_id"])
        return bool(found)


def load_encoder(connection: Connection, embedding_model_id: int, folder: Path) -> EncoderSettings:
    """Stores the model of a folder, as sentence-transformers saves it, replacing an earlier load.

    One transaction. The model is not used before `verify_encoder` has agreed with it.
    """
    model, key = read_encoder(folder), embedding_model_id
    tables: list[tuple[LiteralString, list[str], Iterable[tuple[Any, ...]]]] = [
        (queries.COPY_ENCODER_VOCABULARY, ["text", "int4"], model.vocabulary.items()),
        (queries.COPY_ENCODER_EMBEDDINGS, ["int4", "halfvec"], model.embeddings()),
        (queries.COPY_ENCODER_POSITIONS, ["int4", "vector"], model.positions()),
        (queries.COPY_ENCODER_LAYERS, ["int4", *["vector"] * 4], model.norms()),
        (queries.COPY_ENCODER_WEIGHTS, ["int4", "int4", "int4", "vector"], model.weights()),
    ]
    with connection.transaction():
        register_vector(connection)
        connection.execute(queries.DELETE_ENCODER, {"key": key})
        connection.execute(queries.INSERT_ENCODER, {"key": key, **asdict(model.settings)})
        for statement, types, rows in tables:
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(["int8", *types])
                for row in rows:
                    copy.write_row((key, *row))
    return model.settings


def verify_encoder(
    connection: Connection,
    embedding_model_id: int,
    embedder: Embedder,
    texts: Sequence[str] = VERIFICATION_TEXTS,
) -> float:
    """Returns the smallest cosine of the database's embeddings to the embedder's, and stores it.

    From 0.9999 the encoder is used. The embedder must compute in float32: bfloat16 alone is
    further away than that.
    """
    connection.execute(queries.ANALYZE_ENCODERS)
    cosines = []
    for text in texts:
        asked = {"key": embedding_model_id, "text": text}
        row = connection.execute(queries.ENCODE_QUERY, asked).fetchone()
        assert row is not None
        cosines.append(float(np.dot(np.array(row[0], np.float64), embedder.embed_query(text))))
    stored = {"key": embedding_model_id, "cosine": min(cosines)}
    connection.execute(queries.STORE_ENCODER_COSINE, stored)
    return min(cosines)
