"""Documents to chunks to rows: adding, workers, folders in step, search indexes, versions.

Uses reading, chunking, models and the database; parses nothing itself and ranks nothing. What `add`
does not need (worker, watching, indexes, documents) is a module to be imported by name.
"""

from ragpg.indexing.adding import MAX_DELETED_SHARE, add
from ragpg.indexing.inputs import Failure, Records
from ragpg.indexing.tally import AddProgress, AddReport, OnOutcome

__all__ = [
    "MAX_DELETED_SHARE",
    "AddProgress",
    "AddReport",
    "Failure",
    "OnOutcome",
    "Records",
    "add",
]
