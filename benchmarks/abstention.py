"""How similar is the best hit when the collection fits the question, and when it does not?

    python -m benchmarks.abstention ../shared/data      # after benchmarks/ranking.py

Asks each benchmark collection questions of its own set and of the other sets, which it cannot
answer, and prints, for thresholds on the best hit's cosine similarity, the share of own questions
kept and of foreign questions refused. The default min_similarity of a search index is from here.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks.ranking import SETS, read_set

QUESTIONS = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    draw = random.Random(1)
    own: list[float] = []
    foreign: list[float] = []
    with ragpg.connect() as client:
        for asked in SETS:
            queries = sorted(read_set(data, asked).queries.values())
            for query in draw.sample(queries, min(QUESTIONS, len(queries))):
                embedding = client.session.embed_query(f"benchmark_{asked}", query)
                for name in SETS:
                    hits = client.collection(f"benchmark_{name}").search(
                        query, 8, query_embedding=embedding
                    )
                    best = max(hit.similarity or 0.0 for hit in hits)
                    (own if name == asked else foreign).append(best)
    table = Table("min_similarity", "own questions kept", "foreign questions refused")
    for threshold in np.arange(0.1, 0.65, 0.05):
        kept = np.mean(np.array(own) >= threshold)
        refused = np.mean(np.array(foreign) < threshold)
        table.add_row(f"{threshold:.2f}", f"{kept:.3f}", f"{refused:.3f}")
    console = Console()
    console.print(table)
    console.print(f"{len(own)} own and {len(foreign)} foreign questions")


if __name__ == "__main__":
    main()
