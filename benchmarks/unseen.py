"""How much do the loaders recover of files they were not developed with?

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.unseen FOLDER --files       # prints, writes unseen.json

unseen.csv names the files, their references and licences, and where they come from. FOLDER holds
them: a Debian package in a folder of its name (`apt-get download NAME`, `dpkg -x NAME_*.deb
FOLDER/NAME`), a GitHub repository in `OWNER+NAME` (`git clone`, then the commit of the list), and
all that is gzipped unpacked (`gunzip -r FOLDER`).

Nothing here was looked at while a reader was written. The measures are those of `loading.py`. A
reference is what the authors published beside the file: the same manual as HTML or text, the
article as JATS, the parsed document that pandoc's authors keep, a sheet's CSV, the article a person
marked in a web page. It is read by this module, by rules that know nothing of the readers, and on
both sides, for both programs alike,

- a number is a word of its own wherever it stands (`H2O`, a note's mark after a word), since a
  reference says where text is raised and a page does not;
- numbers that begin a line and are followed by a point or a bracket are dropped: in HTML a list's
  numbers are no text;
- leaders and the page's number after them (`Index . . . . 12`) are dropped: only pages have them.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lxml import etree, html
from rich.console import Console

from benchmarks.loading import Converted, Score, by_markitdown, by_ragpg, read, show, summary

_LIST = Path(__file__).with_suffix(".csv")
_NO_TEXT = {"script", "style", "nav", "tex-math", "contrib-id", "institution-id", "pub-id"}
_INLINE = {"a", "b", "bold", "code", "em", "ext-link", "i", "italic", "span", "strong", "tt", "u"}
_FRONT = ("title-group", "contrib-group", "aff", "author-notes", "abstract", "kwd-group")


def reference_of(path: Path) -> str:
    """The text that `path`, a reference, says the file has, its tables as Markdown."""
    match path.suffix:
        case ".html" | ".htm":
            # Manuals set menus and indexes as tables: of these pages only words are compared.
            return "".join(_marked(html.parse(path).getroot().find("body"))).replace("|", " ")
        case ".xml":
            return _jats(etree.parse(path, etree.XMLParser(load_dtd=False)).getroot())
        case ".native" | ".tex" | ".md":
            import pypandoc

            page = pypandoc.convert_file(path, "html", extra_args=["-s", "--mathjax"])
            return "".join(_marked(html.document_fromstring(page).find("body")))
        case ".csv":
            return "".join(map(_row, csv.reader(_text(path).splitlines(keepends=True))))
    return _text(path).replace("|", " ")


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _jats(article: Any) -> str:
    """The article as it is printed: front, text, back and what floats."""
    meta = article.find("front/article-meta")
    parts = [part for part in meta if part.tag in _FRONT]
    parts += [part for name in ("body", "back", "floats-group") for part in article.findall(name)]
    return "".join(text for part in parts for text in _marked(part))


def _marked(element: Any) -> Iterable[str]:
    """The texts of `element` in order, blocks on lines of their own, a row as `| a | b |`."""
    if not isinstance(element.tag, str) or element.tag in _NO_TEXT or _leads(element):
        yield " "
    elif element.tag == "tr":
        yield _row("".join(_marked(cell)) for cell in element)
    else:
        around = "" if element.tag in _INLINE else " " if element.tag in ("sup", "sub") else "\n"
        yield around + (element.text or "")
        for child in element:
            yield from _marked(child)
            yield child.tail or ""
        yield around


def _leads(element: Any) -> bool:
    """Whether these are texinfo's links to other chapters."""
    return element.get("class") in ("header", "section-toc")


def _row(cells: Iterable[str]) -> str:
    inner = (" ".join(cell.replace("|", " ").split()) for cell in cells)
    return f"\n| {' | '.join(inner)} |\n"


def alike(text: str) -> str:
    """`text` without what a reference and a page cannot both have (see above)."""
    text = re.sub(r"(?:\.\s?){4,}[ |]*\w*[ |]*$", "", text, flags=re.M)
    text = re.sub(r"^[ >|*-]*(?:\d+|[a-z])[.)](?=\s)", "", text, flags=re.M)
    return re.sub(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)", " ", text)


def referenced(folder: Path, names: str) -> str:
    """The references `names`, patterns apart by a blank or one article of a JSON file."""
    if "#" in names:
        file, key = names.split("#")
        return str(json.loads((folder / file).read_text("utf-8"))[key]["articleBody"])
    paths = [path for name in names.split() for path in sorted(folder.glob(name), key=_in_order)]
    return "\n\n".join(map(reference_of, paths))


def _in_order(path: Path) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", action="store_true", help="print each file's figures, too")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    programs = {"ragpg": by_ragpg, "markitdown": by_markitdown()}
    scores: dict[str, dict[str, list[Score]]] = {}
    with _LIST.open(newline="") as lines:
        for entry in csv.DictReader(lines):
            reference = alike(referenced(arguments.folder, entry["reference"]))
            for program, convert in programs.items():
                score = read(arguments.folder / entry["file"], _alike(convert), reference)
                scores.setdefault(entry["kind"], {}).setdefault(program, []).append(score)
                if arguments.files:
                    print(program, json.dumps(asdict(score), ensure_ascii=False), flush=True)
    results = {
        kind: {program: summary(ones) for program, ones in by.items()}
        for kind, by in scores.items()
    }
    show(results, Console(width=120))
    arguments.output.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def _alike(convert: Callable[[Path], Converted]) -> Callable[[Path], Converted]:
    def converted(path: Path) -> Converted:
        text, pages = convert(path)
        return alike(text), pages

    return converted


if __name__ == "__main__":
    main()
