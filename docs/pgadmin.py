"""Starts pgAdmin 4 on the database in use and keeps pictures of ragpg's views in docs/pictures.

python -m venv VENV && VENV/bin/pip install pgadmin4
python -m docs.pgadmin VENV        # needs chromium and chromium-driver

pgAdmin reads as the role ragpg_dashboards, which may only read, and keeps its files in a temporary
folder. The pictures show its own window: the view is chosen in the tree, then "All Rows".
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from docs.browser import Browser, browser, wait_for
from ragpg.database import embedded
from ragpg.database.starting import server_url
from ragpg.settings import from_environment

PICTURES = Path(__file__).parent / "pictures"
READER = Path(__file__).parents[1] / "dashboards" / "reader.sql"
ROLE, PASSWORD = "ragpg_dashboards", "ragpg"
VIEWS = [
    "collection_status", "index_health", "evaluation_leaderboard", "ingest_queue",
    "health_problems", "answers_by_day", "searches_by_day", "stale_citations",
]  # fmt: skip
SIZES = {"": (1440, 900), "-small": (1024, 700)}
_NAVIGATING = (1440, 2400)
"""High enough that the tree need not be scrolled."""


def main(venv: Path) -> None:
    """Keeps a picture of each view in each size."""
    url = server_url(from_environment())
    psql = [str(embedded.bin_folder() / "psql"), url, "-qv", "ON_ERROR_STOP=1"]
    subprocess.run(
        [*psql, "-v", f"password={PASSWORD}", "-f", str(READER)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    database = str(conninfo_to_dict(url)["dbname"])
    for view in VIEWS:
        # A new one each time: an old one opens the views of before beside it.
        with pgadmin(venv, url) as address, browser() as window:
            window.resize(*_NAVIGATING)
            window.open(address)
            open_rows(window, database, view)
            for suffix, size in SIZES.items():
                window.resize(*size)
                shown = window.wait(_ROWS, view)
                time.sleep(2)  # the panes are laid out anew, with no sign of the end
                name = f"pgadmin-{view.replace('_', '-')}{suffix}.png"
                window.picture(PICTURES / name, 64)
            print(f"{view}: {shown}")


def open_rows(window: Browser, database: str, view: str) -> None:
    """Goes through the tree to a view, as a person does, and asks for all of its rows."""
    for depth, name in enumerate(
        ["Servers", "ragpg", "Databases", database, "Schemas", "ragpg", "Views"], 1
    ):
        toggle = _entry(depth, name) + "/i[contains(@class,'directory-toggle')]"
        # The first click on a server connects, the second opens it.
        while not window.shows(f"{toggle}[contains(@class,'open')]"):
            window.click(toggle)
            time.sleep(3)
    window.click(_entry(8, view) + "//span[@class='file-name']")
    window.click("//button[@data-label='All Rows' and not(@disabled)]")
    window.wait(_ROWS, view)
    window.click("//iframe", times=0)  # away from the button, whose tooltip would hide the tree


def _entry(depth: int, name: str) -> str:
    named = f".//span[@class='file-name' and text()='{name}']"
    return f"//div[contains(@class,'file-entry') and @data-depth='{depth}'][{named}]"


# pgAdmin draws each query tool in a frame of its own, those of the last window included, which it
# opens again; it counts the rows when they have come.
_ROWS = """
for (const frame of document.querySelectorAll('iframe')) {
    const text = frame.contentDocument?.body?.innerText ?? '';
    const rows = text.match(/Total rows: [1-9][0-9]*/)?.[0];
    if (frame.getBoundingClientRect().width && text.includes('ragpg.' + arguments[0]) && rows)
        return rows;
}
"""


@contextmanager
def pgadmin(venv: Path, url: str) -> Iterator[str]:
    """Yields the address of a pgAdmin in desktop mode that knows the database as `ragpg`."""
    (package,) = venv.glob("lib/python*/site-packages/pgadmin4")
    python = venv.absolute() / "bin" / "python"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        _configure(Path(folder), port, url)
        environment = {**os.environ, "PYTHONPATH": folder, "HOME": folder}
        for command in (["setup-db"], ["load-servers", f"{folder}/servers.json"]):
            subprocess.run(
                [python, package / "setup.py", *command],
                env=environment, cwd=package, check=True, capture_output=True,
            )  # fmt: skip
        environment["PGADMIN_SERVER_MODE"] = "OFF"
        process = subprocess.Popen(
            [python, package / "pgAdmin4.py"],
            env=environment, cwd=package, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/misc/ping")
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def _configure(folder: Path, port: int, url: str) -> None:
    """Writes pgAdmin's settings, the server it shall know, and the role's password."""
    config = {
        "SERVER_MODE": False,
        "DATA_DIR": str(folder / "data"),
        "MASTER_PASSWORD_REQUIRED": False,
        "UPGRADE_CHECK_ENABLED": False,
        "DEFAULT_SERVER": "127.0.0.1",
        "DEFAULT_SERVER_PORT": port,
    }
    lines = "".join(f"{name} = {value!r}\n" for name, value in config.items())
    (folder / "config_local.py").write_text(lines)
    passwords = folder / "pgpass"
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    passwords.chmod(0o600)
    named = conninfo_to_dict(url)
    server = {
        "Name": "ragpg",
        "Group": "Servers",
        "Host": named.get("host", "127.0.0.1"),
        "Port": int(named.get("port") or 5432),
        "MaintenanceDB": named["dbname"],
        "Username": ROLE,
        "ConnectionParameters": {"passfile": str(passwords)},
    }
    (folder / "servers.json").write_text(json.dumps({"Servers": {"1": server}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
