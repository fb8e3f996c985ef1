"""Evaluation: measures as the reference computes them, labels that survive, reasons that hold."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import ir_measures
import psycopg
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

import ragpg
from ragpg import errors

from .conftest import WordEmbedder

Sql = psycopg.Connection[Any]
AXES = WordEmbedder.axes
K = 5


def sentence(drawn: random.Random, number: int) -> str:
    words = drawn.choices([*AXES, "the", "is", "told", "here", "plan"], k=8)
    return f"Item {number} {' '.join(words)}."


@pytest.fixture
def asked(client: ragpg.Client, tmp_path: Path) -> tuple[ragpg.Collection, list[dict[str, Any]]]:
    """Forty documents, and thirty questions whose answers are one to three of their sentences."""
    drawn = random.Random(4)
    texts = {
        f"d{n}.md": "\n\n".join(sentence(drawn, 100 * n + m) for m in range(12)) for n in range(40)
    }
    collection = client.collection("docs")
    collection.add(
        records=[{"source": source, "text": text} for source, text in texts.items()],
        chunk_tokens=30,
    )
    questions = []
    for number in range(30):
        labels = []
        for _ in range(drawn.randint(1, 3)):
            source = drawn.choice(list(texts))
            labels.append({"source": source, "quote": drawn.choice(texts[source].split("\n\n"))})
        word = drawn.choice(labels)["quote"].split()[2:6]
        questions.append({"question": f"{number} {' '.join(word)}", "labels": labels})
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in questions))
    assert collection.load_evaluation_set(path) == 30
    return collection, questions


def test_measures_are_those_of_ir_measures(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    collection, questions = asked
    run_id = collection.evaluate(k=K)
    chunks = sql.execute(
        """
        select document.source, document.content, chunk.start_char, chunk.end_char
        from ragpg.chunks as chunk join ragpg.documents as document
            on document.id = chunk.document_id
        """
    ).fetchall()
    labels: dict[str, dict[str, int]] = {one["question"]: {} for one in questions}
    spans: dict[str, set[tuple[str, int]]] = {}
    for one in questions:
        held = spans[one["question"]] = set()
        for label in one["labels"]:
            for source, text, start, end in chunks:
                first = text.find(label["quote"])
                if source == label["source"]:
                    wanted = set(range(first, first + len(label["quote"])))
                    held |= {(source, place) for place in wanted}
                    if wanted & set(range(start, end)):
                        labels[one["question"]][f"{source} {start}"] = 1
    hits = sql.execute(
        """
        select question.question, hit.source, hit.start_char, hit.end_char, hit.place
        from ragpg.evaluation_hits as hit
        join ragpg.evaluation_questions as question on question.id = hit.evaluation_question_id
        where hit.evaluation_run_id = %s
        """,
        [run_id],
    ).fetchall()
    run: dict[str, dict[str, float]] = {one["question"]: {} for one in questions}
    read: dict[str, set[tuple[str, int]]] = {one["question"]: set() for one in questions}
    for question, source, start, end, place in hits:
        run[question][f"{source} {start}"] = -place
        read[question] |= {(source, one) for one in range(start, end)}
    columns = {
        R @ K: "recall",
        P @ K: "precision",
        RR @ K: "reciprocal_rank",
        AP @ K: "average_precision",
        nDCG @ K: "ndcg",
        Success @ K: "success",
    }
    found = {
        row["question"]: row
        for row in sql.cursor(row_factory=psycopg.rows.dict_row)
        .execute("select * from ragpg.evaluation_measures where evaluation_run_id = %s", [run_id])
        .fetchall()
    }
    expected = list(ir_measures.iter_calc(list(columns), labels, run))
    assert len(expected) == 30 * len(columns)
    for score in expected:
        value = found[score.query_id][columns[score.measure]]
        assert value == pytest.approx(score.value, abs=1e-9), (score, value)
    assert len({row["ndcg"] for row in found.values()}) > 5, "the questions differ"
    for question, row in found.items():
        shared = len(spans[question] & read[question])
        assert row["span_recall"] == pytest.approx(shared / len(spans[question]))
        assert row["span_precision"] == pytest.approx(shared / len(read[question]))
        assert row["span_iou"] == pytest.approx(shared / len(spans[question] | read[question]))
    (best,) = collection.evaluation_runs()
    aggregate = ir_measures.calc_aggregate(list(columns), labels, run)
    for measure, column in {nDCG @ K: "ndcg", R @ K: "recall", RR @ K: "mrr"}.items():
        assert best[column] == pytest.approx(aggregate[measure], abs=1e-9)


def test_labels_survive_another_chunking_and_lost_ones_are_told(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    collection, questions = asked
    other = collection.create_index(chunk_tokens=12)
    collection.client.worker("docs").drain()
    run_id = collection.evaluate(k=K, index_id=other.id)
    assert collection.lost_labels() == []
    row = sql.execute(
        "select min(relevant_chunks) from ragpg.evaluation_results where evaluation_run_id = %s",
        [run_id],
    ).fetchone()
    assert row and row[0] > 0
    label = questions[0]["labels"][0]
    text = collection.text_of(label["source"]) or ""
    # Moved within its document it is found again; changed, it is told of, and not dropped.
    collection.add(records=[{"source": label["source"], "text": f"New first line.\n\n{text}"}])
    assert collection.lost_labels() == []
    collection.add(records=[{"source": label["source"], "text": text.replace("Item", "Thing")}])
    lost = collection.lost_labels()
    assert {one["state"] for one in lost} == {"quote is gone"}
    assert label["quote"] in {one["quote"] for one in lost}
    collection.delete(label["source"])
    assert {one["state"] for one in collection.lost_labels()} == {"document is gone"}


def test_each_question_that_misses_has_its_reason(client: ragpg.Client, sql: Sql) -> None:
    docs = client.collection("docs")
    filler = [{"source": f"f{n}", "text": f"The refund money item {n}."} for n in range(400)]
    long = "The login " + "and then the password " * 20 + "is reset."
    docs.add(records=[{"source": "long", "text": long}, {"source": "far", "text": "Zebra."}])
    docs.add(records=filler)

    def put(question: str, labels: list[dict[str, Any]], answerable: bool = True) -> None:
        sql.execute(
            "select ragpg.put_evaluation_question('docs', 'default', %s, %s, is_answerable => %s)",
            (question, json.dumps(labels), answerable),
        )

    put("refund money item 7", [{"source": "f7"}])
    put("what is the opening time", [{"source": "gone.md", "quote": "nine"}])
    put("login password", [{"source": "long"}])
    put("refund", [{"source": "far"}])
    put("refund money", [{"source": "f50"}])
    put("who is the king", [], answerable=False)
    row = sql.execute("select ragpg.evaluate('docs', 'default', 3, 'keyword')").fetchone()
    assert row
    found = {one["question"]: one["kind"] for one in client.evaluation_failures(row[0])}
    assert found == {
        "what is the opening time": "not in the corpus",
        "login password": "cut across chunks",
        "refund": "not among the candidates",
        "refund money": "ranked low",
    }
    (run,) = docs.evaluation_runs()
    assert (run["questions"], run["labelled_questions"]) == (6, 4)


def test_comparison_of_runs(asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql) -> None:
    collection, _ = asked
    good, same = collection.evaluate(k=K), collection.evaluate(k=K)
    bad = collection.evaluate(k=1, mode="keyword")
    assert all(
        (one.difference, one.low, one.high, one.is_noise) == (0, 0, 0, True)
        for one in collection.client.compare_evaluations(good, same)
    )
    differences = {one.measure: one for one in collection.client.compare_evaluations(good, bad)}
    recall = differences["recall"]
    assert recall.low < recall.difference < 0 and recall.high < 0 and not recall.is_noise
    assert recall.difference == pytest.approx(recall.second_mean - recall.first_mean)
    assert (recall.questions, recall.better) == (30, 0) and recall.worse > 0
    again = {one.measure: one for one in collection.client.compare_evaluations(good, bad)}
    assert again == differences, "the same runs give the same interval"
    with pytest.raises(errors.BadArgument, match="no labelled question in common"):
        collection.client.compare_evaluations(good, 99)


def test_a_set_is_the_file(client: ragpg.Client, tmp_path: Path) -> None:
    docs = client.collection("docs")
    docs.add(records=[{"source": "a", "text": "The refund."}])
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "a?"}\n\n{"question": "b?", "tags": ["x"]}\n')
    assert docs.load_evaluation_set(path, "s") == 2
    path.write_text('{"question": "b?"}\n{"question": "c?"}\n')
    assert docs.load_evaluation_set(path, "s") == 2
    run_id = docs.evaluate("s")
    (run,) = docs.evaluation_runs()
    assert (run["run_id"], run["questions"]) == (run_id, 2)
    path.write_text('{"question": "d?"}\n{"labels": []}\n')
    with pytest.raises(errors.BadArgument, match=r"set\.jsonl, line 2 is no question"):
        docs.load_evaluation_set(path, "s")
    with pytest.raises(errors.UnknownEvaluationSet, match='no evaluation set "t"'):
        docs.evaluate("t")
    docs.evaluate("s")
    assert docs.evaluation_runs()[0]["questions"] == 2, "a broken file changed nothing"


def test_a_reader_sees_the_measures_and_a_writer_measures(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    collection, _ = asked
    run_id = collection.evaluate(k=K)
    sql.execute("create role viewer_of_runs")
    try:
        sql.execute("select ragpg.grant_reader('viewer_of_runs')")
        sql.execute("set role viewer_of_runs")
        row = sql.execute("select ndcg from ragpg.evaluation_leaderboard").fetchone()
        assert row and 0 < row[0] < 1
        assert sql.execute("select * from ragpg.compare_runs(%s, %s)", [run_id, run_id]).fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql.execute("delete from ragpg.evaluation_runs")
        sql.execute("reset role")
        sql.execute("select ragpg.grant_writer('viewer_of_runs')")
        sql.execute("set role viewer_of_runs")
        assert sql.execute("select ragpg.evaluate('docs', 'default')").fetchone()
    finally:
        sql.execute("reset role")
        sql.execute("drop owned by viewer_of_runs")
        sql.execute("drop role viewer_of_runs")
