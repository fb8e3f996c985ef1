"""Vectors as Postgres takes them: pgvector's own classes."""

try:
    from pgvector import HalfVector, Vector
except ImportError:  # before 0.4, which langchain-postgres and vecs ask for
    from pgvector.utils import HalfVector, Vector  # type: ignore

__all__ = ["HalfVector", "Vector"]
