"""Recall, filters and plans of a larger collection, written from SQL."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector

import ragpg
from ragpg.models import HalfVector
from ragpg.search.hits import Mode

from ..conftest import WordEmbedder, database_url, new_database
from .larger import rows

# A larger collection, written from SQL -----------------------------------------------------------

DIMENSIONS = 16
COUNT = 3000
RANDOM = np.random.default_rng(7).normal(size=(COUNT, DIMENSIONS)).astype(np.float32)
RANDOM /= np.linalg.norm(RANDOM, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def template_vectors(server: str) -> str:
    """A database with 3,000 documents of one chunk with random vectors; metadata.n counts them."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create database template_vectors template template_ragpg")
    with psycopg.connect(database_url(server, "template_vectors")) as connection:
        _fill(connection)
    return "template_vectors"


def _fill(sql: psycopg.Connection) -> None:
    register_vector(sql)
    draw = random.Random(7)
    vocabulary = [f"w{n}" for n in range(300)]
    model = rows(
        sql,
        "select ragpg_internal.ensure_embedding_model('test', 'random', 100, %s)",
        HalfVector(RANDOM[0]),
    )[0][0]
    index = rows(sql, "select ragpg_internal.ensure_search_index('big', %s, 50)", model)[0][0]
    for n, vector in enumerate(RANDOM):
        content = " ".join(draw.choices(vocabulary, weights=range(300, 0, -1), k=12))
        sql.execute(
            """
            select ragpg_internal.replace_chunks(
                %s, stored.document_id, stored.version, array[0], array[char_length(%s)],
                array[''], array[12], array[%s::halfvec])
            from ragpg.put_document('big', %s, %s, metadata => jsonb_build_object('n', %s::int))
                as stored
            """,
            (index, content, HalfVector(vector), f"d{n}", content, n),
        )
    rows(sql, "select ragpg.refresh_search_index(%s)", index)


@pytest.fixture
def big(server: str, template_vectors: str) -> Iterator[psycopg.Connection]:
    """A connection to a copy of that database."""
    for copy in new_database(server, template_vectors):
        with psycopg.connect(copy, autocommit=True) as connection:
            register_vector(connection)
            yield connection


def exact(query: np.ndarray[Any, Any], allowed: int, k: int) -> set[str]:
    order = np.argsort(-(RANDOM[:allowed] @ query))
    return {f"d{n}" for n in order[:k]}


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 1.0])
def test_k_rows_and_recall_at_every_selectivity(big: psycopg.Connection, share: float) -> None:
    allowed, found_right, wanted = max(int(COUNT * share), 1), 0, 0
    for query in np.random.default_rng(3).normal(size=(20, DIMENSIONS)):
        for mode in ("vector", "hybrid"):
            found = rows(
                big,
                """
                select source from ragpg.search(
                    'w7 w290', k => 10, query_embedding => %s, mode => %s, filter => %s::jsonpath)
                """,
                HalfVector(query), mode, f"$.n < {allowed}" if share < 1 else None,
            )  # fmt: skip
            assert len(found) == min(10, allowed)
            if mode == "vector":
                right = exact(query, allowed, 10)
                found_right += len(right & {source for (source,) in found})
                wanted += len(right)
    assert found_right / wanted >= 0.95


@pytest.mark.parametrize("k", [1, 99, 101, 1500, COUNT, COUNT + 5])
def test_any_k_is_answered(big: psycopg.Connection, k: int) -> None:
    query = HalfVector(np.ones(DIMENSIONS))
    found = rows(
        big, "select place, chunk_id from ragpg.search('w1', %s, query_embedding => %s)", k, query
    )
    assert len(found) == min(k, COUNT)
    assert len({chunk for _, chunk in found}) == len(found)


def test_of_very_common_words_the_best_are_found_in_one_scan(big: psycopg.Connection) -> None:
    """As a million chunks are searched: the counts of this small collection, a hundredfold."""
    kept = []
    for query in ("w1 w60 w150 w280", "w2 w5 w9 w200 w299", "w10 w20 w30", "w3 w80 w120"):
        words, weights, counts = rows(
            big,
            "select array_agg(word order by place), array_agg(weight order by place),"
            " array_agg(chunk_count order by place) from ragpg_internal.query_words(1, %s)",
            query,
        )[0]
        best: list[set[int]] = []
        for given in (None, [100 * count for count in counts]):
            found = rows(
                big,
                "select chunk_id from ragpg_internal.keyword_candidates("
                "1, %s::tsquery[], %s, 50000, 30, null, null, 0, %s::integer[]) limit 10",
                words, weights, given,
            )  # fmt: skip
            best.append({chunk for (chunk,) in found})
        kept.append(len(best[0] & best[1]) / len(best[0]))
    assert sum(kept) / len(kept) >= 0.95, kept


@pytest.mark.parametrize(
    ("counts", "asked"),
    [
        (None, "'a' | 'b' & ( 'c' | 'd' ) | 'c' & 'd'"),
        ([10, 2500, 20000, 90000], "'a' | 'b' & ( 'c' | 'd' ) | 'c' & 'd'"),
        ([10, 2500, 40000, 90000], "'a' | 'b' & ( 'c' | 'd' )"),
        ([10, 20, 40000, 90000], "'a' | 'b'"),
        ([90000, 91000, 92000, 93000], "'a'"),
    ],
)
def test_what_is_read_of_common_words(
    sql: psycopg.Connection, counts: list[int] | None, asked: str
) -> None:
    """A rare word alone, the others with a partner, the commonest only as partners."""
    [(found,)] = rows(
        sql,
        "select ragpg_internal.word_combinations("
        "'{a,b,c,d}'::tsquery[], '{5,2,2,2}', 4, %s::integer[])::text",
        counts,
    )
    assert found == asked


def test_many_dead_rows_do_not_shorten_the_answer(big: psycopg.Connection) -> None:
    query = np.ones(DIMENSIONS)
    near = [f"d{n}" for n in np.argsort(-(RANDOM @ query))[:1200]]
    rows(big, "delete from ragpg.documents where source = any(%s) returning 1", near)
    found = rows(
        big,
        "select source from ragpg.search('', 50, query_embedding => %s, mode => 'vector')",
        HalfVector(query),
    )
    assert len(found) == 50


def test_the_words_found_first_are_the_best(big: psycopg.Connection) -> None:
    """Rarest words first finds what scoring every chunk finds, for common and rare words."""
    draw = random.Random(5)
    for _ in range(15):
        query = " ".join(f"w{draw.randrange(300)}" for _ in range(draw.randrange(1, 9)))
        every = rows(
            big, "select source, score from ragpg.search(%s, 3000, mode => 'keyword')", query
        )
        ten = rows(big, "select source, score from ragpg.search(%s, 10, mode => 'keyword')", query)
        assert ten == every[:10]


def test_the_hybrid_hits_are_the_best_of_all_chunks(big: psycopg.Connection) -> None:
    """With 3,000 candidates every chunk is scored; with 100, nearly all that can win are."""
    draw = random.Random(6)
    asked = [
        (
            " ".join(f"w{draw.randrange(300)}" for _ in range(draw.randrange(1, 9))),
            HalfVector(embedding),
        )
        for embedding in np.random.default_rng(8).normal(size=(20, DIMENSIONS))
    ]
    found = []
    for candidates in (COUNT, 100):
        rows(big, "update ragpg.search_indexes set candidates = %s returning 1", candidates)
        found.append(
            [
                (number, source)
                for number, (query, embedding) in enumerate(asked)
                for (source,) in rows(
                    big,
                    "select source from ragpg.search(%s, 5, query_embedding => %s)",
                    query,
                    embedding,
                )
            ]
        )
    every, few = found
    assert len(few) == 100 and len(set(every) & set(few)) >= 98


def test_words_are_looked_up_one_by_one(big: psycopg.Connection) -> None:
    """Not joined with every word of the index, as a plan without statistics would."""
    rows(big, "select set_config('enable_seqscan', 'off', false)")
    plan = str(rows(big, "explain select * from ragpg_internal.query_words(1, 'w1 w2')"))
    assert "lexeme_statistics_pkey" in plan
    assert "AND (lexeme = (said.lexeme)::text))" in plan


def test_the_plans_use_the_indexes(big: psycopg.Connection) -> None:
    rows(big, "select set_config('enable_seqscan', 'off', false)")
    plan = "\n".join(
        line
        for (line,) in rows(
            big,
            "explain select content from ragpg.chunks_of_big order by embedding <=> %s limit 5",
            HalfVector(np.ones(DIMENSIONS)),
        )
    )
    assert "_embedding_hnsw" in plan
    plan = str(
        rows(big, "explain select id from ragpg.chunks where index_id = 1 and lexemes @@ 'w1'")
    )
    assert "chunks_1_lexemes_gin" in plan


def test_search_uses_the_vector_index(big: psycopg.Connection) -> None:
    count = """
        select coalesce(sum(idx_scan), 0)
        from pg_stat_user_indexes
        where indexrelname = 'chunks_1_embedding_hnsw'
    """
    before = rows(big, count)[0][0]
    rows(big, "select set_config('enable_seqscan', 'off', false)")  # 16 dimensions are soon read
    rows(
        big,
        "select * from ragpg.search('w1', query_embedding => %s)",
        HalfVector(np.ones(DIMENSIONS)),
    )
    rows(big, "select pg_stat_force_next_flush()")
    assert rows(big, count)[0][0] > before


def test_standard_scores_make_the_hybrid(big: psycopg.Connection) -> None:
    """score = w z(similarity) + (1 - w) z(bm25): linear, so two rows give the deviations of all."""
    query = HalfVector(RANDOM[5] + 0.3)
    found = rows(
        big,
        "select score, similarity, bm25 from ragpg.search('w1 w2 w250', 60, query_embedding => %s)",
        query,
    )
    table = np.array(found, dtype=float)
    design = np.column_stack([table[:, 1], table[:, 2], np.ones(len(table))])
    weights, *_ = np.linalg.lstsq(design, table[:, 0], rcond=None)
    assert np.allclose(design @ weights, table[:, 0], atol=1e-6)
    similarities = RANDOM @ (RANDOM[5] + 0.3) / np.linalg.norm(RANDOM[5] + 0.3)
    ((mean, deviation),) = rows(
        big, "select * from ragpg_internal.similarity_spread(1, '', %s::halfvec)", query
    )
    assert deviation == pytest.approx(similarities.std(), rel=0.15)  # 256 sampled
    by_question = 0.65 * (((max(similarities) - mean) / deviation - 2) / 3)
    assert 0.1 < by_question < 0.65
    assert weights[0] == pytest.approx(by_question / deviation, rel=0.01)
    assert list(table[:, 0]) == sorted(table[:, 0], reverse=True)


def test_the_weight_follows_the_question_unless_one_is_set(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    assert rows(
        sql,
        "select z, round(ragpg_internal.question_weight(z)::numeric, 3)"
        " from unnest(array[null, -1, 2, 3.5, 5, 9]::float[]) as z",
    ) == [
        (None, 0),
        (-1, 0),
        (2, 0),
        (3.5, Decimal("0.325")),
        (5, Decimal("0.65")),
        (9, Decimal("0.65")),
    ]

    def weight() -> float:
        """Of two hits, from what their scores and legs differ by."""
        found = rows(sql, "select score, similarity, bm25 from ragpg.search('refund limit', 6,"
                          " query_embedding => %s)", HalfVector(WordEmbedder().embed_query("refund")))  # fmt: skip
        table = np.array(found, dtype=float)
        by_legs, *_ = np.linalg.lstsq(
            np.column_stack([table[:, 1], table[:, 2], np.ones(len(table))]),
            table[:, 0],
            rcond=None,
        )
        return float(by_legs[0])

    register_vector(sql)
    follows = weight()
    sql.execute("update ragpg.search_indexes set vector_weight = 0")
    assert weight() == pytest.approx(0, abs=1e-9)
    sql.execute("update ragpg.search_indexes set vector_weight = 1")
    assert weight() > follows
    sql.execute("update ragpg.search_indexes set vector_weight = null")
    assert weight() == pytest.approx(follows)


def test_each_hit_has_its_place_in_each_leg(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    hits = handbook.explain("money refund limits", k=6)
    assert [hit.chunk_id for hit in hits] == [
        hit.chunk_id for hit in handbook.search("money refund limits", k=6)
    ]
    legs: tuple[Mode, ...] = ("vector", "keyword")
    for mode in legs:
        places = {
            hit.chunk_id: hit.place
            for hit in handbook.search("money refund limits", k=100, mode=mode)
        }
        assert places
        assert [getattr(hit, f"{mode}_place") for hit in hits] == [
            places.get(hit.chunk_id) for hit in hits
        ]
    worded = rows(
        sql, "select place, vector_place, keyword_place from ragpg.explain_search('refund', k => 1)"
    )
    assert worded == [(1, None, 1)], "without an embedding there is no vector leg"


def test_a_filter_that_goes_against_the_question_is_exact(big: psycopg.Connection) -> None:
    """The index finds what is near the question: of what is far from it it would miss some."""
    query = RANDOM[5]
    by_similarity = np.argsort(-(RANDOM @ query))
    far = {int(n) for n in by_similarity[-COUNT // 3 :]}
    rows(
        big,
        "update ragpg.documents set metadata = jsonb_build_object('side',"
        " case when source = any(%s) then 'far' else 'near' end) returning 1",
        [f"d{n}" for n in far],
    )
    # As it is in an index of more than 20,000 chunks; what a pattern lets through is not listed.
    rows(big, "update ragpg.index_statistics set chunk_count = 100000 returning 1")

    def scans() -> int:
        rows(big, "select pg_stat_force_next_flush() is null")
        name = "chunks_1_embedding_hnsw"
        found = rows(big, "select idx_scan from pg_stat_user_indexes where indexrelname = %s", name)
        return int(found[0][0])

    for side, chosen in (("far", far), ("near", set(range(COUNT)) - far)):
        before = scans()
        found = rows(
            big, "select source from ragpg.search('w7', query_embedding => %s, mode => 'vector',"
            " filter => %s::jsonpath)", HalfVector(query), f'$.side like_regex "{side}"',
        )  # fmt: skip
        assert scans() > before or side == "far"
        right = [f"d{n}" for n in by_similarity if int(n) in chosen][:10]
        assert len({source for (source,) in found} & set(right)) >= (10 if side == "far" else 9)
