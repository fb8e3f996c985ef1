"""Evaluation: measures as the reference computes them, labels that survive, reasons that hold."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import psycopg
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app
from ragpg.indexing.worker import Worker

from ..conftest import WordEmbedder
from ..messages_server import MessagesServer, Reply, answer, text_block

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
    assert collection.evaluation.load(path) == 30
    return collection, questions


def test_measures_are_those_of_ir_measures(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> None:
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
    put("login password", [{"source": "long"}])
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
    assert (run["questions"], run["labelled_questions"]) == (6, 4)


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
    with pytest.raises(errors.BadArgument, match="no labelled question in common"):
        collection.evaluation.compare(good, 99)


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


def test_calibration_keeps_what_it_is_told_to(client: ragpg.Client, sql: Sql) -> None:
    docs = client.collection("docs")
    docs.add(records=[{"source": "a", "text": "The refund of money."}])
    drawn = random.Random(2)
    run = "select ragpg_internal.start_evaluation('docs', 'default')"

    def put(question: str, answerable: bool, similarity: float) -> None:
        sql.execute(
            "select ragpg.put_evaluation_question('docs', 'default', %s, is_answerable => %s)",
            (question, answerable),
        )
        similarities[question] = similarity

    similarities: dict[str, float] = {}
    for n in range(200):
        put(f"answerable {n}", True, min(1, max(0, drawn.gauss(0.6, 0.1))))
        put(f"unanswerable {n}", False, min(1, max(0, drawn.gauss(0.4, 0.1))))
    (run_id,) = sql.execute(run.encode()).fetchone() or (0,)
    sql.execute(
        """
        insert into ragpg.evaluation_results (
            evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks, latency_ms,
            labels, lost_labels, split_labels
        )
        select %(run)s, question.id, 1, 0, 1, 0, 0, 0 from ragpg.evaluation_questions as question
        """,
        {"run": run_id},
    )
    sql.execute(
        """
        insert into ragpg.evaluation_hits (
            evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
            document_version, source, start_char, end_char, score, similarity
        )
        select %(run)s, question.id, 1, false, 1, 1, 'a', 0, 1, 0,
            (%(similarities)s::jsonb ->> question.question)::double precision
        from ragpg.evaluation_questions as question
        """,
        {"run": run_id, "similarities": json.dumps(similarities)},
    )
    with pytest.raises(errors.UnknownEvaluationSet, match="no finished evaluation run"):
        client.collection().evaluation.calibrate(run_id)
    sql.execute("update ragpg.evaluation_runs set finished_at = now()")
    found = client.collection().evaluation.calibrate(run_id, keep=0.9)
    kept = [s for q, s in similarities.items() if q.startswith("a") and s >= found.min_similarity]
    assert len(kept) == 180
    assert 0.85 < found.kept < 0.95 and found.kept_low < found.kept < found.kept_high
    assert 0.6 < found.refused < 0.9 and found.refused_low < found.refused < found.refused_high
    assert found.min_relevance is None, "the signals of these questions tell nothing"
    assert (found.kept, found.refused) == (found.kept_by_similarity, found.refused_by_similarity)
    stored = sql.execute(
        """
        select min_similarity, ragpg_internal.relevance(id, 0.9, 0, 0, false),
            ragpg_internal.relevance(id, 0.1, 0, 0, false)
        from ragpg.search_indexes
        """
    ).fetchone() or (0, 0, 1)
    assert stored[0] == pytest.approx(found.min_similarity) and stored[1] > 0.8 > 0.2 > stored[2]
    sql.execute("update ragpg.evaluation_questions set is_answerable = id > 1")
    with pytest.raises(errors.UnknownEvaluationSet, match="one of the 400 questions is unanswer"):
        client.collection().evaluation.calibrate(run_id)
    sql.execute("update ragpg.evaluation_questions set is_answerable = true")
    with pytest.raises(errors.UnknownEvaluationSet, match="all 400 questions are answerable"):
        client.collection().evaluation.calibrate(run_id)
    sql.execute("update ragpg.evaluation_runs set index_id = 9")
    with pytest.raises(errors.SearchIndexError, match="search index 9 of evaluation run"):
        client.collection().evaluation.calibrate(run_id)


def test_relevance_is_a_logistic_regression(sql: Sql) -> None:
    """With a ridge of 1 on standardised signals and weights of the right sign, as numpy finds it."""
    draw = np.random.default_rng(4)
    count = 300
    similarity = draw.normal(0.5, 0.1, count)
    held = draw.uniform(0, 1, count)
    missing = draw.integers(0, 4, count)
    unmatched = draw.uniform(size=count) < 0.2
    chance = 5 * (similarity - 0.5) - 0.8 * np.log1p(missing) + 1.0 * unmatched
    answerable = draw.uniform(size=count) < 1 / (1 + np.exp(-chance))
    (found,) = sql.execute(
        "select ragpg_internal.fit_relevance(%s, %s, %s::integer[], %s, %s)",
        [one.tolist() for one in (similarity, held, missing, unmatched, answerable)],
    ).fetchone() or ([],)
    assert found[1] > 0 > found[3] and found[2] >= 0
    assert found[4] == 0, "a negation that speaks for an answer is not believed"
    signals = np.column_stack([similarity, held, -np.log1p(missing)])
    chosen = np.flatnonzero([found[1] > 0, found[2] > 0, found[3] < 0])
    means, deviations = signals.mean(0)[chosen], signals.std(0)[chosen]
    x = np.column_stack([np.ones(count), (signals[:, chosen] - means) / deviations])
    yes = answerable.sum()
    target = np.where(answerable, (yes + 1) / (yes + 2), 1 / (count - yes + 2))
    weights = np.zeros(x.shape[1])
    ridge = np.array([0.0] + [1.0] * len(chosen))
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        weights -= np.linalg.solve(curvature, x.T @ (p - target) + ridge * weights)
    slopes = weights[1:] / deviations
    signs = np.array([1, 1, -1])[chosen]
    assert np.array(found[1:4])[chosen] == pytest.approx(slopes * signs, rel=1e-4)
    assert found[0] == pytest.approx(weights[0] - (slopes * means).sum(), rel=1e-4)
    (relevance,) = sql.execute(
        "select ragpg_internal.logistic(%s::double precision[], 0.5, 0.5, 2, true)", [found]
    ).fetchone() or (0,)
    total = found[0] + found[1] / 2 + found[2] / 2 + found[3] * np.log(3) + found[4]
    assert relevance == pytest.approx(1 / (1 + np.exp(-total)))


@pytest.mark.parametrize(
    ("question", "held", "missing", "unmatched"),
    [
        ("When does the refund of money arrive?", 1, [], False),
        ("When does the Lisbon refund of 2019 arrive?", None, ["Lisbon", "2019"], False),
        ("Which refund does not arrive in March?", None, [], True),
        ("Who wasn't paid in Porto?", None, [], False),  # the sentence negates, too
        ("Which zebra?", 0, [], False),
    ],
)
def test_what_the_hits_hold_of_a_question(
    client: ragpg.Client,
    sql: Sql,
    question: str,
    held: float | None,
    missing: list[str],
    unmatched: bool,
) -> None:
    client.collection("docs").add(
        records=[
            {
                "source": "a",
                "title": "Refunds in March",
                "text": "The refund of money arrives soon. Nobody in Porto was not paid. So it is.",
            }
        ]
    )
    row = sql.execute(
        """
        select signal.*
        from ragpg.search_indexes as recipe
        cross join ragpg.documents as document
        cross join lateral ragpg_internal.answer_signals(
            recipe.id, %s, array[document.content], array[document.title]
        ) as signal
        """,
        [question],
    ).fetchone()
    assert row is not None
    assert row[1:] == (missing, unmatched)
    assert held is None or row[0] == held
    nothing = "select * from ragpg_internal.answer_signals(1, %s, null, null)"
    assert (sql.execute(nothing, ["Which Porto?"]).fetchone() or ())[:2] == (0, ["Porto"])


def test_calibrated_by_what_is_missing(
    client: ragpg.Client, sql: Sql, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Questions as similar as the others, but about a year no document names."""
    docs = client.collection("docs")
    things = ["refund", "password", "limit"]
    docs.add(
        records=[
            {"source": f"{n}", "text": f"In {1900 + n} the {things[n % 3]} of money was raised."}
            for n in range(60)
        ]
    )
    lines = [
        {
            "question": f"Was the {things[n % 3]} of money raised in {year}?",
            "labels": [{"source": f"{n}"}] if answerable else [],
            "answerable": answerable,
        }
        for n in range(60)
        for answerable, year in ((True, 1900 + n), (False, 1700 + n))
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    docs.evaluation.load(path)
    run_id = docs.evaluation.run()
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    told = CliRunner().invoke(app, ["eval", "calibrate", f"{run_id}", "--dry-run"]).output
    assert "or the hits' relevance below" in told and "by similarity alone" in told
    assert sql.execute("select min_relevance from ragpg.search_indexes").fetchone() == (None,)
    found = client.collection().evaluation.calibrate(run_id, keep=0.95)
    assert found.min_relevance is not None and found.relevance_weights[3] < 0
    assert found.kept > 0.9 and found.refused > 0.9 > found.refused_by_similarity
    assert docs.ask("Was the refund of money raised in 1903?").abstained is False
    refused = docs.ask("Was the refund of money raised in 1703?")
    assert refused.abstained and "1703" in refused.text
    judged = sql.execute(
        """
        select judged.is_enough, judged.missing_names, judged.relevance < recipe.min_relevance
        from (
            select array_agg(chunk_id order by place) as ids, array_agg(1.0 order by place) as near
            from ragpg.search('Was the refund raised in 1703?', 3)
        ) as hit
        cross join lateral ragpg.judge_hits(
            'Was the refund raised in 1703?', hit.ids, hit.near::double precision[]
        ) as judged
        cross join ragpg.search_indexes as recipe
        """
    ).fetchone()
    assert judged == (False, ["1703"], True)
    assert sql.execute("select is_enough from ragpg.judge_hits('x', '{}', '{}')").fetchone() == (
        False,
    )


def test_questions_from_feedback(
    client: ragpg.Client, sql: Sql, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = client.collection("docs")
    docs.add(
        records=[
            {"source": "refund", "text": "The refund of money takes five days."},
            {"source": "limit", "text": "The rate limit is a hundred."},
        ]
    )
    assert docs.evaluation.from_feedback() == 0
    asked = ["How long does the refund of money take?", "What is the limit?", "Is uptime kept?"]
    ids = {question: docs.ask(question).id or 0 for question in [*asked, "Who said so?"]}
    client.feedback(ids[asked[0]], "good")
    client.feedback(ids[asked[1]], "good")
    client.feedback(ids[asked[1]], "bad", corrected_text="A hundred a minute.")  # the newest counts
    client.feedback(ids[asked[2]], "good")
    client.feedback(ids["Who said so?"], "bad")
    assert docs.evaluation.from_feedback() == 3
    found = sql.execute(
        """
        select asked.question, asked.is_answerable, asked.expected_answer, asked.tags,
            array_agg(label.source) filter (where label.quote <> '')
        from ragpg.evaluation_questions as asked
        left join ragpg.evaluation_labels as label on label.evaluation_question_id = asked.id
        group by asked.id
        """
    ).fetchall()
    rows = {row[0]: row[1:] for row in found}
    assert rows[asked[0]][0] and "refund" in rows[asked[0]][3]
    assert rows[asked[1]] == (True, "A hundred a minute.", ["feedback"], None)
    assert rows[asked[2]] == (False, None, ["feedback"], None)
    assert docs.evaluation.lost_labels("feedback") == []
    # What a person changed in the set stays.
    sql.execute(
        "update ragpg.evaluation_questions set expected_answer = 'mine', tags = '{checked}'"
        " where question = %s",
        [asked[1]],
    )
    assert docs.evaluation.from_feedback() == 2
    kept = "select expected_answer from ragpg.evaluation_questions where tags = '{checked}'"
    assert sql.execute(kept).fetchone() == ("mine",)
    assert docs.evaluation.run("feedback") > 0
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    run = CliRunner().invoke(app, ["eval", "from-feedback", "-c", "docs", "--json"])
    assert json.loads(run.stdout) == {"questions": 2}
    with pytest.raises(errors.UnknownCollection):
        client.collection("none").evaluation.from_feedback()


def test_the_interval_of_a_share(sql: Sql) -> None:
    """Wilson's interval as published: 0 of 10 is 0 to .2775, 8 of 10 is .4902 to .9433."""
    for successes, low, high in ((0, 0, 0.27753), (8, 0.49016, 0.94331), (10, 0.72247, 1)):
        found = sql.execute(
            "select * from ragpg_internal.wilson_interval(%s, 10)", [successes]
        ).fetchone()
        assert found == pytest.approx((low, high), abs=1e-4)
