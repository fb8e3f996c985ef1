"""The profile citus of docker-compose.yml fits together, as far as that shows without Docker."""

from __future__ import annotations

import re

import yaml

from ..conftest import ROOT


def test_the_nodes_that_are_registered_are_those_that_are_started() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    nodes = {name: one for name, one in compose["services"].items() if name.startswith("citus")}
    register = nodes.pop("citus-register")
    said = (ROOT / "citus" / "register.sql").read_text()
    assert set(re.findall(r"node?\('([\w-]+)'|host\('([\w-]+)'", said)) == {
        ("", "citus"),
        ("citus-worker-1", ""),
        ("citus-worker-2", ""),
    }
    assert (
        set(nodes) == set(register["depends_on"]) == {"citus", "citus-worker-1", "citus-worker-2"}
    )
    for node in (*nodes.values(), register):
        assert node["profiles"] == ["citus"]
        assert node["networks"] == ["citus"]
        assert (ROOT / node["build"] / "Dockerfile").exists()
    for node in nodes.values():
        assert "shared_preload_libraries=citus" in node["command"]
        (volume,) = node["volumes"]
        assert volume.split(":")[0] in compose["volumes"]
    assert [name for name, node in nodes.items() if "ports" in node] == ["citus"]
    assert (ROOT / register["volumes"][0].split(":")[0]).exists()
