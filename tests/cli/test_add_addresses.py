"""`ragpg add` of a web site, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..indexing.sites import html
from ..servers.pages import Page, PagesServer
from .test_cli import Shell


def test_a_site_with_its_options(home: Path) -> None:
    shell = Shell(home)
    with PagesServer() as site:
        site.pages["/"] = html("Start.", "/en/a", "/de/b", "/en/gone", "/en/broken")
        site.pages["/en/a"] = html("Money is returned within five days.")
        site.pages["/en/broken"] = Page(status=500)
        options = ("--depth", "1", "--pages", "9", "--exclude", "*/de/*", "-c", "site")
        refused = shell("add", f"{site.url}/", *options)
        assert refused.returncode == 1 and "RAGPG_LOCAL_ADDRESSES" in refused.stderr
        shell.environment["RAGPG_LOCAL_ADDRESSES"] = "1"
        done = shell("add", f"{site.url}/", *options)
        assert done.returncode == 1, "a page failed"
        assert done.stdout.startswith("2 added, 0 updated, 0 unchanged, 1 failed")
        assert f"failed: {site.url}/en/broken cannot be read: it answers 500" in done.stderr
        assert f"skipped {site.url}/en/gone: it is not there: it answers 404" in done.stderr
        site.pages["/en/broken"] = html("Fine.")
        again = shell("add", f"{site.url}/", *options, "--sync", "--json")
        assert again.returncode == 0, again.stderr
        assert {key: json.loads(again.stdout)[key] for key in ("added", "unchanged")} == {
            "added": 1,
            "unchanged": 2,
        }


def test_what_ctrl_c_ends_is_kept(home: Path) -> None:
    shell = Shell(home)
    environment = {**shell.environment, "RAGPG_LOCAL_ADDRESSES": "1"}
    with PagesServer() as site:
        for day in range(1000):  # half a second each
            site.pages[f"/{day}"] = html(f"Day {day}.", f"/{day + 1}")
        command = [
            sys.executable,
            "-m",
            "ragpg",
            "add",
            f"{site.url}/0",
            "--depth",
            "999",
            "--json",
        ]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while len(site.asked) < 4:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        report = json.loads(out)
        assert process.returncode == 130 and "the same command continues" in err
        assert 0 < report["added"] < 1000
        assert len(shell.json("documents")) == report["added"]
