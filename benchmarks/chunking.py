"""How much of what answers a question do chunks bring back, at the same number of tokens?

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.chunking ../shared/data           # prints tables, writes chunking.json

ragpg's chunker and those of other libraries cut the same documents into chunks of the same budget
of the embedding model's tokens (what ragpg puts before a chunk, its context, included). The same
model embeds them, and the same two retrievals rank them: cosine similarity alone, and ragpg's
hybrid of cosine and BM25 as standard scores (exact, in numpy; sql/search/search.sql).

Chunks are read in rank order until 500 or 1,000 tokens of text are full, the last one cut there, so
that small chunks are neither favoured nor punished; also the first five whatever their size.
Recall, precision and IoU of characters are those of Smith and Troynikov, "Evaluating Chunking
Strategies for Retrieval", Chroma 2024. nDCG@10 calls a chunk relevant that overlaps a labelled
span. Differences to the best other library are paired by question, with bootstrap intervals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.chunking_data import SETS, Question, Span, SpanSet, load_set
from benchmarks.chunking_peers import CHUNKERS, VARIANTS, Chunker, Piece, Tokens, versions
from ragpg.models import SentenceTransformerEmbedder

BUDGETS = (64, 128, 254)
VARIANT_BUDGET = 128
READ = (500, 1000)
RETRIEVALS = ("vector", "hybrid")
VECTOR_WEIGHT = 0.7  # the default of search_indexes.vector_weight
DEPTH = 40  # chunks in a ranking: enough for 1,000 tokens of small ones
OURS = "ragpg"

Scores = NDArray[np.float64]
Result = dict[str, Scores]  # metric -> one value a question


class Embeddings:
    """Embeds each text once in a run."""

    def __init__(self, embedder: SentenceTransformerEmbedder) -> None:
        self._embedder = embedder
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def of(self, texts: list[str]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if new:
            vectors = self._embedder.embed_documents(list(new.values()))
            self._known.update(zip(new, vectors, strict=True))
        return np.stack([self._known[key] for key in keys])


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk with its document, and the offsets of the document's tokens in it."""

    document: str
    span: Span
    starts: list[int]


class Words:
    """BM25 over chunks, and how its scores are distributed over all of them (query_words.sql)."""

    def __init__(self, texts: list[str]) -> None:
        self._index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self._index.index(_lexemes(texts), show_progress=False)
        self._scores: dict[str, Scores] = {}

    def standard_scores(self, query: str) -> Scores | float:
        words = [word for word in _lexemes([query])[0] if word in self._index.vocab_dict]
        if not words:
            return 0.0
        each = [self._word(word) for word in words]
        deviation = np.sqrt(sum(scores.var() for scores in each))
        total: Scores = np.sum(each, axis=0)
        standard: Scores = (total - sum(scores.mean() for scores in each)) / (deviation or 1.0)
        return standard

    def _word(self, word: str) -> Scores:
        if word not in self._scores:
            self._scores[word] = np.asarray(self._index.get_scores([word]), np.float64)
        return self._scores[word]


_STEMMER = Stemmer.Stemmer("english")


def _lexemes(texts: list[str]) -> list[list[str]]:
    found: list[list[str]] = bm25s.tokenize(
        texts, stopwords="english_plus", stemmer=_STEMMER, return_ids=False, show_progress=False
    )
    return found


# One chunker at one budget ---------------------------------------------------------------------


def evaluate(
    data: SpanSet, chunker: Chunker, budget: int, tokens: Tokens, embeddings: Embeddings
) -> tuple[dict[str, Result], dict[str, float]]:
    """Returns the metrics of each retrieval, and what is known of the chunks."""
    chunks: list[Chunk] = []
    texts: list[str] = []
    for document in data.documents:
        pieces = [one for one in chunker(document, budget, tokens) if one.embedded.strip()]
        starts = list(tokens.starts(document.text))
        chunks += [_chunk(document.id, one, starts) for one in pieces]
        texts += [one.embedded for one in pieces]
    documents = np.array([chunk.document for chunk in chunks])
    vectors, words = embeddings.of(texts), Words(texts)
    asked = embeddings.of([question.text for question in data.questions])
    values: dict[str, dict[str, list[float]]] = {r: defaultdict(list) for r in RETRIEVALS}
    for question, embedding in zip(data.questions, asked, strict=True):
        allowed = documents == question.document if data.within else slice(None)
        for retrieval, scores in _scores(question, embedding, vectors, words).items():
            candidates = np.arange(len(chunks))[allowed]
            order = candidates[np.argsort(-scores[candidates], kind="stable")[:DEPTH]]
            ranking = [chunks[place] for place in order]
            for metric, value in _measures(question, ranking, chunks).items():
                values[retrieval][metric].append(value)
    sizes = [tokens.count(text) for text in texts]
    about = {
        "chunks": len(chunks),
        "mean_tokens": statistics.mean(sizes),
        "over_budget": sum(size > budget for size in sizes) / len(sizes),
    }
    return {r: {m: np.array(v) for m, v in each.items()} for r, each in values.items()}, about


def _chunk(document: str, piece: Piece, starts: list[int]) -> Chunk:
    first, after = bisect_left(starts, piece.start), bisect_left(starts, piece.end)
    return Chunk(document, (piece.start, piece.end), starts[first:after])


def _scores(
    question: Question, embedding: NDArray[np.float32], vectors: NDArray[np.float32], words: Words
) -> dict[str, Scores]:
    similarity = (vectors @ embedding).astype(np.float64)
    standard = (similarity - similarity.mean()) / (similarity.std() or 1.0)
    hybrid = VECTOR_WEIGHT * standard + (1 - VECTOR_WEIGHT) * words.standard_scores(question.text)
    return {"vector": similarity, "hybrid": hybrid}


# Measures --------------------------------------------------------------------------------------


def _measures(question: Question, ranking: list[Chunk], chunks: list[Chunk]) -> dict[str, float]:
    found: dict[str, float] = {}
    readings = {str(budget): _read(ranking, budget) for budget in READ}
    readings["5 chunks"] = [(chunk.document, *chunk.span) for chunk in ranking[:5]]
    labelled = sum(end - start for start, end in question.spans)
    for name, spans in readings.items():
        read = sum(end - start for _, start, end in spans)
        inside = [(a, b) for document, a, b in spans if document == question.document]
        hit = sum(_covered(span, inside) for span in question.spans)
        found[f"recall@{name}"] = hit / labelled
        found[f"precision@{name}"] = hit / read
        found[f"iou@{name}"] = hit / (labelled + read - hit)
    gains = [_is_relevant(chunk, question) for chunk in ranking[:10]]
    ideal = sum(_is_relevant(chunk, question) for chunk in chunks)
    best = _discounted([True] * min(ideal, 10))
    found["ndcg@10"] = _discounted(gains) / best if best else 0.0
    return found


def _read(ranking: list[Chunk], budget: int) -> list[tuple[str, int, int]]:
    """Returns the spans read, in rank order, until the budget of tokens is full."""
    spans = []
    for chunk in ranking:
        (start, end), size = chunk.span, len(chunk.starts)
        spans.append((chunk.document, start, chunk.starts[budget] if size > budget else end))
        budget -= size
        if budget <= 0:
            break
    return spans


def _covered(span: Span, spans: list[Span]) -> int:
    """Returns how many characters of the span lie in any of the spans."""
    covered, at = 0, span[0]
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, span[1])
        if start < end:
            covered, at = covered + end - start, end
    return covered


def _is_relevant(chunk: Chunk, question: Question) -> bool:
    (start, end), same = chunk.span, chunk.document == question.document
    return same and any(start < b and a < end for a, b in question.spans)


def _discounted(gains: list[bool]) -> float:
    return float(sum(gain / np.log2(place + 2) for place, gain in enumerate(gains)))


def interval(ours: Scores, theirs: Scores) -> tuple[float, float, float]:
    """Returns the mean difference and its 95 % bootstrap interval, paired by question."""
    differences = ours - theirs
    draws = np.random.default_rng(0).integers(0, len(ours), (2000, len(ours)))
    low, high = np.percentile(differences[draws].mean(axis=1), [2.5, 97.5])
    return float(differences.mean()), float(low), float(high)


# Tables ----------------------------------------------------------------------------------------

METRICS = (*(f"{m}@{b}" for b in READ for m in ("recall", "precision", "iou")), "ndcg@10")
SHOWN = ("recall@500", "recall@1000", "iou@500", "ndcg@10")
Outcome = dict[tuple[str, int, str], dict[str, Result]]  # set, budget, chunker -> retrieval


def compare(
    outcome: Outcome, name: str, budget: int, retrieval: str, metric: str
) -> dict[str, Any]:
    """Returns ours, the best peer's and their difference."""
    of = {peer: outcome[name, budget, peer][retrieval][metric] for peer in CHUNKERS}
    best = max((peer for peer in of if peer != OURS), key=lambda peer: float(of[peer].mean()))
    difference, low, high = interval(of[OURS], of[best])
    return {
        "ragpg": float(of[OURS].mean()),
        "best_peer": best,
        "best": float(of[best].mean()),
        "difference": difference,
        "interval": [low, high],
        "verdict": "better" if low > 0 else "worse" if high < 0 else "tied",
    }


def comparison_rows(outcome: Outcome, names: list[str], budgets: list[int]) -> list[list[str]]:
    rows = [["set", "chunk tokens", "retrieval", *SHOWN]]
    for name in names:
        for budget in budgets:
            for retrieval in RETRIEVALS:
                cells = []
                for metric in SHOWN:
                    one = compare(outcome, name, budget, retrieval, metric)
                    low, high = one["interval"]
                    cells.append(
                        f"{one['ragpg']:.3f} / {one['best']:.3f} "
                        f"({one['difference']:+.3f}: {low:+.3f} to {high:+.3f})"
                    )
                rows.append([name, str(budget), retrieval, *cells])
    return rows


def mean_rows(outcome: Outcome, names: list[str], budget: int) -> list[list[str]]:
    """Every chunker at one budget: hybrid, each set's recall@500 and the means over the sets."""
    rows = [["chunker", *(f"{name} recall@500" for name in names), *(f"mean {m}" for m in SHOWN)]]
    for chunker in (*CHUNKERS, *VARIANTS):
        if (names[0], budget, chunker) in outcome:
            of = [outcome[name, budget, chunker]["hybrid"] for name in names]
            cells = [f"{one['recall@500'].mean():.3f}" for one in of]
            cells += [f"{statistics.mean(one[m].mean() for one in of):.3f}" for m in SHOWN]
            rows.append([chunker, *cells])
    return rows


def markdown(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--half", choices=["tune", "report"], default="report")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "chunking.json")
    arguments = parser.parse_args()
    console = Console(width=200, highlight=False)
    embedder = SentenceTransformerEmbedder()
    run(arguments, console, Tokens(embedder), Embeddings(embedder))


def run(arguments: Any, console: Console, tokens: Tokens, embeddings: Embeddings) -> None:
    """Measures everything, prints the tables and writes the JSON."""
    started, outcome, about = time.monotonic(), Outcome(), {}
    sizes = {}
    for name in arguments.sets:
        data = load_set(arguments.data, name, arguments.half)
        sizes[name] = {"documents": len(data.documents), "questions": len(data.questions)}
        for budget in arguments.budgets:
            variants = VARIANTS if budget == VARIANT_BUDGET else {}
            for chunker, cut in {**CHUNKERS, **variants}.items():
                key = (name, budget, chunker)
                outcome[key], about[key] = evaluate(data, cut, budget, tokens, embeddings)
        console.print(f"{name}: {sizes[name]}, {time.monotonic() - started:.0f} s")
    console.print("\nragpg / the best other library (difference: 95 % interval)\n")
    console.print(
        markdown(comparison_rows(outcome, arguments.sets, arguments.budgets)), soft_wrap=True
    )
    for budget in arguments.budgets:
        console.print(f"\n{budget} tokens, hybrid\n")
        console.print(markdown(mean_rows(outcome, arguments.sets, budget)), soft_wrap=True)
    results = {"half": arguments.half, "sets": sizes, "peers": versions()}
    results |= _figures(arguments, outcome, about)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")


def _figures(arguments: Any, outcome: Outcome, about: dict[Any, Any]) -> dict[str, Any]:
    """Returns every mean and every comparison, for the JSON."""
    return {
        "chunkers": [
            {
                "set": name,
                "chunk_tokens": budget,
                "chunker": chunker,
                **{key: round(value, 4) for key, value in about[name, budget, chunker].items()},
                **{
                    retrieval: {m: round(float(v.mean()), 4) for m, v in each.items()}
                    for retrieval, each in found.items()
                },
            }
            for (name, budget, chunker), found in outcome.items()
        ],
        "comparisons": [
            {
                "set": name,
                "chunk_tokens": budget,
                "retrieval": retrieval,
                "metric": metric,
                **compare(outcome, name, budget, retrieval, metric),
            }
            for name in arguments.sets
            for budget in arguments.budgets
            for retrieval in RETRIEVALS
            for metric in METRICS
        ],
    }


if __name__ == "__main__":
    main()
