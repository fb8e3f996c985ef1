"""Retrieval that lives in Postgres.

import ragpg

with ragpg.connect() as client:
    handbook = client.collection("handbook")
    handbook.add("docs/")
    for hit in handbook.search("how long do refunds take"):
        print(hit.place, hit.source, hit.content)
    print(handbook.ask("How long do refunds take?").text)
"""

from ragpg.answer.answering import Answer, Citation
from ragpg.client import Client, connect
from ragpg.collection import Collection, DocumentInfo
from ragpg.errors import RagpgError
from ragpg.indexing.adding import AddReport, Failure
from ragpg.indexing.watching import Change
from ragpg.models.embedding import Embedder, SentenceTransformerEmbedder, open_embedder
from ragpg.search.searching import Hit

__version__ = "0.1.0"

__all__ = [
    "AddReport",
    "Answer",
    "Change",
    "Citation",
    "Client",
    "Collection",
    "DocumentInfo",
    "Embedder",
    "Failure",
    "Hit",
    "RagpgError",
    "SentenceTransformerEmbedder",
    "__version__",
    "connect",
    "open_embedder",
]
