"""Retrieval that lives in Postgres.

import ragpg

with ragpg.connect() as client:
    handbook = client.collection("handbook")
    handbook.add("docs/")
    for hit in handbook.search("how long do refunds take"):
        print(hit.place, hit.source, hit.content)
    print(handbook.ask("How long do refunds take?").text)
"""

from ragpg.answer import Answer, Citation
from ragpg.client import Client, connect
from ragpg.collection import Collection
from ragpg.errors import RagpgError
from ragpg.indexing import AddReport, Failure
from ragpg.models import Embedder, SentenceTransformerEmbedder, open_embedder
from ragpg.search import Hit
from ragpg.version import __version__

__all__ = [
    "AddReport",
    "Answer",
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
    "open_embedder",
]
