"""Documents, chunks and hits that are nearly the same, against brute force."""

from __future__ import annotations

import random
import re
from itertools import combinations
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg

# Documents that are nearly the same ------------------------------------------------------------


def random_documents(seed: int) -> list[str]:
    """Returns texts of lines and sentences; some are copies with a few of them changed."""
    drawn = random.Random(seed)
    sentence = [f"Sentence number {n} says {'word ' * (n % 7)}{n * 7919}." for n in range(400)]
    texts = []
    for _ in range(40):
        texts.append([drawn.choice(sentence) for _ in range(drawn.randrange(3, 25))])
    for _ in range(40):
        near = list(drawn.choice(texts))
        for _ in range(drawn.randrange(0, 4)):
            near[drawn.randrange(len(near))] = drawn.choice(sentence)
        texts.append(near)
    ends = ["\n", " ", "\n\n"]
    return [
        "Common header line of all\n" + "".join(s + drawn.choice(ends) for s in t) for t in texts
    ]


def units(text: str) -> dict[str, int]:
    """Returns the lines and sentences of a text with their characters."""
    cut = (part.strip(" \t.!?") for part in re.split("\n|[.!?] +", text))
    return {unit: len(unit) for unit in cut if unit}


def brute_force(texts: list[str]) -> dict[tuple[int, int], float]:
    held = [units(text) for text in texts]
    pairs = {}
    for a, b in combinations(range(len(texts)), 2):
        both = sum(held[a][unit] for unit in held[a].keys() & held[b].keys())
        similarity = both / (sum(held[a].values()) + sum(held[b].values()) - both)
        if similarity >= 0.8:
            pairs[a, b] = similarity
    return pairs


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicate_documents_are_those_of_brute_force(
    sql: psycopg.Connection, seed: int
) -> None:
    texts = list(dict.fromkeys(random_documents(seed)))
    expected = brute_force(texts)
    assert len(expected) > 10
    for number, text in enumerate(texts):
        sql.execute("select ragpg.put_document('c', %s, %s)", (f"{number}", text))
    rows = sql.execute(
        "select first_source, second_source, similarity from ragpg.near_duplicate_documents('c')"
        " where not is_copy"
    ).fetchall()
    assert {(int(a), int(b)): s for a, b, s in rows} == pytest.approx(expected)


def test_many_alike_documents_are_each_paired_with_the_first(sql: psycopg.Connection) -> None:
    for number in range(30):
        text = "\n".join(f"Clause {n} of the contract." for n in range(20)) + f"\nFor {number}."
        sql.execute("select ragpg.put_document('c', %s, %s)", (f"{number:02}", text))
    rows = sql.execute(
        "select first_source, second_source from ragpg.near_duplicate_documents('c')"
    ).fetchall()
    assert sorted(rows) == [("00", f"{number:02}") for number in range(1, 30)]


# Chunks that are nearly the same ---------------------------------------------------------------


def add_vectors(client: ragpg.Client, texts: list[str], vectors: Any) -> None:
    client.collection("v").add(
        records=[
            {"text": text, "source": f"{number}", "embedding": vector}
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
    )


def clustered(seed: int, count: int = 60) -> tuple[list[str], Any]:
    """Returns texts with vectors (count, 8) that lie in small clusters."""
    drawn = np.random.default_rng(seed)
    centres = drawn.normal(size=(count // 4, 8))
    which = drawn.integers(len(centres), size=count)
    vectors = centres[which] + 0.12 * drawn.normal(size=(count, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    texts = [f"rate {' '.join(f'w{one}x{n}' for n in range(9))} {i}" for i, one in enumerate(which)]
    return texts, vectors.astype(np.float32)


def overlap(a: str, b: str) -> float:
    first, second = set(a.split()), set(b.split())
    return len(first & second) / len(first | second)


def test_near_duplicates_are_those_of_brute_force(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    texts, vectors = clustered(1)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    expected = {
        (a, b)
        for a, b in combinations(range(len(texts)), 2)
        if cosines[a, b] >= 0.95 and overlap(texts[a], texts[b]) >= 0.8
    }
    assert len(expected) > 20
    rows = sql.execute(
        "select first_source, second_source, similarity, overlap"
        " from ragpg.near_duplicates('v', neighbours => 59)"
    ).fetchall()
    assert {tuple(sorted((int(a), int(b)))) for a, b, _, _ in rows} == expected
    assert len(rows) == len(expected)
    for a, b, similarity, shared in rows:
        assert similarity == pytest.approx(cosines[int(a), int(b)], abs=1e-3)
        assert shared == pytest.approx(overlap(texts[int(a)], texts[int(b)]))


def test_near_duplicates_use_the_vector_index(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    texts, vectors = clustered(2, 2000)
    add_vectors(client, texts, vectors)
    sql.execute("select pg_stat_reset()")
    sql.execute("select count(*) from ragpg.near_duplicates('v', chunks => 25)")
    sql.execute("select pg_stat_force_next_flush()")
    rows = sql.execute(
        "select idx_scan from pg_stat_user_indexes where indexrelname like '%hnsw%'"
    ).fetchall()
    assert rows == [(25,)]


def test_copies_are_paired_and_other_words_are_not(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    same = [1.0, *[0.0] * 7]
    texts = ["one two three four five", "one two three four five", "list of other things here"]
    add_vectors(client, texts, np.array([same] * 3, np.float32))
    rows = sql.execute("select first_source, second_source from ragpg.near_duplicates('v')")
    assert rows.fetchall() == [("0", "1")]
    rows = sql.execute("select count(*) from ragpg.near_duplicates('v', min_overlap => 0)")
    assert rows.fetchall() == [(3,)]


# Search without near-duplicates ----------------------------------------------------------------


def search(sql: psycopg.Connection, query: Any, k: int, options: str = "") -> list[tuple[Any, ...]]:
    return sql.execute(
        "select place, source, content, similarity from ragpg.search_distinct('', %s, 'v',"
        f" query_embedding => %s::real[]::halfvec, mode => 'vector'{options}) order by place",
        (k, query.tolist()),
    ).fetchall()


@pytest.mark.parametrize("k", [1, 5, 12, 60])
def test_search_distinct_is_what_brute_force_keeps(
    client: ragpg.Client, sql: psycopg.Connection, k: int
) -> None:
    texts, vectors = clustered(3)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    query = units[7] + 0.3 * units[20]
    kept: list[int] = []
    for one in np.argsort(-(units @ query), kind="stable"):
        if not any(
            units[one] @ units[other] >= 0.95 and overlap(texts[one], texts[other]) >= 0.8
            for other in kept
        ):
            kept.append(int(one))
    assert 12 < len(kept) < 60
    found = search(sql, query, k)
    assert [int(row[1]) for row in found] == kept[:k]
    assert [row[0] for row in found] == list(range(1, len(found) + 1))


def test_maximal_marginal_relevance(client: ragpg.Client, sql: psycopg.Connection) -> None:
    texts, vectors = clustered(4, 24)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    query = units[0]
    similarity = units @ query
    scores = (similarity - similarity.min()) / (similarity.max() - similarity.min())
    nearest = np.zeros(24)
    picks: list[int] = []
    for _ in range(6):
        value = 0.6 * scores - 0.4 * nearest
        value[picks] = -np.inf
        picks.append(int(np.argmax(value)))
        nearest = np.maximum(nearest, units @ units[picks[-1]])
    found = search(sql, query, 6, ", relevance => 0.6, max_similarity => 2")
    assert [int(row[1]) for row in found] == picks


def test_distinct_hits_from_python(client: ragpg.Client, sql: psycopg.Connection) -> None:
    held = client.collection("c")
    text = "The refund is paid in five days, whatever the reason for it was"
    for number in range(12):
        held.add(text=f"{text} {number}.", source=f"copy {number}")
    held.add(text="A refund needs the receipt.", source="receipt")
    assert [hit.source for hit in held.search("refund", 3, distinct=True)] != [
        hit.source for hit in held.search("refund", 3)
    ]
    hits = held.search("refund", 5, distinct=True)
    assert sorted(hit.source.split()[0] for hit in hits) == ["copy", "receipt"]
    with pytest.raises(psycopg.Error, match="relevance is 2") as caught:
        sql.execute("select * from ragpg.search_distinct('refund', 3, 'c', relevance => 2)")
    assert caught.value.sqlstate == "RG005"
