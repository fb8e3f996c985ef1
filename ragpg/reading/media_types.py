"""The formats that are read: their suffixes, which become Markdown, which hold several."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
XLS = "application/vnd.ms-excel"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
EPUB = "application/epub+zip"
REST = "text/x-rst"
XML, ORG, RTF = "application/xml", "text/org", "application/rtf"
JSON, JSON_LINES = "application/json", "application/x-ndjson"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.file"
MAIL, MAILBOX, OUTLOOK = "message/rfc822", "application/mbox", "application/vnd.ms-outlook"

PNG, JPEG, TIFF = "image/png", "image/jpeg", "image/tiff"

_CODE = {
    "text/x-python": ".py .pyi", "text/javascript": ".js .mjs .cjs .jsx",
    "text/x-typescript": ".ts .tsx", "text/x-java": ".java", "text/x-c": ".c .h",
    "text/x-c++": ".cc .cpp .cxx .hh .hpp", "text/x-csharp": ".cs", "text/x-go": ".go",
    "text/x-rust": ".rs", "text/x-ruby": ".rb", "text/x-php": ".php", "text/x-swift": ".swift",
    "text/x-kotlin": ".kt .kts", "text/x-scala": ".scala", "text/x-lua": ".lua",
    "text/x-perl": ".pl .pm", "text/x-r": ".r", "text/x-julia": ".jl", "text/x-sql": ".sql",
    "text/x-shellscript": ".sh .bash .zsh",
}  # fmt: skip
_SUFFIXES = {
    "text/markdown": ".md .markdown .mdx",
    "text/html": ".html .htm .xhtml",
    "text/plain": ".txt .text .log",
    "text/asciidoc": ".adoc .asciidoc",
    REST: ".rst .rest",
    ORG: ".org",
    XML: ".xml .nxml .dbk .docbook .tei",
    RTF: ".rtf",
    PDF: ".pdf",
    DOCX: ".docx .docm .dotx",
    PPTX: ".pptx .pptm .ppsx",
    XLSX: ".xlsx .xlsm .xltx",
    XLSB: ".xlsb",
    XLS: ".xls",
    ODT: ".odt",
    ODS: ".ods",
    ODP: ".odp",
    EPUB: ".epub",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv .tab",
    JSON: ".json",
    JSON_LINES: ".jsonl .ndjson",
    PARQUET: ".parquet .parq .pq",
    ARROW: ".arrow .arrows .feather .ipc",
    MAIL: ".eml",
    MAILBOX: ".mbox",
    OUTLOOK: ".msg",
    PNG: ".png",
    JPEG: ".jpg .jpeg",
    TIFF: ".tif .tiff",
    **_CODE,
}
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {suffix: media_type for media_type, all_ in _SUFFIXES.items() for suffix in all_.split()}
)
SUPPORTED = (
    ".md, .html, .txt, .pdf, .docx, .pptx, .xlsx, .xls, .odt, .ods, .odp, .csv, .tsv, .rst, "
    ".adoc, .org, .xml, .rtf, .epub, .eml, .mbox, .msg, .json, .jsonl, .parquet, .arrow, .feather "
    "and source code"
)
MARKDOWN_MEDIA_TYPES = frozenset(_SUFFIXES) - {"text/plain", "text/asciidoc", *_CODE}
"""The media types whose content is Markdown; that of the others is plain text."""
SEVERAL_MEDIA_TYPES = frozenset({JSON, JSON_LINES, MAIL, MAILBOX, OUTLOOK, PARQUET, ARROW})
"""The media types of files that may hold several documents."""
TABLE_MEDIA_TYPES = frozenset({PARQUET, ARROW})
"""The media types of files whose rows are documents, which are read some at a time."""

PICTURE_MEDIA_TYPES = frozenset({PNG, JPEG, TIFF})
"""The media types of pictures, whose text is recognised where that is asked for."""
OCR_MEDIA_TYPES = PICTURE_MEDIA_TYPES | {PDF}
"""The media types that may hold scans."""
BINARY_MEDIA_TYPES = PICTURE_MEDIA_TYPES | {
    PDF, DOCX, PPTX, XLSX, XLSB, XLS, ODT, ODS, ODP, EPUB, RTF, OUTLOOK,
}  # fmt: skip
"""The media types that are no text."""
ISOLATED_MEDIA_TYPES = BINARY_MEDIA_TYPES | {REST, XML}
"""The media types that are read in a child process."""


def is_code(media_type: str) -> bool:
    """Returns whether it is the source code of a program, kept as it is."""
    return media_type in _CODE
