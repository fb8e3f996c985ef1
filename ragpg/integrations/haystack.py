"""ragpg for Haystack: a document store, and its embedding, keyword and hybrid retrievers."""

from ragpg.integrations.haystack_retrievers import (
    RagpgEmbeddingRetriever,
    RagpgHybridRetriever,
    RagpgKeywordRetriever,
)
from ragpg.integrations.haystack_store import RagpgDocumentStore

__all__ = [
    "RagpgDocumentStore",
    "RagpgEmbeddingRetriever",
    "RagpgHybridRetriever",
    "RagpgKeywordRetriever",
]
