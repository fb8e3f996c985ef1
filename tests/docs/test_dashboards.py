"""Every panel's query runs, as the role that may only read, on a database with something in it."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import psycopg
import pytest
import yaml

import ragpg
from ragpg.database import embedded

from ..conftest import ROOT
from ..database.test_sql_surface import cite, handbook
from ..inspection.test_observing import share

__all__ = ["handbook"]
FOLDER = ROOT / "dashboards"
DASHBOARD = json.loads((FOLDER / "ragpg.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]


def substituted(statement: str) -> str:
    """Returns a query as Grafana sends it: its macros and the variable put in."""
    span = r"\1 between now() - interval '30 days' and now() + interval '1 day'"
    statement = re.sub(r"\$__timeFilter\(((?:[^()]|\(\))*)\)", span, statement)
    statement = re.sub(
        r"\$__timeGroupAlias\(([^,]*), \$__interval\)",
        r"to_timestamp(floor(extract(epoch from \1) / 3600) * 3600) as time",
        statement,
    )
    statement = statement.replace("$collection", "'handbook','other'")
    assert "$" not in statement, statement
    return statement


@pytest.fixture
def reader(handbook: ragpg.Collection, sql: psycopg.Connection, url: str) -> psycopg.Connection:
    """A connection of the dashboards' role to a database where every panel has something to show."""
    share(sql, 1)
    handbook.search("password")
    handbook.search("password", filter='$.tier == "none"')
    cite(sql, "refunds", 8)
    handbook.add(text="Changed.", source="refunds")
    handbook.conversation().ask("password")
    sql.execute("insert into ragpg.model_prices values ('m', 3, 15, 0.3, 3.75)")
    sql.execute("select ragpg.measure_recall('handbook', k => 2)")
    sql.execute(
        "select ragpg.put_evaluation_question('handbook', 'default', 'password', '[{\"source\": \"login\"}]')"
    )
    handbook.evaluation.run("default")
    sql.execute("select ragpg.put_document('handbook', 'new', 'Some words.')")
    sql.execute("update ragpg.index_statistics set chunk_count = 99")
    for _ in range(2):  # compose runs it each time
        psql: list[Any] = [
            embedded.bin_folder() / "psql",
            url,
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            "password=it's",
        ]
        subprocess.run([*psql, "-f", FOLDER / "reader.sql"], check=True, capture_output=True)
    return psycopg.connect(url.replace("postgres:@", "ragpg_dashboards:@"), autocommit=True)


def test_every_panel_shows_something(reader: psycopg.Connection) -> None:
    assert len(PANELS) > 15
    with reader:
        assert reader.execute(DASHBOARD["templating"]["list"][0]["query"].encode()).fetchall() == [
            ("handbook",)
        ]
        for panel in PANELS:
            (target,) = panel["targets"]
            cursor = reader.execute(substituted(target["rawSql"]).encode())
            names = [column.name for column in cursor.description or ()]
            found = cursor.fetchall()
            assert found and any(value is not None for value in found[0]), panel["title"]
            assert target["format"] != "time_series" or names[0] == "time", panel["title"]
            if panel["type"] == "stat":
                assert found[0][0] > 0, panel["title"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("delete from ragpg.searches")


def test_the_provisioning_fits_together() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/ragpg.yaml").read_text())[
        "datasources"
    ]
    used = {panel["datasource"]["uid"] for panel in PANELS}
    assert used == {source["uid"]} and source["user"] in (FOLDER / "reader.sql").read_text()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    grafana = compose["services"]["grafana"]
    assert grafana["profiles"] == ["dashboards"]
    for mount in grafana["volumes"]:
        assert (ROOT / mount.split(":")[0]).exists()
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/ragpg.yaml").read_text())[
        "providers"
    ]
    assert any(provider["options"]["path"] in mount for mount in grafana["volumes"])
    places = [panel["gridPos"] for panel in PANELS]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_the_page_shows_every_picture_of_pgadmin() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text()
    for name in re.findall(r"\((pictures/[^)]+)\)", page):
        assert (ROOT / "docs" / name).stat().st_size < 200_000
    for view in re.findall(r"pictures/pgadmin-([a-z-]+?)(?:-small)?\.png", page):
        assert list((ROOT / "sql").glob(f"*/{view.replace('-', '_')}.sql"))
    assert {path.name for path in (ROOT / "docs" / "pictures").glob("pgadmin-*")} <= set(
        re.findall(r"pictures/([^)]+)\)", page)
    )
