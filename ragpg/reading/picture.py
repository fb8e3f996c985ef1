"""Pictures of text (.png, .jpg, .tif), each a page, recognised where that is asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ragpg.errors import LoadError
from ragpg.reading.ocr import MAX_SIDE, Recogniser
from ragpg.reading.ocr_setting import ADVICE
from ragpg.reading.pdf_layout import PageLayout, layout_pages
from ragpg.reading.result import MAX_PAGES, Reading, join_pages


def read_picture(data: bytes, ocr: bool = False) -> Reading:
    """Returns the text in the picture; LoadError where that is not asked for."""
    if not ocr:
        raise LoadError(f"it is a picture: to have its text recognised, {ADVICE}")
    recogniser = Recogniser()
    try:
        with Image.open(io.BytesIO(data)) as image:
            texts, between = layout_pages(_pages(image, recogniser))
    except Image.DecompressionBombError as error:
        raise LoadError("it has more than 178 million pixels: make it smaller") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise LoadError(f"it is a damaged picture ({error}): save it again") from error
    content, starts = join_pages(texts, between)
    return Reading("", content, {"ocr_pages": recogniser.pages}, starts)


def _pages(image: Image.Image, recogniser: Recogniser) -> Iterator[PageLayout]:
    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        if number > MAX_PAGES:
            raise LoadError(f"it has more than {MAX_PAGES:,} pages: split it")
        upright = ImageOps.exif_transpose(frame)
        upright.thumbnail((MAX_SIDE, MAX_SIDE))
        flat = Image.new("RGB", upright.size, "white")  # transparent is white, as on paper
        shown = upright.convert("RGBA")
        flat.paste(shown, mask=shown.getchannel("A"))
        yield recogniser.layout(np.asarray(flat), number) or PageLayout([], 0, 0)
