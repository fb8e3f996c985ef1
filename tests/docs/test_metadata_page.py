"""The page of metadata and filters: its example runs, and does what it says."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest

import ragpg

from ..conftest import ROOT


def test_the_example_runs(
    client: ragpg.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/metadata.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setattr(ragpg, "connect", lambda: nullcontext(client))
    found: dict[str, object] = {}
    exec(example, found)
    assert capsys.readouterr().out.startswith("metadata.paid is {datetime.datetime(")
    (jsonpath,) = re.findall(r"`(\$\.paid\.datetime\(\) .*)`", page)
    bills = client.collection("bills")
    for line in [*re.findall(r"filter=(\{.*\})\)", example), repr(jsonpath)]:
        hits = bills.search("pump", filter=eval(line, found))
        assert [hit.source for hit in hits] == ["1"], line
