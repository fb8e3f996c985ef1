"""Can the scores of the hits tell whether there is an answer?

    python -m benchmarks.calibration ../shared/data     # after benchmarks/ranking.py

squad2 has questions that look like others but that its articles do not answer. A threshold on the
best hit's similarity (what ragpg.calibrate chooses) and logistic regressions on more that is known
of the hits are fitted on the questions of half of the articles and tested on those of the others.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ragpg
from benchmarks.ranking import read_lines

QUESTIONS = 2000
COLLECTION = "benchmark_squad2"
KEEP = (0.99, 0.95, 0.9, 0.8)
KNOWN = """
with word as materialized (
    select known.*
    from ragpg.collections as one
    cross join ragpg.query_words(one.active_index_id, %(question)s) as known
    where one.name = %(collection)s
)
select
    hit.similarity, hit.score, coalesce(hit.bm25, 0),
    -- the share of the question's words, by weight, that the hit holds
    coalesce((
        select sum(word.weight) filter (where chunk.lexemes @@ word.word)
            / nullif(sum(word.weight), 0)
        from word
    ), 0)
from ragpg.search(%(question)s, 2, %(collection)s, query_embedding => %(embedding)s) as hit
join ragpg.chunks as chunk on chunk.id = hit.chunk_id
order by hit.place
"""
SIGNALS = ("similarity", "score", "bm25", "words held", "similarity margin", "score margin")
MODELS = {
    "similarity alone": [0],
    "similarity, words held": [0, 3],
    "similarity, score, bm25": [0, 1, 2],
    "all": [0, 1, 2, 3, 4, 5],
}


def signals(client: ragpg.Client, questions: list[str]) -> NDArray[np.float64]:
    """Returns what is known of each question's hits, of shape (questions, signals)."""
    rows = []
    embeddings = client.embedder.embed_documents(questions)  # the default model has no prompts
    with client.database.connection() as sql:
        for question, embedding in zip(questions, embeddings, strict=True):
            parameters = {
                "question": question,
                "collection": COLLECTION,
                "embedding": HalfVector(embedding),
            }
            first, second = sql.execute(KNOWN.encode(), parameters).fetchall()
            rows.append([*first, first[0] - second[0], first[1] - second[1]])
    return np.array(rows, np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with squad2")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "calibration.json")
    arguments = parser.parse_args()
    folder = arguments.data / "squad2"
    labels = {row["_id"]: row for row in read_lines(folder / "answers.jsonl")}
    asked = [row for row in read_lines(folder / "queries.jsonl") if row["_id"] in labels]
    asked = random.Random(0).sample(asked, min(QUESTIONS, len(asked)))
    truth = np.array([labels[row["_id"]]["answerable"] for row in asked])
    articles = np.array([labels[row["_id"]]["article_id"] for row in asked])
    chosen = set(sorted(set(articles))[::2])
    fit = np.array([article in chosen for article in articles])
    with ragpg.connect() as client:
        known = signals(client, [row["text"] for row in asked])
        results = {
            "questions": {"fitted": int(fit.sum()), "tested": int((~fit).sum())},
            "thresholds": thresholds(client, known[:, 0], truth, fit),
            "models": models(known, truth, fit),
        }
    show(results, Console(width=110))
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


def thresholds(client: ragpg.Client, similarity: Any, truth: Any, fit: Any) -> list[dict[str, Any]]:
    """Returns, for each share to keep, the threshold and what it does to the other half."""
    rows = []
    with client.database.connection() as sql:
        for keep in KEEP:
            (threshold,) = sql.execute(
                "select ragpg.similarity_to_keep(%s, %s, %s)",
                (similarity[fit].tolist(), truth[fit].tolist(), keep),
            ).fetchone() or (0.0,)
            row: dict[str, Any] = {"keep": keep, "min_similarity": round(threshold, 4)}
            for name, of, hit in (
                ("kept", truth & ~fit, similarity >= threshold),
                ("refused", ~truth & ~fit, similarity < threshold),
            ):
                counts = (int((of & hit).sum()), int(of.sum()))
                low, high = sql.execute(
                    "select low, high from ragpg.wilson_interval(%s, %s)", counts
                ).fetchone() or (0, 1)
                row[name] = [round(counts[0] / counts[1], 4), round(low, 4), round(high, 4)]
            rows.append(row)
    return rows


def models(known: Any, truth: Any, fit: Any) -> dict[str, Any]:
    """Returns the area under the curve on the other half, of each signal and of regressions."""
    found: dict[str, Any] = {
        f"signal: {name}": round(roc_auc_score(truth[~fit], known[~fit, place]), 4)
        for place, name in enumerate(SIGNALS)
    }
    for name, places in MODELS.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(known[fit][:, places], truth[fit])
        scores = model.predict_proba(known[~fit][:, places])[:, 1]
        found[f"regression: {name}"] = round(roc_auc_score(truth[~fit], scores), 4)
    return found


def show(results: dict[str, Any], console: Console) -> None:
    table = Table("keep", "min_similarity", "answerable kept", "unanswerable refused")
    for row in results["thresholds"]:
        cells = [f"{a:.3f} ({b:.3f} to {c:.3f})" for a, b, c in (row["kept"], row["refused"])]
        table.add_row(str(row["keep"]), f"{row['min_similarity']:.3f}", *cells)
    console.print(table)
    table = Table("area under the curve, on the other half", "")
    for name, area in results["models"].items():
        table.add_row(name, f"{area:.3f}")
    console.print(table)
    console.print(results["questions"])


if __name__ == "__main__":
    main()
