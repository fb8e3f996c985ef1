"""How many of a page's words are there when it comes as a scan?

    pip install 'ragpg[ocr]'
    python -m benchmarks.scans ../shared/data/fixtures_docling   # prints, writes scans.json

The first pages of each PDF in the folder are printed in grey at 200 dots an inch, blurred a little
as by a scanner's glass, packed into a PDF without text, and recognised. The reference is what the
same pages say as text, so that what is measured is the recognition alone. Words in order and words
are those of benchmarks/loading.py; glued or cut words count as wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image, ImageFilter

from benchmarks.loading import measure, sources, words
from ragpg.errors import LoadError
from ragpg.reading.pdf import read_pdf

_FEWEST_WORDS = 20  # of a page that can be measured


def as_scan(pdf: pypdfium2.PdfDocument, pages: int) -> bytes:
    images: list[Image.Image] = []
    for number in range(min(pages, len(pdf))):
        image = pdf[number].render(scale=200 / 72).to_pil().convert("L")
        images.append(image.filter(ImageFilter.GaussianBlur(0.8)))
    out = io.BytesIO()
    images[0].save(out, "PDF", resolution=200, save_all=True, append_images=images[1:])
    return out.getvalue()


def as_text(pdf: pypdfium2.PdfDocument, pages: int) -> str:
    first = pypdfium2.PdfDocument.new()
    first.import_pages(pdf, range(min(pages, len(pdf))))
    out = io.BytesIO()
    first.save(out)
    return read_pdf(out.getvalue()).content


def score(path: Path, pages: int) -> dict[str, Any] | None:
    pdf = pypdfium2.PdfDocument(path)
    try:
        reference = as_text(pdf, pages)
    except LoadError:  # a scan already
        return None
    if len(words(reference)) < _FEWEST_WORDS:
        return None
    scan, started = as_scan(pdf, pages), time.perf_counter()
    found = read_pdf(scan, ocr=True).content
    seconds = (time.perf_counter() - started) / min(pages, len(pdf))
    measured = measure(reference, found)
    return {"file": path.name, "seconds a page": round(seconds, 1), **measured}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="fixtures_docling")
    parser.add_argument("--pages", type=int, default=1, help="of each file")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    scores = []
    for path in sources(arguments.folder).get(".pdf", []):
        if one := score(path, arguments.pages):
            scores.append(one)
            print(json.dumps(one), flush=True)
    names = ("words in order", "words", "seconds a page")
    result = {name: statistics.mean(one[name] for one in scores) for name in names}
    print(len(scores), "files", result)
    arguments.output.write_text(json.dumps({"mean": result, "files": scores}, indent=2) + "\n")


if __name__ == "__main__":
    main()
