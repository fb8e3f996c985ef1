"""Tuning: what the texts call for is found, chance is called chance, nothing changes unasked."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app
from ragpg.cli.console import out

from ..conftest import WordEmbedder

Sql = psycopg.Connection[Any]


@pytest.fixture
def by_words(client: ragpg.Client, sql: Sql, tmp_path: Path) -> ragpg.Collection:
    """Documents told apart by words the embedder has no axis for: the vector leg only harms."""
    drawn = random.Random(3)
    names = [f"name{n}" for n in range(120)]
    collection = client.collection("docs")
    collection.add(
        records=[
            {
                "source": f"{name}.md",
                "text": "\n\n".join(
                    f"{name} {' '.join(drawn.choices(WordEmbedder.axes, k=6))} paragraph {m}."
                    for m in range(4)
                ),
            }
            for name in names
        ],
        chunk_tokens=40,
    )
    rows = [
        {
            "question": f"{' '.join(drawn.choices(WordEmbedder.axes, k=3))} {name}",
            "labels": [{"source": f"{name}.md"}],
        }
        for name in names[:80]
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    collection.evaluation.load(path)
    sql.execute("update ragpg.search_indexes set vector_weight = 1")
    return collection


def settings(sql: Sql) -> list[Any]:
    return sql.execute(
        "select id, vector_weight, candidates, ef_search from ragpg.search_indexes order by id"
    ).fetchall()


def test_the_weight_the_texts_call_for_is_proposed(by_words: ragpg.Collection, sql: Sql) -> None:
    before = settings(sql)
    with psycopg.connect(sql.info.dsn) as other:
        seen = []
        found = by_words.evaluation.tune(progress=lambda *_: seen.append(settings(other)[0][1]))
    assert found.proposal.vector_weight is None or found.proposal.vector_weight < 0.8
    assert found.present.vector_weight == 1
    assert found.is_better and found.difference is not None
    assert 20 < found.difference.questions < 60, "half of 80 questions"
    assert set(seen) == {before[0][1]}, "nobody else searches with what is tried"
    assert settings(sql) == before
    runs = {row["run_id"] for row in by_words.evaluation.runs()}
    assert runs == {found.present.run_id, found.proposal.run_id}
    by_words.evaluation.use(found.proposal)
    assert settings(sql)[0][1] == pytest.approx(found.proposal.vector_weight)
    again = by_words.evaluation.tune()
    assert again.difference is None or not again.is_better, "nothing better is left"


def test_halves_are_what_sql_says(by_words: ragpg.Collection, sql: Sql) -> None:
    found = by_words.evaluation.tune()
    row = sql.execute(
        """
        select avg(ndcg) filter (where ragpg_internal.evaluation_split(evaluation_question_id) = 'train'),
            avg(ndcg) filter (where ragpg_internal.evaluation_split(evaluation_question_id) = 'held-out')
        from ragpg.evaluation_measures where evaluation_run_id = %s
        """,
        [found.proposal.run_id],
    ).fetchone()
    assert row is not None
    assert (found.proposal.train_ndcg, found.proposal.held_out_ndcg) == pytest.approx(row)
    assert found.difference is not None
    assert found.difference.second_mean == pytest.approx(found.proposal.held_out_ndcg)
    best = max(found.trials, key=lambda one: (one.train_span_recall, one.train_ndcg))
    assert best == found.trials[0] and any(one.best_trade for one in found.trials)


def test_another_chunk_size_is_built_once_and_reads_as_much(
    by_words: ragpg.Collection, sql: Sql
) -> None:
    found = by_words.evaluation.tune(chunk_tokens=[20], k=4)
    sizes = {one.chunk_tokens: one.k for one in found.trials}
    assert sizes == {40: 4, 20: 8}
    assert len(settings(sql)) == 2
    by_words.evaluation.tune(chunk_tokens=[20], k=4)
    assert len(settings(sql)) == 2
    sql.execute("update ragpg.search_indexes set language = 'german' where chunk_tokens = 20")
    by_words.evaluation.tune(chunk_tokens=[20], k=4)
    assert len(settings(sql)) == 3, "another language is another recipe"


def test_overlaps_are_tried_with_each_size(by_words: ragpg.Collection, sql: Sql) -> None:
    with pytest.raises(errors.BadArgument, match="20 tokens cannot overlap by 20"):
        by_words.evaluation.tune(chunk_tokens=[40, 20], overlap_tokens=[20])
    assert len(settings(sql)) == 1, "nothing was built for a request that is refused"
    found = by_words.evaluation.tune(chunk_tokens=[20], overlap_tokens=[0, 8])
    recipes = {(one.chunk_tokens, one.overlap_tokens) for one in found.trials}
    assert recipes == {(40, 0), (20, 0), (20, 8)}
    by_words.evaluation.tune(overlap_tokens=[10])
    assert len(settings(sql)) == 4, "of the size of the active one"


def test_one_interrupted_leaves_nothing(by_words: ragpg.Collection, sql: Sql) -> None:
    before = settings(sql)
    asked = 0

    def stop(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_words.evaluation.tune(progress=stop)
    assert settings(sql) == before
    assert by_words.evaluation.runs() == []


def test_too_few_questions_are_no_ground(client: ragpg.Client, tmp_path: Path) -> None:
    collection = client.collection("few")
    with pytest.raises(errors.UnknownCollection):
        collection.evaluation.tune()
    collection.add(text="Money comes back.", source="a")
    path = tmp_path / "one.jsonl"
    path.write_text('{"question": "money?", "labels": [{"source": "a"}]}')
    collection.evaluation.load(path)
    with pytest.raises(errors.BadArgument, match="1 labelled questions"):
        collection.evaluation.tune()


def test_the_command_line(
    by_words: ragpg.Collection, sql: Sql, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    monkeypatch.setattr("ragpg.models.opening.open_embedder", lambda *_: by_words.session.embedder)
    monkeypatch.setattr(out, "width", 120)
    before = settings(sql)
    run = CliRunner().invoke(app, ["tune", "-c", "docs"])
    assert run.exit_code == 0, run.output
    assert "present" in run.output and "to use it" in run.output and "ms a search" in run.output
    assert settings(sql) == before
    run = CliRunner().invoke(app, ["tune", "-c", "docs", "--activate", "--json"])
    told = json.loads(run.stdout)
    assert told["activated"] and settings(sql) != before
    assert {"train_ndcg", "held_out_ndcg", "best_trade"} <= set(told["trials"][0])
