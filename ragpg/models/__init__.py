"""Models: texts to embeddings and tokens, here, hosted or as tables for SQL; rerankers; Claude.

Knows neither database nor documents. Libraries of models are imported at their first use.
"""

from ragpg.models.claude import MessagesClient, api_errors, ask_model, make_client, require_client
from ragpg.models.embedding import (
    PROBE_TEXT,
    Embedder,
    Progress,
    Vectors,
    embed_documents,
    embed_query,
    even_token_starts,
)
from ragpg.models.functions import EmbedFunction, FunctionEmbedder, GivenEmbedder
from ragpg.models.local import SentenceTransformerEmbedder
from ragpg.models.opening import as_embedder, check_same_model, open_embedder
from ragpg.models.reranking import Reranker
from ragpg.models.usage import Budget, Prices, Usage, estimate_tokens, usage_of
from ragpg.models.vectors import HalfVector, Vector

__all__ = [
    "PROBE_TEXT",
    "Budget",
    "EmbedFunction",
    "Embedder",
    "FunctionEmbedder",
    "GivenEmbedder",
    "HalfVector",
    "MessagesClient",
    "Prices",
    "Progress",
    "Reranker",
    "SentenceTransformerEmbedder",
    "Usage",
    "Vector",
    "Vectors",
    "api_errors",
    "as_embedder",
    "ask_model",
    "check_same_model",
    "embed_documents",
    "embed_query",
    "estimate_tokens",
    "even_token_starts",
    "make_client",
    "open_embedder",
    "require_client",
    "usage_of",
]
