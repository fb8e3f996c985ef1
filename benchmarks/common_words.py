"""What does hybrid search lose by reading the commonest words only beside rarer ones?

    python -m benchmarks.common_words ../shared/data

Where more than 30,000 chunks hold a question's words, ragpg.search reads those of the commonest
words only beside a rarer one. No labelled set here is as large, so the bounds (30,000 and 2,000, of
a million chunks) become as small a part of each set, and then a third of that; nDCG@10 of hybrid
with them, beside the same without. The functions are replaced in a transaction that is rolled back.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import nDCG
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks import quality
from benchmarks.ranking import DEPTH, read_lines
from benchmarks.ranking import run as documents
from ragpg.models import HalfVector

UNBOUNDED = 10**9
BOUNDED = {
    "ragpg.search": {"word_chunks <= 30000": "word_chunks <= {most}"},
    "ragpg_internal.word_combinations": {"<= 2000": "<= {few}", "> 30000": "> {most}"},
}


def bound(sql: Any, most: int) -> None:
    for name, changes in BOUNDED.items():
        (text,) = sql.execute("select pg_get_functiondef(%s::regproc)", [name]).fetchone()
        for before, after in changes.items():
            assert before in text, (name, before)
            text = text.replace(before, after.format(most=most, few=max(most // 15, 1)))
        sql.execute(text.encode())


def measure(
    sql: Any, collection: str, questions: dict[str, tuple[str, Any]], labels: Any
) -> dict[str, float]:
    """Returns nDCG@10 of hybrid search by question."""
    found = {}
    for key, (text, embedding) in questions.items():
        given = {"q": text, "k": DEPTH, "c": collection, "f": None, "e": HalfVector(embedding)}
        found[key] = documents(quality.ask(sql, quality.SEARCH.format("hybrid"), given))
    wanted = {key: labels[key] for key in questions}
    return {one.query_id: one.value for one in ir_measures.iter_calc([nDCG @ 10], wanted, found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the labelled sets")
    parser.add_argument("--sets", nargs="+", default=["squad2", "covid_qa", "tatqa", "scifact"])
    parser.add_argument("--questions", type=int, default=400)
    arguments = parser.parse_args()
    table = Table("", "chunks", "bound", "nDCG@10", "difference", "better", "worse", "worst")
    with ragpg.connect() as client:
        for name in arguments.sets:
            known = quality.SETS[name]
            folder = arguments.data / known.folder
            collection = quality.ingest(client, folder, name)
            labels = quality.labels_of(folder / known.qrels)
            texts = {row["_id"]: row["text"] for row in read_lines(folder / known.queries)}
            asked = [key for key in labels if key in texts][: arguments.questions]
            embeddings = client.session.embedder.embed_documents([texts[key] for key in asked])
            questions = {key: (texts[key], one) for key, one in zip(asked, embeddings, strict=True)}
            (status,) = client.collection(collection).indexes.status()
            chunks = status["chunks"]
            whole: dict[str, float] = {}
            for most in (UNBOUNDED, chunks * 30 // 1000, chunks * 10 // 1000):
                with client.database.connection() as sql:
                    bound(sql, most)
                    each = measure(sql, collection, questions, labels)
                    sql.rollback()
                whole = whole or each
                differences = [each[key] - whole[key] for key in whole]
                table.add_row(
                    name, f"{chunks:,}", "none" if most == UNBOUNDED else f"{most}",
                    f"{statistics.mean(each.values()):.4f}", f"{statistics.mean(differences):+.4f}",
                    str(sum(one > 1e-9 for one in differences)),
                    str(sum(one < -1e-9 for one in differences)), f"{min(differences):+.3f}",
                )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
