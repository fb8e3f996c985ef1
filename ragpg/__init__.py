"""Retrieval that lives in Postgres.

import ragpg

with ragpg.connect() as client:
    handbook = client.collection("handbook")
    handbook.add("docs/")
    for hit in handbook.search("how long do refunds take"):
        print(hit.place, hit.source, hit.content)
    print(handbook.ask("How long do refunds take?").text)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ragpg.answer import Answer, Citation
from ragpg.client import Client, connect
from ragpg.collection import Collection
from ragpg.errors import RagpgError
from ragpg.indexing import AddReport, Failure
from ragpg.models import Embedder, SentenceTransformerEmbedder, open_embedder
from ragpg.search import Hit
from ragpg.version import __version__

if TYPE_CHECKING:
    from ragpg.aio import AsyncClient, AsyncCollection, connect_async

__all__ = [
    "AddReport",
    "Answer",
    "AsyncClient",
    "AsyncCollection",
    "Citation",
    "Client",
    "Collection",
    "Embedder",
    "Failure",
    "Hit",
    "RagpgError",
    "SentenceTransformerEmbedder",
    "__version__",
    "connect",
    "connect_async",
    "open_embedder",
]

if not TYPE_CHECKING:  # to whom any name would be there

    def __getattr__(name: str):
        """Returns what stands on asyncio, which takes its time to load."""
        if name in __all__:
            return getattr(import_module("ragpg.aio"), name)
        raise AttributeError(f"module 'ragpg' has no attribute {name!r}")
