"""How long inspection takes, and how often it names the language rightly
and notices mojibake.

    python -m benchmarks.inspection URL DATA

URL: a database with documents; each collection in it is inspected and timed. DATA: the folder with
xquad (en, de, zh) and docs_fastapi_md. Nothing is written.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

import ragpg

NAMES = {"en": "english", "de": "german", "zh": "chinese"}
STATEMENTS = {
    "corpus_overview": "select * from ragpg.corpus_overview where collection = %s",
    "corpus_problems": "select * from ragpg.corpus_problems where collection = %s",
    "near_duplicate_documents": "select * from ragpg.near_duplicate_documents(%s)",
    "near_duplicates": "select * from ragpg.near_duplicates(%s)",
    "repeated_lines": "select * from ragpg.repeated_lines(%s)",
    "search_distinct": "select * from ragpg.search_distinct('how is it configured', 10, %s)",
    "search": "select * from ragpg.search('how is it configured', 10, %s)",
}  # fmt: skip


def main() -> None:
    url, data = sys.argv[1], Path(sys.argv[2])
    with psycopg.connect(url) as connection:
        for name, texts in language_sets(data):
            _print_languages(connection, name, texts)
            _print_mojibake(connection, name, [text for _, text in texts])
        _print_times(connection)
    for folder in ("docs_postgres15_html", "docs_fastapi_md", "fixtures_docling"):
        started = time.monotonic()
        with ragpg.connect(url) as client:
            found = client.collection().inspection.files([data / folder])
        print(
            f"files {folder}: {found.overview['documents']} documents, {len(found.problems)} "
            f"problems, {time.monotonic() - started:.1f} s"
        )


def language_sets(data: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yields the name of a set and its (language, text)."""
    for code, language in NAMES.items():
        lines = (data / "xquad" / code / "corpus.jsonl").read_text().split("\n")
        yield f"xquad {code}", [(language, json.loads(line)["text"]) for line in lines if line]
    docs = []
    for path in sorted((data / "docs_fastapi_md").rglob("*.md")):
        found = re.search(r"/docs/(en|de|zh)/docs/", path.as_posix())
        if found:
            docs.append((NAMES[found[1]], path.read_text()))
    yield "docs_fastapi_md", docs


def _print_languages(
    connection: psycopg.Connection, name: str, texts: list[tuple[str, str]]
) -> None:
    in_sql = connection.execute(
        "select ragpg.text_language(given) from unnest(%s::text[]) with ordinality as t (given, n)"
        " order by n",
        ([text for _, text in texts],),
    ).fetchall()
    answers = [one for (one,) in in_sql]
    right = sum(one == truth for one, (truth, _) in zip(answers, texts, strict=True))
    print(f"{name}: {right} of {len(texts)}, {answers.count(None)} unknown")


def _print_mojibake(connection: psycopg.Connection, name: str, texts: list[str]) -> None:
    """Prints how many texts are called garbled as they are, and once they are."""
    foreign = [text for text in texts if not text.isascii()]
    false = sum(_is_garbled(connection, text) for text in texts)
    found = sum(_is_garbled(connection, garbled(text)) for text in foreign)
    print(f"{name}: {found} of {len(foreign)} garbled texts found, {false} false alarms")


def _is_garbled(connection: psycopg.Connection, text: str) -> bool:
    rows = connection.execute("select kind from ragpg.text_problems(%s)", (text,))
    return any(kind == "mojibake" for (kind,) in rows)


def garbled(text: str) -> str:
    """Returns what a program sees that reads UTF-8 as Windows-1252."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


def _print_times(connection: psycopg.Connection) -> None:
    rows = connection.execute("select name from ragpg.collections order by name").fetchall()
    for (collection,) in rows:
        for name, statement in STATEMENTS.items():
            started = time.monotonic()
            found = connection.execute(statement, (collection,)).fetchall()
            seconds = time.monotonic() - started
            print(f"stored {collection}: {name} {len(found)} rows, {seconds:.2f} s")


if __name__ == "__main__":
    main()
