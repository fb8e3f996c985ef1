"""How well does each way of ranking find the labelled documents?

    python -m benchmarks.ranking ../shared/data            # prints the table, writes ranking.json

Ingests each set with ragpg as a user would (one document per text, default chunks and model), asks
every labelled question and compares, on the same chunks and the same embeddings: the vector leg,
BM25, reciprocal rank fusion of the two (k = 60, 100 candidates each), ragpg's hybrid, and the
hybrid without a query embedding. BM25 is also computed by the library bm25s from the same lexemes.
A document's place is that of its best chunk. Metrics are those of ir-measures.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import ir_measures
import numpy as np
from ir_measures import R, nDCG
from rich.console import Console
from rich.progress import track
from rich.table import Table

import ragpg
from ragpg.models import HalfVector, SentenceTransformerEmbedder

SETS = {
    "scifact": ("corpus.jsonl.gz", "queries_train.jsonl", "qrels_train.tsv"),
    "squad2": ("corpus.jsonl", "queries.jsonl", "qrels.tsv"),
    "anthropic_docs_rag": ("corpus.jsonl", "queries.jsonl", "qrels.tsv"),
}
METHODS = ("vector", "bm25", "rrf", "hybrid", "hybrid without embedding", "bm25s reference")
DEPTH = 100
Ranking = list[tuple[int, str]]  # chunk id and document, best first


@dataclass(frozen=True)
class LabelledSet:
    name: str
    corpus: list[dict[str, str]]
    queries: dict[str, str]
    labels: dict[str, dict[str, int]]


def read_set(folder: Path, name: str) -> LabelledSet:
    corpus, queries, qrels = (folder / name / file for file in SETS[name])
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for line in qrels.read_text().split("\n")[1:]:
        if line:
            query, document, score = line.split("\t")
            labels[query][document] = int(score)
    texts = {row["_id"]: row["text"] for row in read_lines(queries)}
    return LabelledSet(
        name, list(read_lines(corpus)), {key: texts[key] for key in labels}, dict(labels)
    )


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in raw.decode().split("\n"):  # not splitlines: texts hold U+2028
        if line:
            yield json.loads(line)


def ingest(client: ragpg.Client, data: LabelledSet, console: Console) -> str:
    name = f"benchmark_{data.name}"
    report = client.collection(name).add(
        records=[
            {
                "text": row["text"],
                "source": row["_id"],
                "title": row.get("title", ""),
                "media_type": "text/plain",
            }
            for row in data.corpus
            if row["text"].strip()
        ]
    )
    console.print(f"{data.name}: {report.added} added, {report.unchanged} unchanged")
    return name


class Searcher:
    """Runs each method for one query and remembers how long the SQL took."""

    def __init__(self, client: ragpg.Client, collection: str) -> None:
        self.client = client
        self.collection = collection
        self.milliseconds: dict[str, list[float]] = defaultdict(list)

    def sql(self, method: str, mode: str, query: str, embedding: Any) -> Ranking:
        with self.client.database.connection() as connection:
            started = time.perf_counter()
            rows = connection.execute(
                """
                select chunk_id, source
                from ragpg.search(%s, %s, %s, query_embedding => %s, mode => %s)
                order by place
                """,
                (query, DEPTH, self.collection, embedding, mode),
            ).fetchall()
            self.milliseconds[method].append((time.perf_counter() - started) * 1000)
        return [(chunk, source) for chunk, source in rows]

    def all(self, query: str, embedding: HalfVector) -> dict[str, Ranking]:
        vector = self.sql("vector", "vector", query, embedding)
        words = self.sql("bm25", "keyword", query, None)
        return {
            "vector": vector,
            "bm25": words,
            "rrf": reciprocal_rank_fusion(vector, words),
            "hybrid": self.sql("hybrid", "hybrid", query, embedding),
            "hybrid without embedding": self.sql(METHODS[4], "hybrid", query, None),
        }


def reciprocal_rank_fusion(*rankings: Ranking, constant: int = 60) -> Ranking:
    """Cormack, Clarke and Buettcher 2009."""
    scores: dict[tuple[int, str], float] = defaultdict(float)
    for ranking in rankings:
        for place, chunk in enumerate(ranking, 1):
            scores[chunk] += 1 / (constant + place)
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk[0]))


def reference(client: ragpg.Client, collection: str) -> Callable[[str], Ranking]:
    """bm25s (Lu 2024), Lucene's variant, over the lexemes Postgres made."""
    with client.database.connection() as connection:
        chunks = connection.execute(
            """
            select chunk.id, document.source,
                (select array_agg(word.lexeme)
                from unnest(chunk.lexemes) as word, unnest(word.positions))
            from ragpg.chunks as chunk
            join ragpg.documents as document on document.id = chunk.document_id
            join ragpg.collections as one on one.active_index_id = chunk.index_id
            where one.name = %s
            order by chunk.id
            """,
            (collection,),
        ).fetchall()
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([words or [] for _, _, words in chunks], show_progress=False)
    known = [(chunk, source) for chunk, source, _ in chunks]

    def rank(query: str) -> Ranking:
        with client.database.connection() as connection:
            row = connection.execute(
                "select array_agg(word.lexeme)"
                " from unnest(ragpg.text_lexemes(%s, 'english')) as word, unnest(word.positions)",
                (query,),
            ).fetchone()
        words = [word for word in (row[0] if row else None) or [] if word in index.vocab_dict]
        if not words:
            return []
        scores = index.get_scores(words)
        best = sorted(np.nonzero(scores)[0], key=lambda n: (-scores[n], known[n][0]))[:DEPTH]
        return [known[n] for n in best]

    return rank


def run(ranking: Ranking) -> dict[str, float]:
    """The documents of a ranking of chunks, each at its best chunk's place, as scores."""
    places: dict[str, float] = {}
    for _, source in ranking:
        places.setdefault(source, -len(places))
    return places


def evaluate(client: ragpg.Client, data: LabelledSet, console: Console) -> dict[str, Any]:
    collection = ingest(client, data, console)
    embedder = client.session.embedder
    assert isinstance(embedder, SentenceTransformerEmbedder)
    embeddings = embedder.embed_documents(list(data.queries.values()))
    searcher, rank = Searcher(client, collection), reference(client, collection)
    runs: dict[str, dict[str, dict[str, float]]] = {method: {} for method in METHODS}
    questions = list(zip(data.queries.items(), embeddings, strict=True))
    for (key, query), embedding in track(questions, description=data.name, console=console):
        rankings = searcher.all(query, HalfVector(embedding))
        rankings["bm25s reference"] = rank(query)
        for method, ranking in rankings.items():
            runs[method][key] = run(ranking)
    result: dict[str, Any] = {"queries": len(data.queries), "documents": len(data.corpus)}
    for method, each in runs.items():
        found = ir_measures.calc_aggregate([nDCG @ 10, R @ 10], data.labels, each)
        result[method] = {"nDCG@10": found[nDCG @ 10], "R@10": found[R @ 10]}
        if searcher.milliseconds[method]:
            result[method]["median_ms"] = statistics.median(searcher.milliseconds[method])
    return result


def show(results: dict[str, Any], console: Console) -> None:
    table = Table("method", *results, "mean nDCG@10", title="nDCG@10 / recall@10")
    for method in METHODS:
        cells = [f"{r[method]['nDCG@10']:.3f} / {r[method]['R@10']:.3f}" for r in results.values()]
        mean = statistics.mean(r[method]["nDCG@10"] for r in results.values())
        table.add_row(method, *cells, f"{mean:.3f}")
    console.print(table)
    for method in METHODS[:5]:
        if method != "rrf":
            times = ", ".join(f"{r[method]['median_ms']:.1f}" for r in results.values())
            console.print(f"median ms a search, k = {DEPTH}, {method}: {times}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with scifact, squad2, anthropic_docs_rag")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "ranking.json")
    arguments = parser.parse_args()
    console = Console()
    with ragpg.connect() as client:
        results = {
            name: evaluate(client, read_set(arguments.data, name), console)
            for name in arguments.sets
        }
    show(results, console)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
