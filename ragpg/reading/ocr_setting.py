"""Whether scans are recognised: off unless RAGPG_OCR asks for it."""

from __future__ import annotations

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
