"""Reads dashboards/ragpg.json by Grafana's own types and prints what these do not know.

python -m venv VENV && VENV/bin/pip install 'grafana-foundation-sdk==1769699379!11.6.0'
VENV/bin/python dashboards/validate.py    # exits with 1 when something is lost or changed

Reading drops what no type of the dashboard or of its panels has, so a misspelt or misplaced
setting is missing from what is written back.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Yields the place of each value that was lost or became another."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from differences(value, theirs.get(key), f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


def main() -> int:
    """Returns 1 when there is a difference, else 0."""
    plugins.register_default_plugins()
    ours = json.loads((Path(__file__).parent / "ragpg.json").read_text())
    read = Dashboard.from_json(copy.deepcopy(ours))  # it takes its argument apart
    found = list(differences(ours, json.loads(JSONEncoder().encode(read))))
    print("\n".join(found) or f"{len(ours['panels'])} panels, nothing lost or changed")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
