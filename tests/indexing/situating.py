"""What the tests of contextual and context_batches share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import psycopg

import ragpg
from ragpg.models.usage import Budget

from ..conftest import ROOT

Sql = psycopg.Connection[Any]


MODEL = "claude-test"


TEXTS = {
    "refunds.md": "The refund takes five days. "
    + "".join(f"Money of case {n} is returned to the card by us. " for n in range(20)),
    "login.md": "A login needs a password. "
    + "".join(f"The password of level {n} is changed by mail only. " for n in range(20)),
}


def build(docs: ragpg.Collection, budget: Budget | None = None, **options: Any) -> int:
    made = docs.indexes.create(context_model=MODEL)
    docs.indexes.write_contexts(made.id, budget, **options)
    docs.indexes.fill(made.id)
    return made.id


def count(sql: Sql, statement: str, *parameters: Any) -> int:
    row = sql.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])


# Helpers -----------------------------------------------------------------------------------------


def prices() -> Any:
    from decimal import Decimal

    from ragpg.models import Prices

    return Prices(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"))


def put_prices(sql: Sql) -> None:
    sql.execute(
        "insert into ragpg.model_prices (model, input_price, output_price, cache_read_price,"
        " cache_creation_price) values (%s, 3, 15, 0.3, 3.75)",
        [MODEL],
    )


_SCRIPT = """
import ragpg, sys
from tests.conftest import WordEmbedder
with ragpg.connect(sys.argv[1], embedder=WordEmbedder()) as client:
    {}
"""


def start(url: str, statement: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _SCRIPT.format(statement), url], cwd=ROOT)


_CLI = """
import sys
import ragpg.models.opening
from tests.conftest import WordEmbedder
ragpg.models.opening.open_embedder = lambda name: WordEmbedder()
from ragpg.cli import main
sys.argv = ["ragpg", *sys.argv[1:]]
main()
"""


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _CLI, *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )


def wait_for(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
