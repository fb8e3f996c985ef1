"""One table over every labelled set: each leg, their fusions, and each option of search.

    python -m benchmarks.quality ../shared/data        # prints the table, writes quality.json

Ingests each set as a user would (one document per text, default chunks and model, the set's own
language) and asks up to 500 of its questions. A document's place is that of its best chunk; all
rows use the same chunks and embeddings. RRF fuses 100 candidates of each leg (k = 60). policyqa is
asked with the filter its questions need. `distinct` leaves out near-duplicates, `diverse` is
maximal marginal relevance at 0.7. chunking_eval has five documents: benchmarks/chunking.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG
from rich.console import Console
from rich.progress import track
from rich.table import Table

import ragpg
from benchmarks.ranking import DEPTH, Ranking, read_lines, reciprocal_rank_fusion
from benchmarks.ranking import run as documents
from ragpg.models import HalfVector

METHODS = ("vector", "bm25", "rrf", "hybrid", "hybrid, distinct", "hybrid, diverse")
SEARCH = "ragpg.search(%(q)s, %(k)s, %(c)s, %(f)s::jsonpath, %(e)s, '{}')"
DISTINCT = "ragpg.search_distinct(%(q)s, 10, %(c)s, %(f)s::jsonpath, %(e)s, relevance => {})"


@dataclass(frozen=True)
class Set:
    folder: str
    corpus: str = "corpus.jsonl"
    queries: str = "queries.jsonl"
    qrels: str = "qrels.tsv"
    language: str = "english"
    filtered: bool = False


SETS = {
    "scifact": Set("scifact", "corpus.jsonl.gz", "queries_train.jsonl", "qrels_train.tsv"),
    "squad2": Set("squad2"),
    "anthropic_docs_rag": Set("anthropic_docs_rag"),
    "anthropic_contextual": Set("anthropic_contextual"),
    "covid_qa": Set("covid_qa"),
    "tatqa": Set("tatqa", "corpus_dev.jsonl", "queries_dev.jsonl", "qrels_dev.tsv"),
    "policyqa": Set("policyqa", filtered=True),
    "xquad_en": Set("xquad/en"),
    "xquad_de": Set("xquad/de", language="german"),
    "xquad_zh": Set("xquad/zh", language="simple"),
}


def labels_of(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text().split("\n")[1:]:
        if line:
            query, document, score = line.split("\t")
            found.setdefault(query, {})[document] = int(score)
    return found


def ask(sql: Any, call: str, given: dict[str, Any]) -> Ranking:
    statement = f"select chunk_id, source from {call} order by place"
    return [(chunk, source) for chunk, source in sql.execute(statement.encode(), given)]


def ingest(client: ragpg.Client, folder: Path, name: str) -> str:
    """Adds a set's texts, as far as they are not there; returns the collection's name."""
    collection = f"benchmark_{name}"
    records = [
        {**row, "source": row["_id"], "media_type": "text/plain"} for row in texts_of(folder, name)
    ]
    client.collection(collection).add(records=records, language=SETS[name].language)
    return collection


def texts_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [row for row in read_lines(folder / SETS[name].corpus) if row["text"].strip()]


def evaluate(
    client: ragpg.Client, data: Path, name: str, most: int, console: Console
) -> dict[str, Any]:
    known = SETS[name]
    folder = data / known.folder
    corpus = texts_of(folder, name)
    collection = ingest(client, folder, name)
    labels = labels_of(folder / known.qrels)
    article = {row["_id"]: row.get("metadata", {}).get("article") for row in corpus}
    texts = {row["_id"]: row["text"] for row in read_lines(folder / known.queries)}
    asked = [key for key in labels if key in texts][:most]
    embeddings = client.session.embedder.embed_documents([texts[key] for key in asked])
    runs: dict[str, dict[str, dict[str, float]]] = {method: {} for method in METHODS}
    questions = list(zip(asked, embeddings, strict=True))
    for key, embedding in track(questions, description=name, console=console):
        only = article[next(iter(labels[key]))] if known.filtered else None
        given = {
            "q": texts[key],
            "k": DEPTH,
            "c": collection,
            "f": None if only is None else f"$.article == {json.dumps(only)}",
            "e": HalfVector(embedding),
        }
        with client.database.connection() as sql:
            vector = ask(sql, SEARCH.format("vector"), given)
            words = ask(sql, SEARCH.format("keyword"), given)
            rankings = {
                "vector": vector,
                "bm25": words,
                "rrf": reciprocal_rank_fusion(vector, words),
                "hybrid": ask(sql, SEARCH.format("hybrid"), given),
                "hybrid, distinct": ask(sql, DISTINCT.format(1), given),
                "hybrid, diverse": ask(sql, DISTINCT.format(0.7), given),
            }
        for method, ranking in rankings.items():
            runs[method][key] = documents(ranking)
    wanted = {key: labels[key] for key in asked}
    result: dict[str, Any] = {"questions": len(asked), "documents": len(corpus)}
    for method, each in runs.items():
        found = ir_measures.calc_aggregate([nDCG @ 10, R @ 10], wanted, each)
        result[method] = {str(measure): value for measure, value in found.items()}
    return result


def show(results: dict[str, Any], console: Console) -> None:
    table = Table("nDCG@10", "questions", *METHODS, "to the better leg")
    to_better = {
        name: result["hybrid"]["nDCG@10"] - max(result[leg]["nDCG@10"] for leg in METHODS[:2])
        for name, result in results.items()
    }
    for name, result in results.items():
        values = [f"{result[method]['nDCG@10']:.3f}" for method in METHODS]
        table.add_row(name, str(result["questions"]), *values, f"{to_better[name]:+.3f}")
    means = {
        method: statistics.mean(result[method]["nDCG@10"] for result in results.values())
        for method in METHODS
    }
    table.add_row("mean", "", *(f"{mean:.3f}" for mean in means.values()))
    console.print(table)
    worst = min((difference, name) for name, difference in to_better.items())
    console.print(
        f"hybrid is {means['hybrid'] - means['rrf']:+.3f} to RRF on average, and "
        f"{worst[0]:+.3f} to the better leg where it does worst ({worst[1]})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder of the labelled sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--questions", type=int, default=500, help="most of each set")
    arguments = parser.parse_args()
    console = Console(width=120)
    with ragpg.connect() as client:
        results = {
            name: evaluate(client, arguments.data, name, arguments.questions, console)
            for name in arguments.sets
        }
    show(results, console)
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
