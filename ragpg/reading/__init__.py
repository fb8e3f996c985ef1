"""Bytes to text: every format becomes Markdown or plain text, with title, metadata and pages.

Knows no database, no embedding model and no settings but RAGPG_OCR and
RAGPG_LOCAL_ADDRESSES. A format's libraries are
imported when the first such file is read, most of them in a child process.
"""

from ragpg.reading.addresses import is_remote
from ragpg.reading.decoding import clean_text
from ragpg.reading.finding import FoundFiles, Skipped, find_files
from ragpg.reading.loading import (
    LOADER_VERSION,
    LoadedDocument,
    LoadedPart,
    digest_of_file,
    load_bytes,
    load_documents,
    load_path,
    load_text,
)
from ragpg.reading.markdown import BLOCKS, heading_text
from ragpg.reading.media_types import (
    MARKDOWN_MEDIA_TYPES,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    is_code,
)
from ragpg.reading.ocr_setting import told_of_scans
from ragpg.reading.remote import RemoteFile
from ragpg.reading.slow import told_if_slow
from ragpg.reading.wanted import ALL, MAX_SITE_PAGES, Wanted

__all__ = [
    "ALL",
    "BLOCKS",
    "LOADER_VERSION",
    "MARKDOWN_MEDIA_TYPES",
    "MAX_SITE_PAGES",
    "MEDIA_TYPES",
    "SEVERAL_MEDIA_TYPES",
    "FoundFiles",
    "LoadedDocument",
    "LoadedPart",
    "RemoteFile",
    "Skipped",
    "Wanted",
    "clean_text",
    "digest_of_file",
    "find_files",
    "heading_text",
    "is_code",
    "is_remote",
    "load_bytes",
    "load_documents",
    "load_path",
    "load_text",
    "told_if_slow",
    "told_of_scans",
]
