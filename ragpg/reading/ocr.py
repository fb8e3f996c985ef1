"""The text of scans: PaddleOCR's models find and read its lines, by way of rapidocr.

They come with the package: nothing is downloaded. An extra, and off unless it is asked for.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ragpg.errors import LoadError
from ragpg.reading.ocr_setting import ADVICE, OCR_SECONDS
from ragpg.reading.pdf_boxes import Box, Char
from ragpg.reading.pdf_layout import PageLayout
from ragpg.reading.pdf_order import in_reading_order

MAX_SIDE = 2000
"""Pixels of the longer side of what is looked at: 170 an inch of an A4 page."""
_LONG = 16  # times its height: of lines from 25 on the recogniser loses letters
_PIECE = 11
_COLUMN, _MOST = 0.3, 0.6  # of the page's width; of the lines
_INK, _MARGIN = 60, 50  # of 255 levels of grey; pixels
_MIN_SCORE = 0.5
_TALL = 1.5
_TURN_LINES = 4  # that are tried upside down, too
_LETTER_HEIGHT = 0.7  # of a line's box, which has a margin
_SAME_SIZE = (0.7, 1.35)  # times the usual height: measured boxes differ by their letters
_SCALE = 170 / 72  # pixels of a point of a picture whose size nobody tells

Pixels = np.ndarray[Any, Any]


class Recogniser:
    """Reads the scanned pages of one file, as long as there is time."""

    def __init__(self) -> None:
        self._until = time.monotonic() + OCR_SECONDS
        self.pages: list[int] = []

    def layout(self, pixels: Pixels, number: int, scale: float = _SCALE) -> PageLayout | None:
        """Returns the page's letters, None once the time is over; `scale` is pixels of a point."""
        if time.monotonic() > self._until:
            return None
        lines, upright = _lines(pixels, scale)
        self.pages.append(number)
        height, width = (side / scale for side in upright.shape[:2])
        if _is_text(lines, width):
            lines = in_reading_order(lines, width)
        return PageLayout(_chars(lines), width, height)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    box: Box


@cache
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise LoadError(f"to recognise a scan takes an extra: {ADVICE}") from error
    return RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": MAX_SIDE})


def _lines(pixels: Pixels, scale: float) -> tuple[list[_Line], Pixels]:
    """Returns the lines of text, and the picture turned so that they stand upright."""
    pixels = np.ascontiguousarray(_without_margins(pixels))
    corners = _corners(pixels)
    tall = sum(_size(one)[1] > _TALL * _size(one)[0] for one in corners)
    if tall > len(corners) / 2:
        pixels = np.ascontiguousarray(np.rot90(pixels))
        corners = _corners(pixels)
    longest = sorted(corners, key=lambda one: -_size(one)[0])[:_TURN_LINES]
    if _are_upside_down([_pieces(_cut_out(pixels, one))[0] for one in longest]):
        pixels = np.ascontiguousarray(np.rot90(pixels, 2))
        corners = _corners(pixels)
    found = (_Line(_text(_cut_out(pixels, one)), _bounds(one / scale)) for one in corners)
    return [line for line in found if line.text], pixels


def _is_text(lines: Sequence[_Line], width: float) -> bool:
    """Returns whether most lines are as wide as those of columns: the others are of tables."""
    wide = sum(line.box[2] - line.box[0] > _COLUMN * width for line in lines)
    return wide > _MOST * len(lines)


def _corners(pixels: Pixels) -> list[Pixels]:
    found = _engine()(pixels, use_det=True, use_cls=False, use_rec=False).boxes
    return [] if found is None else list(found)


def _are_upside_down(lines: list[Pixels]) -> bool:
    """Returns whether the lines are read more surely when turned."""
    as_they_are, turned = (
        sum(_read(np.ascontiguousarray(np.rot90(line, turns)))[1] for line in lines)
        for turns in (0, 2)
    )
    return turned > as_they_are


def _text(line: Pixels) -> str:
    read = (_read(piece) for piece in _pieces(line))
    return " ".join(text for text, sureness in read if text and sureness >= _MIN_SCORE)


def _read(piece: Pixels) -> tuple[str, float]:
    """Returns the text of a piece of a line, and how sure it is, from 0 to 1."""
    told = _engine()(piece, use_det=False, use_cls=False, use_rec=True)
    return (str(told.txts[0]).strip(), float(told.scores[0])) if told.txts else ("", 0.0)


# Pixels ----------------------------------------------------------------------------------------


def _size(corners: Pixels) -> tuple[float, float]:
    """Returns the width and height of a line, which may be askew."""
    return math.dist(corners[0], corners[1]), math.dist(corners[0], corners[3])


def _bounds(corners: Pixels) -> Box:
    xs, ys = corners[:, 0], corners[:, 1]
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _without_margins(pixels: Pixels) -> Pixels:
    """Returns what is inside blank margins: a line alone on a page would not be found."""
    grey = pixels.reshape(*pixels.shape[:2], -1).mean(axis=2)
    ink = np.abs(grey - np.median(grey)) > _INK
    spans = []
    for axis in (1, 0):
        inked = np.flatnonzero(ink.any(axis=axis))
        first, last = (inked[0], inked[-1]) if len(inked) else (0, ink.shape[1 - axis])
        spans.append(slice(max(first - _MARGIN, 0), last + _MARGIN))
    return pixels[spans[0], spans[1]]


def _cut_out(pixels: Pixels, corners: Pixels) -> Pixels:
    import cv2  # a part of the extra

    width, height = (max(round(side), 1) for side in _size(corners))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    found: Pixels = cv2.warpPerspective(
        pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return found


def _pieces(line: Pixels) -> list[Pixels]:
    """Returns a long line cut where it is emptiest, between words."""
    height, width = line.shape[:2]
    count = math.ceil(width / (_PIECE * height)) if width > _LONG * height else 1
    grey = line.reshape(height, width, -1).mean(axis=2)
    ink = np.abs(grey - np.median(grey)).max(axis=0)
    near = max(height // 4, 1)
    full = np.convolve(ink, np.ones(near), "same")
    reach = width // (3 * count)
    places = [width * n // count for n in range(1, count)]
    cuts = [at - reach + int(full[at - reach : at + reach].argmin()) for at in places]
    return [line[:, a:b] for a, b in zip([0, *cuts], [*cuts, width], strict=True)]


def _chars(lines: Sequence[_Line]) -> list[Char]:
    """Returns the letters of the lines, as far apart as they are wide on average."""
    if not lines:
        return []
    usual = statistics.median(line.box[3] - line.box[1] for line in lines)
    chars: list[Char] = []
    for line in lines:
        left, top, right, bottom = line.box
        height, middle = bottom - top, (top + bottom) / 2
        size = usual if _SAME_SIZE[0] < height / usual < _SAME_SIZE[1] else height
        top, bottom = (middle + side * size * _LETTER_HEIGHT / 2 for side in (-1, 1))
        step = (right - left) / len(line.text)
        for place, letter in enumerate(line.text):
            box = (left + step * place, top, left + step * (place + 1), bottom)
            chars.append(Char(letter, box, False, False))
        chars.append(Char("\n", chars[-1].box, True, False))
    return chars
