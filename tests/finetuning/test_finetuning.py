"""Feedback, advice from known failures, datasets that leak nothing, and their check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app
from ragpg.finetuning.datasets import sensitive, validate

Sql = psycopg.Connection[Any]
TOPICS = ("refund", "money", "rate", "limit", "login", "password", "uptime")


@pytest.fixture
def collection(client: ragpg.Client, tmp_path: Path) -> ragpg.Collection:
    """A document for each topic, and a question for each with the answer expected."""
    collection = client.collection("docs")
    collection.add(records=[{"source": f"{one}.md", "text": f"All about {one}."} for one in TOPICS])
    load(collection, tmp_path, [question(one) for one in TOPICS])
    return collection


def question(topic: str, source: str | None = None) -> dict[str, Any]:
    return {
        "question": f"What about {topic}?",
        "answer": f"{topic.title()}: see there.",
        "labels": [{"source": source or f"{topic}.md"}],
    }


def load(collection: ragpg.Collection, folder: Path, questions: list[dict[str, Any]]) -> None:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in questions))
    collection.evaluation.load(path)


def judge(collection: ragpg.Collection, sql: Sql, grades: dict[str, int]) -> int:
    """Runs the set with an answer to each question, and grades so many of them so."""
    run_id = collection.evaluation.run(answers=True)
    sql.execute("update ragpg.answers set grounded = true, abstained = false, model = 'm'")
    left = [grade for grade, count in grades.items() for _ in range(count)]
    for (question_id,) in sql.execute(
        "select evaluation_question_id from ragpg.evaluation_results"
        " where evaluation_run_id = %s order by 1",
        [run_id],
    ).fetchall():
        sql.execute(
            "update ragpg.evaluation_results set grade = %s"
            " where evaluation_run_id = %s and evaluation_question_id = %s",
            [left.pop() if left else "right", run_id, question_id],
        )
    return run_id


def verdict(collection: ragpg.Collection) -> tuple[str, str]:
    (row,) = [row for row in collection.finetuning.advise() if row["step"] == "verdict"]
    return row["points_to"], row["finding"] + " " + row["next_command"]


def give_examples(collection: ragpg.Collection, folder: Path, count: int) -> None:
    more = [question(f"{one}{n}", f"{one}.md") for n in range(count) for one in TOPICS[:1]]
    load(collection, folder, [*(question(one) for one in TOPICS), *more])


def test_advice_follows_what_went_wrong(
    collection: ragpg.Collection, sql: Sql, tmp_path: Path
) -> None:
    assert verdict(collection)[0] == "measure"
    collection.evaluation.run()
    assert verdict(collection)[0] == "measure", "whether answers are right is not known"
    judge(collection, sql, {})
    assert verdict(collection)[0] == "neither"
    judge(collection, sql, {"wrong": 3, "right in fact": 1})
    points_to, told = verdict(collection)
    assert points_to == "prompt" and "read wrongly" in told
    judge(collection, sql, {"right in fact": 4})
    points_to, told = verdict(collection)
    assert points_to == "prompt" and "7 examples (50 at least)" in told
    give_examples(collection, tmp_path, 50)
    judge(collection, sql, {"right in fact": 40})
    points_to, told = verdict(collection)
    assert points_to == "fine-tuning" and "ragpg finetune export" in told
    load(
        collection,
        tmp_path,
        [question(one, "nowhere.md") for one in TOPICS[:4]] + [question("uptime")],
    )
    collection.evaluation.run()
    points_to, told = verdict(collection)
    assert points_to == "retrieval" and "not in the corpus" in told and "would not close" in told


def test_advice_has_its_evidence_in_sql(collection: ragpg.Collection, sql: Sql) -> None:
    collection.add(text="Refunds are new.", source="refund.md")
    rows = sql.execute("select step, finding, points_to from ragpg.advise('docs')").fetchall()
    assert len(rows) == 5
    assert rows[0][1:] == ("1 of 7 documents changed in the last 30 days", "retrieval")
    assert rows[3][1] == "7 vouched for, 0 of them corrected by a person"


def answered(collection: ragpg.Collection) -> int:
    answer = collection.ask("What about money?")
    assert answer.id is not None
    return answer.id


def test_the_newest_feedback_counts(collection: ragpg.Collection, sql: Sql) -> None:
    answer_id = answered(collection)

    def mine() -> list[Any]:
        return sql.execute(
            "select origin, answer, split_by from ragpg.finetuning_examples"
            " where origin like '%% answer'"
        ).fetchall()

    client = ragpg.Client(collection.session)
    client.feedback(answer_id, "good")
    assert [row[0] for row in mine()] == ["accepted answer"]
    client.feedback(answer_id, "bad", comment="no")
    assert mine() == []
    sql.execute("select ragpg.feedback(%s, 'bad', 'Money is paid back.')", [answer_id])
    assert mine() == [("corrected answer", "Money is paid back.", "money.md")]
    for bad in ("select ragpg.feedback(0, 'good')", f"select ragpg.feedback({answer_id}, 'so so')"):
        with pytest.raises(psycopg.Error) as caught:
            sql.execute(bad.encode())
        assert caught.value.sqlstate == "RG005"
    collection.versions.erase("money.md")
    assert sql.execute("select count(*) from ragpg.answer_feedback").fetchone() == (0,)


def test_a_writer_may_give_feedback_and_a_reader_not(
    collection: ragpg.Collection, sql: Sql, url: str
) -> None:
    answer_id = answered(collection)
    for role in ("reader", "writer"):
        sql.execute(f"create role feedback_{role} login".encode())
        sql.execute(f"select ragpg.grant_{role}('feedback_{role}')".encode())
    try:
        with psycopg.connect(url, user="feedback_writer") as writer:
            writer.execute("select ragpg.feedback(%s, 'good')", [answer_id])
        with psycopg.connect(url, user="feedback_reader") as reader:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("select ragpg.feedback(%s, 'good')", [answer_id])
            reader.rollback()
            assert reader.execute("select count(*) from ragpg.finetuning_examples").fetchone()
    finally:
        for role in ("reader", "writer"):
            sql.execute(f"drop owned by feedback_{role}".encode())
            sql.execute(f"drop role feedback_{role}".encode())


def read(path: Path) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in path.read_text().splitlines()]


def test_the_dataset_keeps_documents_apart(
    collection: ragpg.Collection, tmp_path: Path, sql: Sql
) -> None:
    rows = [{**question(f"{one} number {n}", f"{one}.md")} for one in TOPICS for n in range(9)]
    load(collection, tmp_path, rows)
    path = tmp_path / "train.jsonl"
    done = collection.finetuning.export(path, validation_share=0.3)
    held_out = tmp_path / "train.validation.jsonl"
    assert (len(read(path)), len(read(held_out))) == (done.training, done.validation)
    assert done.training + done.validation == 63 and done.validation > 0
    topics = [
        {message[-1]["content"].split()[0] for message in read(one)} for one in (path, held_out)
    ]
    assert not topics[0] & topics[1]
    system, user, assistant = read(path)[0]
    assert (system["role"], user["role"], assistant["role"]) == ("system", "user", "assistant")
    assert user["content"].startswith("<search_result source=") and "What about" in user["content"]
    before = path.read_bytes(), held_out.read_bytes()
    collection.finetuning.export(path, validation_share=0.3, overwrite=True)
    assert (path.read_bytes(), held_out.read_bytes()) == before
    with pytest.raises(errors.BadArgument, match="is there already"):
        collection.finetuning.export(path)
    collection.finetuning.export(path, k=None, overwrite=True)
    assert [message["role"] for message in read(path)[0]] == ["user", "assistant"]
    assert not validate(path, held_out).errors


def test_any_query_is_a_dataset_and_an_error_leaves_no_file(
    collection: ragpg.Collection, tmp_path: Path
) -> None:
    path = tmp_path / "train.jsonl"
    statement = """
        select 'Question ' || n % 500 as question,
            case when n = 7 then 'write to jo@example.org' else 'Answer ' || n % 500 end as answer
        from generate_series(0, 999) as n;
    """
    done = collection.finetuning.export(path, statement=statement, k=None)
    assert done.training + done.validation == 500 and done.duplicates == 500
    ((file, line, kinds),) = done.flagged
    assert kinds == ["e-mail address"]
    assert "jo@example.org" in Path(file).read_text().splitlines()[line - 1]
    done = collection.finetuning.export(
        path, statement=statement, k=None, drop_flagged=True, overwrite=True
    )
    assert done.dropped == 1 and done.flagged == []
    for other, message in (("select 1 as question", "no answer"), ("selec", "syntax error")):
        with pytest.raises(errors.RagpgError, match=message):
            collection.finetuning.export(tmp_path / "no.jsonl", statement=other)
    assert not list(tmp_path.glob("no*"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("key AKIAIOSFODNN7EXAMPLE.", "access key"),
        ("password: hunter22", "password"),
        ("ask anna.b+c@mail.example.co.uk", "e-mail address"),
        ("call +49 30 1234567", "phone number"),
        ("DE89 3704 0044 0532 0130 00", "account number"),
        ("4111 1111 1111 1111", "card number"),
        ("4111 1111 1111 1112 is no card, nor is 12:30, $.tier, v1.2.3 or 600 requests", None),
        ("reset the password by mail", None),
    ],
)
def test_what_looks_secret_or_personal(text: str, kind: str | None) -> None:
    assert sensitive(text) == ([kind] if kind else [])


def example(asked: str, answer: str) -> str:
    return json.dumps(
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
    )


def test_each_fault_is_told_with_its_line(tmp_path: Path) -> None:
    path, held_out = tmp_path / "train.jsonl", tmp_path / "validation.jsonl"
    lines = [example(f"question {n}", f"answer {n}") for n in range(60)]
    path.write_text("\n".join(lines))
    held_out.write_text(example("a new one", "answer"))
    assert validate(path, held_out).problems == []
    faults = {
        "no JSON": "{",
        "no messages": "[]",
        "no text": '{"messages": [{"role": "user", "content": null}]}',
        "empty content": example(" ", "answer"),
        "unknown role": '{"messages": [{"role": "robot", "content": "a"}]}',
        "roles out of order": '{"messages": [{"role": "assistant", "content": "a"}]}',
        "no answer": '{"messages": [{"role": "user", "content": "a"}]}',
        "duplicate": lines[3],
        "contradiction": example("Question  4", "another answer"),
    }
    path.write_text("\n".join([*lines, *faults.values()]))
    held_out.write_text(lines[5])
    found = validate(path, held_out)
    told = {one.message.split(":")[0]: one.line for one in found.problems}
    assert told == {**{name: 61 + n for n, name in enumerate(faults)}, "leak": 1}
    assert found.errors == len(faults), "all but the duplicate, and the leak"
    path.write_text("\n".join(example(f"question {n}", "yes") for n in range(9)))
    assert "too few examples" in validate(path).counts
    path.write_text("\n".join(example(f"question {n}", "yes") for n in range(20)))
    assert {"few examples", "unbalanced"} <= set(validate(path).counts)
    with pytest.raises(errors.BadArgument, match="cannot be read"):
        validate(tmp_path / "none.jsonl")


def test_the_command_line(
    collection: ragpg.Collection, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    monkeypatch.setattr(
        "ragpg.models.opening.open_embedder", lambda *_: collection.session.embedder
    )
    answer_id = answered(collection)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, done.output
        return done.stdout

    assert "evaluate before deciding" in run("advise", "-c", "docs")
    assert len(json.loads(run("advise", "-c", "docs", "--json"))) == 5
    (tmp_path / "better.txt").write_text("Money comes back.")
    told = run("feedback", str(answer_id), "bad", "--corrected", f"@{tmp_path / 'better.txt'}")
    assert "corrected" in told
    path = tmp_path / "train.jsonl"
    assert "duplicates" in run("finetune", "export", str(path), "-c", "docs")
    everything = path.read_text() + (tmp_path / "train.validation.jsonl").read_text()
    assert "Money comes back." in everything
    assert "too few examples" in run("finetune", "validate", str(path), code=1)
    assert json.loads(run("finetune", "validate", str(path), "--json", code=1))["errors"] == 1
