"""Whether scans are recognised: off unless RAGPG_OCR asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragpg.errors import LoadError
from ragpg.settings import variable

ADVICE = "pip install 'ragpg[ocr]' and set RAGPG_OCR=1"
OCR_SECONDS = 3000.0
"""Seconds of one file after which further pages are left out."""
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def ocr_is_wanted() -> bool:
    """Returns whether scans are to be recognised."""
    told = (variable("RAGPG_OCR") or "0").strip().lower()
    if told not in _YES + _NO:
        raise LoadError(f"RAGPG_OCR is {told[:40]!r}: 1 has scans recognised, 0 does not")
    return told in _YES


def told_of_scans(metadata: Mapping[str, Any]) -> str:
    """Returns what to tell of a document's scanned pages, "" where it has none."""
    told = (
        ("ocr_pages", "text of its scanned pages recognised:"),
        ("scanned_pages", f"scanned pages whose text is missing ({ADVICE}):"),
    )
    found = ((what, metadata.get(key)) for key, what in told)
    return "; ".join(f"{what} {_ranges(pages or [])}" for what, pages in found if _are_pages(pages))


def _are_pages(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(type(one) is int for one in found)


def _ranges(pages: list[int]) -> str:
    """Returns the numbers with those that follow each other as from-to."""
    ranges: list[list[int]] = []
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)
