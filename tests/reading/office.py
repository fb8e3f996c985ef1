"""What the tests of office_loading and tables_and_odf share."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pptx

from ragpg.reading import media_types
from ragpg.reading.loading import LoadedDocument, load_bytes


def load(data: bytes, name: str) -> LoadedDocument:
    return load_bytes(data, media_type=media_types.MEDIA_TYPES[Path(name).suffix], name=name)


def saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


# PowerPoint ------------------------------------------------------------------------------------


def slides(write: Callable[[Any], None]) -> LoadedDocument:
    presentation = pptx.Presentation()
    write(presentation)
    return load(saved(presentation), "talk.pptx")
