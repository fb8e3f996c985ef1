"""When should a question be left unanswered? Relevance beside a threshold on similarity.

    python -m benchmarks.calibration ../shared/data     # after benchmarks/quality.py

squad2 has questions that look like others but that its articles do not answer. What
`ragpg.calibrate` fits and chooses (`ragpg_internal.choose_abstention`) is fitted on the questions
of half of the articles and tested on those of the others, both ways round, beside a threshold on
the best hit's similarity chosen on the same questions. Also: the same without the questions that
hold a negation, of which squad2 has many among the unanswerable; and how many questions of other
sets, which squad2 cannot answer and nothing was fitted to, are refused.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import roc_auc_score

import ragpg
from benchmarks.ranking import read_lines
from ragpg.models import HalfVector

COLLECTION = "benchmark_squad2"
FOREIGN = {
    "scifact": "queries_train.jsonl",
    "covid_qa": "queries.jsonl",
    "policyqa": "queries.jsonl",
}
FOREIGN_QUESTIONS = 200  # of each
KEEP = (0.95, 0.9, 0.8)
DRAWS = 1000  # of the bootstrap
SIGNALS = """
with hit as materialized (
    select *
    from ragpg.search(%(question)s, 3, %(collection)s, query_embedding => %(embedding)s)
)
select
    found.similarity, signal.words_held, cardinality(signal.missing_names),
    signal.unmatched_negation
from (
    select
        max(similarity) as similarity, array_agg(content order by place) as passages,
        array_agg(title order by place) as titles
    from hit
) as found
cross join ragpg.collections as one
cross join lateral ragpg_internal.answer_signals(
    one.active_index_id, %(question)s, found.passages, found.titles
) as signal
where one.name = %(collection)s
"""
CHOOSE = """
select relevance_weights, min_similarity, min_relevance, similarity_alone
from ragpg_internal.choose_abstention(
    %s::double precision[], %s::double precision[], %s::integer[], %s::boolean[], %s::boolean[], %s
)
"""
Flags = NDArray[np.bool_]


class Questions:
    """What is known of each question's hits, and whether there is an answer; arrays of length n."""

    def __init__(self, client: ragpg.Client, data: Path, console: Console) -> None:
        folder = data / "squad2"
        labels = {row["_id"]: row for row in read_lines(folder / "answers.jsonl")}
        asked = [row for row in read_lines(folder / "queries.jsonl") if row["_id"] in labels]
        texts = [row["text"] for row in asked]
        for name, file in FOREIGN.items():
            lines = list(read_lines(data / name / file))[:FOREIGN_QUESTIONS]
            texts += [row["text"] for row in lines]
        embeddings = client.session.embedder.embed_documents(
            texts
        )  # the default model has no prompts
        with client.database.connection() as sql:
            rows = [
                sql.execute(
                    SIGNALS.encode(),
                    {"question": text, "collection": COLLECTION, "embedding": HalfVector(vector)},
                ).fetchone()
                for text, vector in track(
                    list(zip(texts, embeddings, strict=True)), "asking", console=console
                )
            ]
            negated = sql.execute(
                # Where nothing was found no sentence can match a negation.
                "select array_agg(signal.unmatched_negation order by asked.place)"
                " from unnest(%s::text[]) with ordinality as asked (text, place)"
                " cross join lateral ragpg_internal.answer_signals(1, asked.text, null, null)"
                " as signal",
                (texts,),
            ).fetchone()
        self.signals = [list(column) for column in zip(*(row for row in rows if row), strict=True)]
        self.similarity = np.array(self.signals[0], np.float64)
        self.count = len(asked)
        self.is_foreign = np.arange(len(texts)) >= self.count
        own = [labels[row["_id"]] for row in asked]
        foreign = [False] * (len(texts) - self.count)
        self.is_answerable = np.array([row["answerable"] for row in own] + foreign)
        articles = [row["article_id"] for row in own]
        half = set(sorted(set(articles))[::2])
        self.is_first_half = np.array([one in half for one in articles] + foreign)
        self.is_negated = np.array((negated or ([],))[0])

    def choose(self, sql: Any, of: Flags, keep: float) -> tuple[list[float], float, float, float]:
        given = [[column[n] for n in np.flatnonzero(of)] for column in self.signals]
        weights, *floors = sql.execute(
            CHOOSE, (*given, self.is_answerable[of].tolist(), keep)
        ).fetchone()
        return weights, *floors

    def relevance(self, sql: Any, weights: list[float]) -> NDArray[np.float64]:
        found = sql.execute(
            "select array_agg("
            "ragpg_internal.logistic(%s::double precision[], s, w, m, u) order by place)"
            " from unnest(%s::double precision[], %s::double precision[], %s::integer[],"
            " %s::boolean[]) with ordinality as one (s, w, m, u, place)",
            (weights, *self.signals),
        ).fetchone()
        return np.array(found[0])


def compare(sql: Any, known: Questions, fit: Flags, test: Flags) -> dict[str, Any]:
    """Returns areas under the curve with the interval of their difference, and what is refused."""
    result: dict[str, Any] = {"fitted": int(fit.sum()), "tested": int(test.sum()), "rows": []}
    for keep in KEEP:
        weights, least_similarity, least_relevance, alone = known.choose(sql, fit, keep)
        relevance = known.relevance(sql, weights)
        by = {
            "similarity": known.similarity >= alone,
            "relevance": (known.similarity >= least_similarity) & (relevance >= least_relevance),
        }
        for name, answered in by.items():
            of = {
                "kept": (test & known.is_answerable, answered),
                "refused": (test & ~known.is_answerable, ~answered),
                "foreign refused": (known.is_foreign, ~answered),
            }
            row: dict[str, Any] = {"keep": keep, "by": name}
            for told, (which, hit) in of.items():
                counts = (int((which & hit).sum()), int(which.sum()))
                low, high = sql.execute(
                    "select low, high from ragpg_internal.wilson_interval(%s, %s)", counts
                ).fetchone()
                row[told] = [round(value, 4) for value in (counts[0] / counts[1], low, high)]
            result["rows"].append(row)
    tested = np.flatnonzero(test)
    draw = np.random.default_rng(0)
    areas = {"similarity": known.similarity, "relevance": relevance}
    for name, values in areas.items():
        result[name] = round(roc_auc_score(known.is_answerable[test], values[test]), 4)
    differences = []
    for _ in range(DRAWS):
        drawn = draw.choice(tested, len(tested))
        truth = known.is_answerable[drawn]
        differences.append(
            roc_auc_score(truth, relevance[drawn]) - roc_auc_score(truth, known.similarity[drawn])
        )
    result["difference"] = [round(value, 4) for value in np.quantile(differences, (0.025, 0.975))]
    result["weights"] = [round(value, 3) for value in weights]
    return result


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table("tested on", "keep", "by", "answerable kept", "unanswerable refused", "foreign")
    for name, result in results.items():
        for row in result["rows"]:
            cells = ["{:.3f} ({:.3f} to {:.3f})".format(*row[told]) for told in ("kept", "refused")]
            foreign = f"{row['foreign refused'][0]:.3f}"
            table.add_row(name, str(row["keep"]), row["by"], *cells, foreign)
    console.print(table)
    table = Table("area under the curve", "questions", "similarity", "relevance", "difference")
    for name, result in results.items():
        table.add_row(
            name,
            f"{result['tested']}",
            f"{result['similarity']:.3f}",
            f"{result['relevance']:.3f}",
            "{:+.3f} to {:+.3f}".format(*result["difference"]),
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder of the labelled sets")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "calibration.json")
    arguments = parser.parse_args()
    console = Console(width=120)
    results = {}
    with ragpg.connect() as client:
        known = Questions(client, arguments.data, console)
        own = ~known.is_foreign
        with client.database.connection() as sql:
            for suffix, which in (("", own), (", none negated", own & ~known.is_negated)):
                for half, fit in (
                    ("second half", known.is_first_half),
                    ("first half", own & ~known.is_first_half),
                ):
                    results[half + suffix] = compare(sql, known, fit & which, which & ~fit)
    show(results, console)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
