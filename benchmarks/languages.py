"""Does the word leg work in other languages, and where a script puts no space between words?

    python -m benchmarks.languages ../shared/data        # prints the table, writes languages.json

XQuAD has the same 240 paragraphs and 1,190 questions in English, German and Chinese. Each language
is a collection, and all of them together are one ("mixed", language auto); every question is asked
by words alone, by embedding (all-MiniLM-L6-v2, an English model) and by both. In "mixed" a question
has to find its paragraph in its own language among the other two.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import ir_measures
from ir_measures import R, nDCG
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks.ranking import read_lines
from ragpg.search.hits import Mode

LANGUAGES = {"en": "english", "de": "german", "zh": "simple"}
MODES: tuple[Mode, ...] = ("keyword", "vector", "hybrid")


def ingest(client: ragpg.Client, data: Path, codes: list[str], language: str) -> str:
    name = f"xquad_{'_'.join(codes)}_{language}"
    client.collection(name).add(
        records=[
            {
                "text": row["text"],
                "source": f"{code}/{row['_id']}",
                "title": row.get("title", ""),
                "media_type": "text/plain",
            }
            for code in codes
            for row in read_lines(data / "xquad" / code / "corpus.jsonl")
        ],
        language=language,
    )
    return name


def measure(
    client: ragpg.Client, data: Path, code: str, collection: str, mode: Mode
) -> dict[str, float]:
    labels = {
        query: {f"{code}/{document}": int(score)}
        for query, document, score in (
            line.split("\t")
            for line in (data / "xquad" / code / "qrels.tsv").read_text().split("\n")[1:]
            if line
        )
    }
    found: dict[str, dict[str, float]] = {}
    for row in read_lines(data / "xquad" / code / "queries.jsonl"):
        ranking: dict[str, float] = {}
        for hit in client.collection(collection).search(row["text"], k=20, mode=mode):
            ranking.setdefault(hit.source, -float(len(ranking)))
        found[row["_id"]] = ranking
    measured = ir_measures.calc_aggregate([nDCG @ 10, R @ 10], labels, found)
    return {str(measure): value for measure, value in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with xquad")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    table = Table("questions", "searched", *MODES, title="nDCG@10 / recall@10")
    with ragpg.connect() as client:
        mixed = ingest(client, arguments.data, list(LANGUAGES), "auto")
        all_english = ingest(client, arguments.data, list(LANGUAGES), "english")
        for code, language in LANGUAGES.items():
            alone = ingest(client, arguments.data, [code], language)
            for collection in (alone, mixed, all_english):
                cells = []
                for mode in MODES:
                    measured = measure(client, arguments.data, code, collection, mode)
                    results[f"{code}, {collection}, {mode}"] = measured
                    cells.append(f"{measured['nDCG@10']:.3f} / {measured['R@10']:.3f}")
                table.add_row(code, collection, *cells)
    Console(width=110).print(table)
    words = {
        code: results[f"{code}, xquad_{code}_{language}, keyword"]["R@10"]
        for code, language in LANGUAGES.items()
    }
    print(f"by words, zh finds {words['zh'] / words['en']:.3f} of what en finds (recall@10)")
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
