"""Evaluation: measures as the reference computes them, labels that survive, reasons that hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ir_measures
import psycopg
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

import ragpg
from ragpg import errors
from ragpg.indexing.worker import Worker

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer, Reply, answer, text_block
from .evaluating import Sql

K = 5
LABEL = '[{"source": "d1.md"}]'


def test_measures_are_those_of_ir_measures(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    """One run against two references; long, because both are built from the same rows."""
    collection, questions = asked
    run_id = collection.evaluation.run(k=K)
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
    (best,) = collection.evaluation.runs()
    aggregate = ir_measures.calc_aggregate(list(columns), labels, run)
    for measure, column in {nDCG @ K: "ndcg", R @ K: "recall", RR @ K: "mrr"}.items():
        assert best[column] == pytest.approx(aggregate[measure], abs=1e-9)


def test_labels_survive_another_chunking_and_lost_ones_are_told(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    collection, questions = asked
    other = collection.indexes.create(chunk_tokens=12)
    Worker(collection.session, "docs").drain()
    run_id = collection.evaluation.run(k=K, index_id=other.id)
    assert collection.evaluation.lost_labels() == []
    row = sql.execute(
        "select min(relevant_chunks) from ragpg.evaluation_results where evaluation_run_id = %s",
        [run_id],
    ).fetchone()
    assert row and row[0] > 0
    label = questions[0]["labels"][0]
    text = collection.versions.text(label["source"]) or ""
    # Moved within its document it is found again; changed, it is told of, and not dropped.
    collection.add(records=[{"source": label["source"], "text": f"New first line.\n\n{text}"}])
    assert collection.evaluation.lost_labels() == []
    collection.add(records=[{"source": label["source"], "text": text.replace("Item", "Thing")}])
    lost = collection.evaluation.lost_labels()
    assert {one["state"] for one in lost} == {"quote is gone"}
    assert label["quote"] in {one["quote"] for one in lost}
    collection.delete(label["source"])
    assert {one["state"] for one in collection.evaluation.lost_labels()} == {"document is gone"}


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
    put("login password", [{"source": "long", "quote": long}])
    put("and then the password", [{"source": "long"}])  # any chunk of it will do
    put("refund", [{"source": "far"}])
    put("refund money", [{"source": "f50"}])
    put("who is the king", [], answerable=False)
    row = sql.execute("select ragpg.evaluate('docs', 'default', 3, 'keyword')").fetchone()
    assert row
    found = {
        one["question"]: one["kind"] for one in client.collection().evaluation.failures(row[0])
    }
    assert found == {
        "what is the opening time": "not in the corpus",
        "login password": "cut across chunks",
        "refund": "not among the candidates",
        "refund money": "ranked low",
    }
    (run,) = docs.evaluation.runs()
    assert (run["questions"], run["labelled_questions"]) == (7, 5)


def test_comparison_of_runs(asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql) -> None:
    collection, _ = asked
    good, same = collection.evaluation.run(k=K), collection.evaluation.run(k=K)
    bad = collection.evaluation.run(k=1, mode="keyword")
    assert all(
        (one.difference, one.low, one.high, one.is_noise) == (0, 0, 0, True)
        for one in collection.evaluation.compare(good, same)
    )
    differences = {one.measure: one for one in collection.evaluation.compare(good, bad)}
    recall = differences["recall"]
    assert recall.low < recall.difference < 0 and recall.high < 0 and not recall.is_noise
    assert recall.difference == pytest.approx(recall.second_mean - recall.first_mean)
    assert (recall.questions, recall.better) == (30, 0) and recall.worse > 0
    again = {one.measure: one for one in collection.evaluation.compare(good, bad)}
    assert again == differences, "the same runs give the same interval"
    sql.execute("select ragpg.put_evaluation_question('docs', 'other', 'rate?', %s)", [LABEL])
    other = collection.evaluation.run("other", k=K)
    with pytest.raises(errors.BadArgument, match="no labelled question in common"):
        collection.evaluation.compare(good, other)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"labels": []}', '"question" is missing'),
        ('{"question": " "}', '"question" is empty'),
        ('{"question": 3}', '"question" is 3, not text'),
        ('["a?"]', "the line is .*, not an object"),
        ('{"question": "a?", "labels": "d1.md"}', '"labels" is .d1.md., not a list'),
        ('{"question": "a?", "labels": ["d1.md"]}', "label 1 is .d1.md., not an object"),
        ('{"question": "a?", "labels": [{"quote": "x"}]}', '"source" of label 1 is missing'),
        ('{"question": "a?", "labels": [{"source": "d", "start_char": "1"}]}', '"start_char" of'),
        ('{"question": "a?", "tags": "x"}', '"tags" is .x., not a list'),
        ('{"question": "a?"', "Expecting"),
        ('{"question": "a?", "label": []}', 'its key "label" is unknown: is "labels" meant'),
        ('{"qestion": "a?"}', 'its key "qestion" is unknown: is "question" meant'),
        ('{"question": "a?", "labels": [{"source": "d", "quot": "x"}]}', 'is "quote" meant'),
    ],
)
def test_a_line_that_is_no_question_is_told(
    client: ragpg.Client, tmp_path: Path, line: str, wrong: str
) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "b?"}\n\n' + line)
    with pytest.raises(errors.BadArgument, match=rf"line 3 is no question: .*{wrong}") as caught:
        client.collection("docs").evaluation.load(path)
    assert '"source": "..."' in str(caught.value), "what a line looks like"
    assert "Error" not in str(caught.value)


def test_runs_that_there_are_not(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], client: ragpg.Client, sql: Sql
) -> None:
    """One error, with those there are, wherever a run is named."""
    evaluation = asked[0].evaluation
    run_id = evaluation.run(k=K)
    (half,) = sql.execute("select ragpg_internal.start_evaluation('docs', 'default')").fetchall()[0]
    for none in (99, half):
        for ask in (
            evaluation.failures,
            evaluation.calibrate,
            lambda one: evaluation.compare(run_id, one),
            lambda one: evaluation.compare(one, run_id),
            lambda one: evaluation.moved_questions(one, run_id),
        ):
            with pytest.raises(errors.UnknownEvaluationSet, match=f"run {none}") as caught:
                ask(none)
            assert f"the newest are: {run_id}" in str(caught.value)
    with pytest.raises(errors.SearchIndexError, match="no search index 99"):
        asked[0].indexes.activate(99)
    nobody = client.collection("nobody")
    for listed in (
        nobody.documents,
        nobody.evaluation.runs,
        lambda: nobody.versions.history("x"),
        lambda: nobody.finetuning.export(Path("none.jsonl")),
    ):
        with pytest.raises(errors.UnknownCollection, match=r'"nobody" \(there are: docs\)'):
            listed()


def test_trials_are_judged_only_where_they_are_named(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    evaluation = asked[0].evaluation
    run_id = evaluation.run(k=K)
    trial = evaluation.run(k=1, mode="keyword", is_trial=True)
    advised = [row["finding"] for row in asked[0].finetuning.advise()]
    assert any(f"run {run_id}:" in finding for finding in advised)
    assert (evaluation.report().run_id, evaluation.report().before_id) == (run_id, None)
    named = evaluation.report(run_id=trial)
    assert (named.run_id, named.before_id) == (trial, run_id)
    assert {one["run_id"]: one["is_trial"] for one in evaluation.runs()} == {
        run_id: False,
        trial: True,
    }

    def interrupt(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluation.run(k=K, is_trial=True, progress=interrupt)
    assert sql.execute("select count(*) from ragpg.evaluation_runs").fetchone() == (2,)


def test_a_set_is_the_file(client: ragpg.Client, tmp_path: Path) -> None:
    docs = client.collection("docs")
    docs.add(records=[{"source": "a", "text": "The refund."}])
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "a?"}\n\n{"question": "b?", "tags": ["x"]}\n')
    assert docs.evaluation.load(path, "s") == 2
    path.write_text('{"question": "b?"}\n{"question": "c?"}\n')
    assert docs.evaluation.load(path, "s") == 2
    run_id = docs.evaluation.run("s")
    (run,) = docs.evaluation.runs()
    assert (run["run_id"], run["questions"]) == (run_id, 2)
    path.write_text('{"question": "d?"}\n{"labels": []}\n')
    with pytest.raises(errors.BadArgument, match=r"set\.jsonl, line 2 is no question"):
        docs.evaluation.load(path, "s")
    with pytest.raises(errors.UnknownEvaluationSet, match='no evaluation set "t"'):
        docs.evaluation.run("t")
    docs.evaluation.run("s")
    assert docs.evaluation.runs()[0]["questions"] == 2, "a broken file changed nothing"


def test_a_reader_sees_the_measures_and_a_writer_measures(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
    collection, _ = asked
    run_id = collection.evaluation.run(k=K)
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


def test_answers_of_a_run_are_judged(
    url: str, words: WordEmbedder, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MessagesServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        client = ragpg.connect(url, embedder=words)
        docs = client.collection("docs")
        texts = {"a": "The refund takes five days.", "b": "The password is reset by mail."}
        docs.add(records=[{"source": s, "text": t} for s, t in texts.items()])
        for question, source, expected in (
            ("How long does the refund take?", "a", "five days"),
            ("How is the password reset?", "b", "by mail"),
        ):
            sql.execute(
                "select ragpg.put_evaluation_question('docs', 'default', %s, %s, %s)",
                (question, json.dumps([{"source": source}]), expected),
            )
        sql.execute(
            "select ragpg.put_evaluation_question("
            "'docs', 'default', 'Who paid the refund?', is_answerable => false)"
        )
        server.enqueue(
            answer(text_block("The refund takes five days.", (0, 0, 1))),
            grade(facts_right=True, form_right=True),
            answer(text_block("By mail, dear customer.", (0, 0, 1))),
            grade(facts_right=True, form_right=False),
            answer(text_block("It is five.", (0, 0, 1))),
        )
        run_id = docs.evaluation.run(k=2, answers=True)
        (row,) = docs.evaluation.runs()
        assert (row["answers"], row["correct_share"]) == (3, 0.5)
        assert row["abstention_accuracy"] == pytest.approx(2 / 3)
        assert (row["citation_validity"], row["grounded_share"]) == (1, 1)
        assert row["citation_precision"] == pytest.approx(2 / 3)
        kinds = {
            one["question"]: one["kind"] for one in client.collection().evaluation.failures(run_id)
        }
        assert kinds == {
            "How is the password reset?": "answer right in fact, wrong in form",
            "Who paid the refund?": "should have abstained",
        }
        judged = [one.body for one in server.requests if one.body.get("tools")]
        assert len(judged) == 2 and "five days" in judged[0]["messages"][0]["content"]
        client.close()


def grade(**judged: bool) -> Reply:
    given = {"reason": "As expected.", **judged}
    return Reply(
        ({"type": "tool_use", "id": "toolu_1", "name": "grade", "input": given},),
        stop_reason="tool_use",
    )
