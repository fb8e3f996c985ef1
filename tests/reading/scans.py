"""Scans made for the tests: text printed in an image, and such images in a PDF."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import pypdfium2
from fpdf import FPDF
from PIL import Image, ImageFilter


def printed(
    paragraphs: Iterable[str], size: int = 11, turn: float = 0, width: float = 0
) -> Image.Image:
    """Returns a page of A4 at 200 dots an inch with the text, a little blurred, turned left.

    `width` is that of the text, in mm; 0 is all of the page's.
    """
    document = FPDF()
    document.add_page()
    document.set_font("times", size=size)
    for text in paragraphs:
        document.multi_cell(width, size * 0.5, text, new_x="LMARGIN", new_y="NEXT")
        document.ln(size * 0.5)
    page = pypdfium2.PdfDocument(bytes(document.output()))[0]
    image: Image.Image = page.render(scale=200 / 72).to_pil().convert("RGB")
    blurred = image.filter(ImageFilter.GaussianBlur(0.8))
    return blurred.rotate(turn, expand=True, fillcolor="white")


def scanned(pages: Iterable[Image.Image | str], stamp: str = "") -> bytes:
    """Returns a PDF whose pages are these images, with a stamp of real text, or these texts."""
    document = FPDF()
    document.set_font("times", size=11)
    for page in pages:
        document.add_page(
            orientation="P" if isinstance(page, str) or page.height > page.width else "L"
        )
        if isinstance(page, str):
            document.multi_cell(0, 6, page)
        else:
            document.image(page, x=0, y=0, w=document.w, h=document.h)
            document.text(150, 290, stamp)
    return bytes(document.output())


def image_file(images: Sequence[Image.Image], kind: str) -> bytes:
    """Returns the images as a file of Pillow's `kind`."""
    out = io.BytesIO()
    more = {"save_all": True, "append_images": list(images[1:])} if len(images) > 1 else {}
    images[0].save(out, kind, **more)
    return out.getvalue()
