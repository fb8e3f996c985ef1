"""Where the encoder in the database is used: plain SQL, and the command line without torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg.encoders import Encoders

from ..conftest import ROOT
from .small_models import SMALL, build_model


@pytest.fixture
def pages(url: str) -> ragpg.Collection:
    client = ragpg.connect(url)
    collection = client.collection("pages")
    collection.add(ROOT / "ragpg" / "handbook" / "refunds.md")
    collection.add(ROOT / "ragpg" / "handbook" / "pricing.md")
    return collection


def command(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ragpg", *arguments],
        env={**os.environ, "DATABASE_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    return ("torch loaded\n" if "torch" in imported else "") + done.stdout


def test_init_loads_the_model_for_an_owner_without_superuser(owner_url: str) -> None:
    first = command(owner_url, "init")
    assert "torch loaded" in first and "went from version none" in first
    assert "questions are embedded in SQL by all-MiniLM-L6-v2: smallest cosine" in first
    again = command(owner_url, "init", "--json")
    assert "torch loaded" not in again, "that it is there is known without the model"
    encoder = json.loads(again)["encoder"]
    assert (encoder["loaded"], encoder["reason"]) == (True, "it was in the database already")
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("select vector_dims(ragpg.embed_query('refund'))").fetchone()
        assert row == (384,)
    command(owner_url, "add", "ragpg/handbook/refunds.md", "-c", "handbook")
    (block,) = re.findall(
        r"```sql\n(select place.*?;)", (ROOT / "README.md").read_text(), re.DOTALL
    )
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute(block.encode()).fetchall()
        assert len(rows) == 3 and rows[0][1].endswith("refunds.md"), "the first SQL of the README"
        assert connection.execute("show is_superuser").fetchone() == ("off",)


def test_init_says_why_it_does_not_load(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(command(empty_url, "init", "--no-encoder", "--json"))["encoder"] is None
    odd = build_model(tmp_path / "odd", **SMALL)
    pooling = odd / "1_Pooling" / "config.json"
    changed = json.loads(pooling.read_text()) | {
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": True,
    }
    pooling.write_text(json.dumps(changed))
    for name, reason in ((str(odd), "its pooling is max"), ("absent/model", "cannot be")):
        monkeypatch.setenv("RAGPG_EMBEDDING_MODEL", name)
        told = command(empty_url, "init")  # exit code 0
        assert reason in told and "go by words until the model is loaded: ragpg model load" in told


def test_an_old_server_is_told_of(pages: ragpg.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 150008)
    report = Encoders(pages.session).ensure()
    assert not report.loaded and "needs Postgres 16" in report.reason
    pages.session.database.close()


def test_search_says_that_it_went_by_words(client: ragpg.Client, sql: psycopg.Connection) -> None:
    client.collection("pages").add(text="Refunds take five days.", source="refunds")
    heard: list[tuple[str | None, str | None]] = []
    sql.add_notice_handler(lambda told: heard.append((told.message_primary, told.message_hint)))
    found = sql.execute("select source from ragpg.search('refunds')").fetchall()
    assert found == [("refunds",)]
    ((message, hint),) = heard
    assert message and "searched by words" in message and hint and "ragpg model load" in hint
    heard.clear()
    sql.execute("select source from ragpg.search('refunds', mode => 'keyword')")
    sql.execute(
        "select source from ragpg.search('refunds', query_embedding => '[1,0,0,0,0,0,0,0]')"
    )
    assert heard == []


def test_load_use_and_drop(pages: ragpg.Collection, url: str, sql: psycopg.Connection) -> None:
    question = "when do I get my cash back?"
    by_python = pages.search(question, 5)
    pages.session.database.close()
    assert "torch loaded" in command(url, "search", question, "-c", "pages")
    cosine = json.loads(command(url, "model", "load", "--json").removeprefix("torch loaded\n"))
    assert cosine["verified_cosine"] >= 0.9999
    assert "all-MiniLM-L6-v2: in use, 384 dimensions" in command(url, "model", "list")

    by_psql = sql.execute(
        "select chunk_id, similarity from ragpg.search(%s, 5) order by place", (question,)
    ).fetchall()
    assert [chunk for chunk, _ in by_psql] == [hit.chunk_id for hit in by_python]
    for (_, similarity), hit in zip(by_psql, by_python, strict=True):
        assert similarity == pytest.approx(hit.similarity, abs=0.01)  # Python's may be bfloat16
    only = sql.execute("select chunk_id from ragpg.search(%s, 3, mode => 'vector')", (question,))
    assert len(only.fetchall()) == 3, "no embedding needs to be passed"

    told = command(url, "search", question, "-c", "pages", "--json")
    assert [hit["chunk_id"] for hit in json.loads(told)] == [hit.chunk_id for hit in by_python]
    assert "torch loaded" not in command(url, "ask", question, "-c", "pages")

    assert command(url, "model", "drop", "all-MiniLM-L6-v2") == "dropped all-MiniLM-L6-v2\n"
    assert sql.execute("select count(*) from ragpg.encoder_weights").fetchone() == (0,)
    assert sql.execute("select count(*) from ragpg.search('refunds', 3)").fetchone() == (3,)


def test_a_dump_carries_it_along(pages: ragpg.Collection, url: str, empty_url: str) -> None:
    from ragpg.database.embedded import bin_folder

    Encoders(pages.session).load()
    pages.session.database.close()
    dump = subprocess.run([str(bin_folder() / "pg_dump"), url], capture_output=True, check=True)
    psql = [str(bin_folder() / "psql"), "-qv", "ON_ERROR_STOP=1", "-o", "/dev/null", empty_url]
    subprocess.run(psql, input=dump.stdout, check=True, capture_output=True)
    query = "select chunk_id, similarity from ragpg.search('cash back', 5, 'pages')"
    results = []
    for each in (url, empty_url):
        with psycopg.connect(each) as connection:
            results.append(connection.execute(query.encode()).fetchall())
    assert results[0] == results[1] and len(results[0]) == 5


def test_the_encoder_survives_a_failed_load(pages: ragpg.Collection, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mpnet"}')
    models = Encoders(pages.session)
    with pytest.raises(ragpg.RagpgError):
        models.load(str(tmp_path))
    assert models.status() == []
