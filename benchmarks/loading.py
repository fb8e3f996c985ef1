"""How much of each format's text and tables do the loaders recover?

    pip install -r benchmarks/requirements.txt                     # markitdown, to compare with
    python -m benchmarks.loading ../shared/data/fixtures_docling   # prints, writes loading.json

The folder holds real files and, under groundtruth, the Markdown that docling's authors keep as the
reference for each. Per format, as means over the files that have a reference:

- words in order: 2 LCS / (words of the reference + words found), the normalised Indel similarity
  of the two sequences of words; it falls with what is missing, added or out of order;
- words: the share of the reference's words that are there, as a multiset;
- cells, rows: the share of the reference's table cells, and of its rows, that stand in tables of
  the result; a row counts when all its cells are the same.

Words are compared in lower case after NFKC, without Markdown's signs, so that nothing depends on
how a heading is written. markitdown runs in this process as its users call it.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import statistics
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Indel
from rich.console import Console
from rich.table import Table

from ragpg.errors import LoadError
from ragpg.reading import load_documents

_NOT_A_SOURCE = ("groundtruth", "LICENSE", "SOURCE.txt")
_RULE = re.compile(r"\|?[\s:|-]+\|?")
Converted = tuple[str, int]  # Markdown and number of pages


@dataclass
class Score:
    """One file read by one program."""

    file: str
    seconds: float
    pages: int = 0
    refused: str = ""
    measures: dict[str, float] = field(default_factory=dict)


def words(markdown: str) -> list[str]:
    text = html.unescape(re.sub(r"<!--.*?-->|^[\s|:-]+$", " ", markdown, flags=re.M | re.S))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("\\", ""))
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


def rows(markdown: str) -> Iterator[tuple[str, ...]]:
    """The rows of the Markdown tables, each cell as its words."""
    for line in markdown.split("\n"):
        line = line.strip()
        if line.startswith("|") and not _RULE.fullmatch(line):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            yield tuple(" ".join(words(cell)) for cell in cells)


def shared(reference: Counter[Any], found: Counter[Any]) -> float:
    return (reference & found).total() / reference.total()


def measure(reference: str, found: str) -> dict[str, float]:
    expected, got = words(reference), words(found)
    measures = {
        "words in order": Indel.normalized_similarity(expected, got),
        "words": shared(Counter(expected), Counter(got)) if expected else 1.0,
    }
    table = [row for row in rows(reference) if any(row)]
    if table:
        found_rows = list(rows(found))
        cells = Counter(cell for row in table for cell in row if cell)
        measures["cells"] = shared(cells, Counter(cell for row in found_rows for cell in row))
        measures["rows"] = shared(Counter(map(used, table)), Counter(map(used, found_rows)))
    return measures


def used(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell for cell in row if cell)


def by_ragpg(path: Path) -> Converted:
    documents = [part.document for part in load_documents(path)]
    pages = sum(len(document.page_starts) for document in documents)
    return "\n\n".join(document.content for document in documents), pages


def by_markitdown() -> Callable[[Path], Converted]:
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    return lambda path: (converter.convert(path).text_content, 0)


def read(path: Path, convert: Callable[[Path], Converted], reference: str | None) -> Score:
    started = time.perf_counter()
    try:
        found, pages = convert(path)
    except LoadError as error:
        return Score(path.name, time.perf_counter() - started, refused=str(error))
    except Exception as error:  # markitdown's, and those of the libraries under it
        return Score(path.name, time.perf_counter() - started, refused=type(error).__name__)
    score = Score(path.name, time.perf_counter() - started, pages)
    if reference is not None:
        score.measures = measure(reference, found)
    return score


def reference_of(path: Path) -> str | None:
    folder = path.parent.parent / "groundtruth"
    names = (folder / f"{path.name}.md", folder / f"{path.stem}.md")
    return next((name.read_text("utf-8") for name in names if name.is_file()), None)


def sources(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part in _NOT_A_SOURCE for part in path.parts):
            found.setdefault(path.suffix.lower(), []).append(path)
    return found


def summary(scores: list[Score]) -> dict[str, Any]:
    def mean(name: str) -> float | None:
        values = [one.measures[name] for one in scores if name in one.measures]
        return statistics.mean(values) if values else None

    return {
        "files": len(scores),
        "loaded": sum(1 for one in scores if not one.refused),
        # Without the folder, which is another one on every machine.
        "refused": {
            one.file: one.refused.split(f"{one.file}: ")[-1] for one in scores if one.refused
        },
        "with reference": sum(1 for one in scores if one.measures),
        **{name: mean(name) for name in ("words in order", "words", "cells", "rows")},
        "pages": sum(one.pages for one in scores),
        "seconds": round(sum(one.seconds for one in scores), 2),
    }


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    shares = ("words in order", "words", "cells", "rows")
    table = Table("format", "program", "files", "loaded", *shares, "pages", "seconds")
    for suffix, programs in results.items():
        for program, one in programs.items():
            cells = ["" if one[name] is None else f"{one[name]:.3f}" for name in shares]
            counts = [str(one["files"]), str(one["loaded"])]
            seconds = f"{one['seconds']:.1f}"
            table.add_row(suffix, program, *counts, *cells, str(one["pages"] or ""), seconds)
    console.print(table)
    for programs in results.values():
        for program, one in programs.items():
            for file, reason in one["refused"].items():
                console.print(f"{program} refused {file}: {reason}", style="dim", soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="fixtures_docling")
    parser.add_argument("--files", action="store_true", help="print each file's figures, too")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    programs = {"ragpg": by_ragpg, "markitdown": by_markitdown()}
    results: dict[str, dict[str, Any]] = {}
    for suffix, paths in sources(arguments.folder).items():
        for program, convert in programs.items():
            scores = [read(path, convert, reference_of(path)) for path in paths]
            results.setdefault(suffix, {})[program] = summary(scores)
            if arguments.files:
                for score in scores:
                    print(program, json.dumps(asdict(score), ensure_ascii=False))
    show(results, Console(width=120))
    arguments.output.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
