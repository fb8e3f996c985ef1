"""Documents to chunks to rows: adding, workers, folders in step, search indexes, versions.

Uses reading, chunking, models and the database; parses nothing itself and ranks nothing.
"""

from ragpg.indexing.adding import AddProgress, AddReport, OnOutcome, add
from ragpg.indexing.documents import (
    DocumentInfo,
    Versions,
    delete_document,
    list_documents,
    wait_until_indexed,
)
from ragpg.indexing.encoders import EncoderReport, Encoders
from ragpg.indexing.indexes import Indexes
from ragpg.indexing.inputs import Failure
from ragpg.indexing.syncing import MAX_DELETED_SHARE

__all__ = [
    "MAX_DELETED_SHARE",
    "AddProgress",
    "AddReport",
    "DocumentInfo",
    "EncoderReport",
    "Encoders",
    "Failure",
    "Indexes",
    "OnOutcome",
    "Versions",
    "add",
    "delete_document",
    "list_documents",
    "wait_until_indexed",
]
