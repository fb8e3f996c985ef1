"""When ask abstains: calibration, relevance, feedback, intervals."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app

from .evaluating import Sql


def put_hits(sql: Sql, run_id: int, similarities: dict[str, float]) -> None:
    """Stores one hit a question, as similar as given."""
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
    put_hits(sql, run_id, similarities)
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
    """Questions as similar as the others, but about a year no document names.

    Long, because set, run, calibration and answer are one story.
    """
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
