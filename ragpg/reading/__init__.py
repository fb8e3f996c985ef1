"""Files and bytes to clean text, title, metadata and pages.

Knows no database, no model and no settings.
"""

from ragpg.reading.decoding import clean_text
from ragpg.reading.finding import FoundFiles, find_files
from ragpg.reading.loading import (
    LOADER_VERSION,
    LoadedDocument,
    LoadedPart,
    check_size,
    load_bytes,
    load_documents,
    load_path,
    load_text,
)
from ragpg.reading.media_types import (
    MARKDOWN_MEDIA_TYPES,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    is_code,
)

__all__ = [
    "LOADER_VERSION",
    "MARKDOWN_MEDIA_TYPES",
    "MEDIA_TYPES",
    "SEVERAL_MEDIA_TYPES",
    "FoundFiles",
    "LoadedDocument",
    "LoadedPart",
    "check_size",
    "clean_text",
    "find_files",
    "is_code",
    "load_bytes",
    "load_documents",
    "load_path",
    "load_text",
]
