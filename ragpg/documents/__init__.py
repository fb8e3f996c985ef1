"""Documents of a collection, by filter or source, and their versions.

Uses search's filters and the database; imported where it is asked for.
"""

from ragpg.documents.documents import DocumentInfo, Documents
from ragpg.documents.versions import Versions

__all__ = ["DocumentInfo", "Documents", "Versions"]
