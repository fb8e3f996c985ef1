"""Datasets handed to a provider: once, whatever is killed, and told as they go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app
from ragpg.finetuning import jobs
from ragpg.finetuning.providers import BedrockJobs, OpenAIJobs, for_claude

from ..conftest import ROOT
from ..servers.finetuning import KEY, FinetuningServer

MODEL = "gpt-4.1-mini-2025-04-14"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0:200k"
ROLE = "arn:aws:iam::123456789012:role/fine-tuning"
Sql = psycopg.Connection[Any]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[FinetuningServer]:
    with FinetuningServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("RAGPG_DATABASE_URL", url)
        yield server


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write(tmp_path / "train.jsonl", range(12))


def write(path: Path, numbers: Any) -> Path:
    lines = [
        {
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": f"What is {number} and {number}?"},
                {"role": "assistant", "content": f"{2 * number}."},
            ]
        }
        for number in numbers
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(*arguments: str, fails: bool = False) -> Any:
    found = CliRunner().invoke(app, ["finetune", *arguments, "--json"])
    assert (found.exit_code != 0) == fails, found.output
    return json.loads(found.stdout) if found.stdout.strip() else str(found.exception)


def test_from_the_export_to_a_model(
    provider: FinetuningServer, client: ragpg.Client, sql: Sql, tmp_path: Path
) -> None:
    topics = [f"topic{number}" for number in range(40)]
    collection = client.collection("docs")
    collection.add(records=[{"source": f"{one}.md", "text": f"All of {one}."} for one in topics])
    questions = [
        {
            "question": f"What of {one}?",
            "answer": f"{one}: there.",
            "labels": [{"source": f"{one}.md"}],
        }
        for one in topics
    ]
    (loaded := tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    collection.evaluation.load(loaded)
    path = tmp_path / "train.jsonl"
    run("export", str(path), "--collection", "docs", "--facts")
    other = path.with_suffix(".validation.jsonl")
    run("validate", str(path), "--validation", str(other))
    arguments = ["submit", str(path), "--validation", str(other), "--model", MODEL]
    job = run(*arguments, "--parameter", "n_epochs=2")
    assert (job["state"], job["job_id"], job["provider"]) == (
        "validating_files",
        "ftjob-1",
        "openai",
    )
    sent = provider.jobs["ftjob-1"]
    assert provider.contents[sent["training_file"]] == path.read_bytes()
    assert provider.contents[sent["validation_file"]] == other.read_bytes()
    assert sent["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2}
    states = [run("status", str(job["id"]))["state"] for _ in range(4)]
    assert states == ["queued", "running", "succeeded", "succeeded"]
    told = run("status")
    assert [one["finished_model"] for one in told] == [sent["fine_tuned_model"]]
    assert sql.execute(
        "select parameters, octet_length(training_hash), state from ragpg.finetune_jobs"
    ).fetchall() == [({"n_epochs": 2}, 32, "succeeded")]


def test_the_same_data_twice_only_when_told(
    provider: FinetuningServer, client: ragpg.Client, dataset: Path
) -> None:
    arguments = ("submit", str(dataset), "--model", MODEL)
    first = run(*arguments)
    refused = run(*arguments, fails=True)
    assert "this data was submitted already: job 1" in refused and "--again" in refused
    assert len(provider.jobs) == 1
    again = run(*arguments, "--again")
    assert again["id"] != first["id"] and len(provider.jobs) == 2
    assert len(provider.files) == 1, "the same file was uploaded twice"
    # One that came to nothing stands in nobody's way.
    run("cancel", str(again["id"]))
    assert run(*arguments)["id"] not in (first["id"], again["id"])


@pytest.mark.parametrize("moment", ["POST /files", "POST /fine_tuning/jobs"])
def test_killed_in_the_middle(
    provider: FinetuningServer, client: ragpg.Client, dataset: Path, moment: str
) -> None:
    """The provider has done the work, and nobody heard of it."""
    command = [sys.executable, "-m", "ragpg", "finetune", "submit", str(dataset), "--model", MODEL]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(what: str) -> None:
        if what == moment:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    provider.on_request = kill
    assert process.wait(timeout=60) == -signal.SIGKILL
    provider.on_request = lambda what: None
    assert run("status")[0]["job_id"] is None
    job = run("submit", str(dataset), "--model", MODEL)
    assert job["job_id"] == "ftjob-1"
    assert (len(provider.files), len(provider.jobs), len(run("status"))) == (1, 1, 1)


def test_an_answer_that_is_lost_is_not_a_second_job(
    provider: FinetuningServer, client: ragpg.Client, dataset: Path
) -> None:
    provider.cut_after = "POST /fine_tuning/jobs"
    with pytest.raises(errors.RagpgError, match="the same command again goes on from there"):
        jobs.submit(client.database, OpenAIJobs(), dataset, base_model=MODEL)
    assert len(provider.jobs) == 1
    job = jobs.submit(client.database, OpenAIJobs(), dataset, base_model=MODEL)
    assert (job.job_id, len(provider.jobs)) == ("ftjob-1", 1)


def test_a_job_that_fails_says_why(
    provider: FinetuningServer, client: ragpg.Client, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragpg.finetuning.jobs.time.sleep", lambda seconds: None)
    provider.fails = "line 3 is not allowed"
    job = run("submit", str(dataset), "--model", MODEL, "--wait", fails=True)
    assert (job["state"], job["error"]) == ("failed", "line 3 is not allowed")


def test_what_is_refused_before_anything_is_sent(
    provider: FinetuningServer,
    client: ragpg.Client,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (bad := tmp_path / "bad.jsonl").write_text('{"messages": []}\n' * 12)
    assert "has 13 errors" in run("submit", str(bad), "--model", MODEL, fails=True)
    assert "there is no fine-tuning job 7" in run("status", "7", fails=True)
    assert provider.files == {} and run("status") == []
    assert "does not exist" in run("submit", str(dataset), "--model", "gpt-2", fails=True)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY" in run("submit", str(dataset), "--model", MODEL, fails=True)


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    monkeypatch.setenv("RAGPG_BEDROCK_BUCKET", "s3://ours/tuning/")
    monkeypatch.setenv("RAGPG_BEDROCK_ROLE", ROLE)
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket="ours", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        yield boto3.client("bedrock")


def test_claude_on_bedrock(bedrock: Any, client: ragpg.Client, dataset: Path) -> None:
    arguments = ("submit", str(dataset), "--model", f"bedrock/{CLAUDE}")
    job = run(*arguments, "--parameter", "epochCount=2")
    sent = bedrock.get_model_customization_job(jobIdentifier=job["job_id"])
    assert (sent["roleArn"], sent["hyperParameters"]) == (ROLE, {"epochCount": "2"})
    bucket, _, key = sent["trainingDataConfig"]["s3Uri"].removeprefix("s3://").partition("/")
    assert (bucket, key.partition("/")[0]) == ("ours", "tuning")
    content = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert [json.loads(line) for line in content.splitlines()][1] == {
        "system": "Be short.",
        "messages": [
            {"role": "user", "content": "What is 1 and 1?"},
            {"role": "assistant", "content": "2."},
        ],
    }
    assert run("status", str(job["id"]))["state"] in ("running", "succeeded")
    assert "this data was submitted already" in run(*arguments, fails=True)
    assert run("cancel", str(job["id"]))["state"] in ("cancelling", "cancelled", "succeeded")


def test_bedrock_goes_on_with_a_job_nobody_heard_of(
    bedrock: Any, client: ragpg.Client, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = BedrockJobs("s3://ours", ROLE)
    with monkeypatch.context() as patched:
        patched.setattr(provider, "retrieve", lambda job_id: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            jobs.submit(client.database, provider, dataset, base_model=CLAUDE)
    assert jobs.jobs(client.database)[0].job_id is None
    job = jobs.submit(client.database, provider, dataset, base_model=CLAUDE)
    summaries = bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]
    assert [one["jobName"] for one in summaries] == [job.job_id]


def test_what_bedrock_cannot_take(
    bedrock: Any, client: ragpg.Client, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("submit", str(dataset), "--model")
    assert "is no Claude model" in run(*given, "bedrock/amazon.nova-lite-v1:0", fails=True)
    with pytest.raises(errors.BadArgument, match="line 4 has a role"):
        for_claude(b'{"messages": [{"role": "tool", "content": "x"}]}', 4)
    monkeypatch.delenv("RAGPG_BEDROCK_ROLE")
    assert "RAGPG_BEDROCK_ROLE" in run(*given, f"bedrock/{CLAUDE}", fails=True)
    monkeypatch.delenv("RAGPG_BEDROCK_BUCKET")
    assert "RAGPG_BEDROCK_BUCKET" in run(*given, "bedrock/another.anthropic.model", fails=True)


def test_the_commands_of_the_page(
    provider: FinetuningServer,
    client: ragpg.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragpg.finetuning.jobs.time.sleep", lambda seconds: None)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "train.jsonl", range(12))
    write(tmp_path / "train.validation.jsonl", range(12, 15))
    page = (ROOT / "docs" / "finetuning.md").read_text()
    commands = re.findall(r"^ragpg (finetune (?:submit|status|cancel)\b[^#\n]*)", page, re.M)
    assert [one.split()[1] for one in commands] == ["submit", "status", "cancel"]
    for command in commands:
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0 and "job 1 (ftjob-1 of" in done.stdout, done.output
    assert provider.jobs["ftjob-1"]["status"] == "succeeded"  # it had ended: nothing to cancel
