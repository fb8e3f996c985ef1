"""How large is ragpg, and how much of it does a person's first hour load?

    python -m benchmarks.sizes     # or: make sizes

Lines of Python by package, and those of the core: the modules of ragpg that are loaded once
`connect`, `add`, `search` and `ask` were called, without reading, models and the satellites.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate

HERE = Path(ragpg.__file__).parent
CORE_AT_MOST = 3500
# Run in an interpreter of its own, whose modules are those of ragpg alone: it is told a server.
_FIRST_HOUR = """
import sys
import numpy as np
import ragpg

class Lengths:
    provider, name, max_tokens, dimensions = "test", "lengths", 60, 4

    def token_starts(self, text):
        return list(range(0, len(text), 4))

    def embed_documents(self, texts, progress=None):
        return np.array([self.embed_query(text) for text in texts], np.float32)

    def embed_query(self, text):
        return np.array([1, len(text) % 7, len(text) % 3, 1], np.float32)

with ragpg.connect(sys.argv[1], embedder=Lengths()) as client:
    notes = client.collection("notes")
    notes.add(text="Refunds take five days.", source="refunds")
    assert notes.search("How long do refunds take?")
    notes.ask("How long do refunds take?")
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] == "ragpg" and module.__file__:
        print(name, module.__file__)
"""


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def by_package() -> Counter[str]:
    """Returns lines of Python by package; what lies in ragpg itself is `ragpg`."""
    sizes: Counter[str] = Counter()
    for path in HERE.rglob("*.py"):
        inside = path.relative_to(HERE)
        sizes[inside.parts[0] if len(inside.parts) > 1 else "ragpg"] += lines(path)
    return sizes


def core(url: str) -> dict[str, int]:
    """Returns lines by module of the core, as loaded against the migrated database of a URL."""
    ran = subprocess.run(
        [sys.executable, "-c", _FIRST_HOUR, url], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    loaded = dict(line.split(" ", 1) for line in ran.stdout.splitlines())
    return {
        name: lines(Path(path))
        for name, path in loaded.items()
        if not name.startswith(("ragpg.reading", "ragpg.models"))
    }


def main() -> None:
    console = Console()
    table = Table("package", "lines", title="ragpg")
    for name, size in sorted(by_package().items(), key=lambda found: -found[1]):
        table.add_row(name, f"{size:,}")
    table.add_section()
    table.add_row("all", f"{by_package().total():,}")
    console.print(table)
    with tempfile.TemporaryDirectory() as home:
        url = embedded.start(Path(home))
        try:
            migrate(url)
            modules = core(url)
        finally:
            embedded.stop(Path(home))
    for name, size in modules.items():
        console.print(f"{size:5,} {name}")
    console.print(
        f"core: {sum(modules.values()):,} lines in {len(modules)} modules"
        f" (connect, add, search and ask; at most {CORE_AT_MOST:,})"
    )


if __name__ == "__main__":
    main()
