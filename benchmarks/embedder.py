"""Does fine-tuning the embedding model find more, on questions about documents it did not learn?

    python -m benchmarks.embedder ../shared/data scifact     # prints it, writes embedder.json

Ingests a set as a user would (one document per text, default chunks and model), loads its questions
as an evaluation set, and does what `ragpg finetune embedder` does: about half of the questions, and
all documents they are labelled with, are held out. Seconds are of everything after the ingest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ragpg
from benchmarks.quality import SETS, labels_of
from benchmarks.ranking import read_lines
from ragpg.cli.console import count_progress, out
from ragpg.cli.evaluation import print_differences
from ragpg.finetuning.embedder import EmbedderTraining, Result, as_plain
from ragpg.finetuning.training import Recipe


def ingest(client: ragpg.Client, data: Path, name: str) -> ragpg.Collection:
    """Makes the collection hold the set and its questions, labelled where their answers stand."""
    known, folder = SETS[name], data / SETS[name].folder
    corpus = [row for row in read_lines(folder / known.corpus) if row["text"].strip()]
    collection = client.collection(f"embedder_{name}")
    report = collection.add(
        records=[
            {
                "text": row["text"],
                "source": row["_id"],
                "title": row.get("title", ""),
                "media_type": "text/plain",
            }
            for row in corpus
        ],
        language=known.language,
    )
    print(f"{name}: {report.added} added, {report.unchanged} unchanged")
    texts = {row["_id"]: row["text"] for row in read_lines(folder / known.queries)}
    labels = labels_of(folder / known.qrels)
    spans = answer_spans(folder / "answers.jsonl")
    questions = {
        texts[key]: {
            "question": texts[key],
            "labels": [spans.get((key, source)) or {"source": source} for source in labels[key]],
        }
        for key in labels
    }
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(one) + "\n" for one in questions.values())
        file.flush()
        collection.evaluation.load(Path(file.name))
    return collection


def answer_spans(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns a label for each question and document with the answer's characters, if known."""
    rows = read_lines(path) if path.exists() else ()
    return {
        (row["_id"], row["doc_id"]): {
            "source": row["doc_id"],
            "start_char": row["spans"][0][0],
            "end_char": row["spans"][0][1],
        }
        for row in rows
        if row["spans"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder of the labelled sets")
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, help="train on at most so many pairs")
    arguments = parser.parse_args()
    recipe = Recipe(epochs=arguments.epochs)
    path = Path(__file__).with_suffix(".json")
    results = json.loads(path.read_text()) if path.exists() else {}
    with ragpg.connect() as client:
        for name in arguments.sets:
            collection = ingest(client, arguments.data, name)
            with count_progress("reading") as progress:
                training = EmbedderTraining(
                    collection.session, collection.name, limit=arguments.limit
                )
                found = training.run(recipe, progress=progress)
            print_differences(found.measures, "before", "trained")
            out.print(f"{name}: {found.verdict}, {found.seconds:.0f} s")
            results[name] = measured(found, recipe)
    path.write_text(json.dumps(results, indent=2) + "\n")


def measured(found: Result, recipe: Recipe) -> dict[str, Any]:
    """Returns what is worth keeping of a result: no ids and no folder of this machine."""
    told = as_plain(found)
    plan = {key: told["plan"][key] for key in told["plan"] if key not in ("folder", "index_id")}
    kept = ("negatives", "verdict", "seconds", "measures")
    return {**plan, **asdict(recipe), **{key: told[key] for key in kept}}


if __name__ == "__main__":
    main()
