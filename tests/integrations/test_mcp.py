"""An agent's tools, asked by the official SDK's own client over both transports."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import psycopg
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, ResourceLink, TextContent

import ragpg
from ragpg import errors, open_embedder
from ragpg.integrations.mcp import make_server

from ..conftest import ROOT, role

PAGE = "Refunds are quick. " * 30 + "The rate limit is ten. " + "Passwords are long. " * 2_000
SOURCE = "/docs/a page?.md"


@pytest.fixture
def filled(url: str) -> str:
    """A database whose collections bring their embeddings: no model is loaded."""
    with ragpg.connect(url, embedder=open_embedder("given/axes@2")) as client:
        pages = client.collection("pages")
        rows = [
            {"text": PAGE, "source": SOURCE, "title": "Limits", "embedding": [1, 0], "tier": "pro"},
            {
                "text": "A refund.",
                "source": "b",
                "embedding": [0, 1],
                "tier": "free",
                "long": "x" * 3_000,
            },
        ]
        assert pages.add(records=rows).added == 2
        client.collection("notes").add(
            records=[{"text": "A note.", "source": "n", "embedding": [1, 1]}]
        )
    return url


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)}


@asynccontextmanager
async def over_stdio(url: str, *options: str) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "ragpg", "mcp", *options], env=environment(url)
    )
    async with Client(stdio_client(command)) as client:
        yield client


@contextmanager
def served(url: str) -> Iterator[str]:
    """The address of `ragpg mcp --http` in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ragpg", "mcp", "--http", "--port", str(port)]
    with subprocess.Popen(command, env=environment(url), stderr=subprocess.PIPE) as process:
        try:
            for _ in range(600):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


def structured(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


async def check_a_session(client: Client) -> None:
    """What an agent does: lists, searches, follows a link, reads around it."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "read", "list_collections"}
    assert all(one.annotations and one.annotations.read_only_hint for one in tools.values())
    assert all(one.output_schema for one in tools.values())
    listed = structured(await client.call_tool("list_collections", {}))["collections"]
    assert [(one["collection"], one["documents"]) for one in listed] == [("notes", 1), ("pages", 2)]
    asked = {"query": "rate limit", "collection": "pages", "k": 1, "filter": {"tier": "pro"}}
    result = await client.call_tool("search", asked)
    (hit,) = structured(result)["hits"]
    assert hit["source"] == SOURCE and hit["metadata"] == {"tier": "pro"}
    assert (hit["start_char"], hit["cut"], len(hit["text"])) == (0, True, 3_000)
    text, link = result.content
    assert isinstance(text, TextContent) and text.text.startswith(f"[1] {SOURCE}, characters 0-")
    assert isinstance(link, ResourceLink) and link.uri == hit["uri"]
    (content,) = (await client.read_resource(link.uri)).contents
    assert getattr(content, "text", "") == PAGE.rstrip()[:20_000]
    place = PAGE.index("The rate")
    around = {"source": SOURCE, "collection": "pages", "start_char": place, "end_char": place + 22}
    read = structured(await client.call_tool("read", {**around, "around": 10}))
    assert read["text"] == PAGE[place - 10 : place + 32]
    assert (read["start_char"], read["end_char"]) == (place - 10, place + 32)
    assert read["characters"] == len(PAGE.rstrip())


async def test_over_stdio(filled: str) -> None:
    async with over_stdio(filled) as client:
        await check_a_session(client)


async def test_over_http(filled: str) -> None:
    with served(filled) as address:
        async with Client(address) as client:
            await check_a_session(client)
        # A page of another site that points its name here (DNS rebinding) gets nothing.
        async with httpx2.AsyncClient() as browser:
            for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
                answer = await browser.post(address, json={}, headers=headers)
                assert answer.status_code in (403, 421), headers


@pytest.fixture
def reading(filled: str) -> Iterator[ragpg.Client]:
    with ragpg.connect(filled, read_only=True) as client:
        yield client


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search", {"query": "a"}, "name a collection: notes, pages"),
        (
            "search",
            {"query": "a", "collection": "none"},
            'there is no collection "none": notes, pages',
        ),
        ("search", {"query": "a", "collection": "pages", "k": 21}, "less than or equal to 20"),
        ("search", {"query": "a", "collection": "pages", "filter": "$.x ="}, "filter"),
        ("search", {"query": "a", "collection": "pages", "filter": {"x": {"$no": 1}}}, r"\$no"),
        ("search", {"query": "a", "collection": "pages", "mode": "vector"}, "embedding"),
        ("read", {"source": "none", "collection": "pages"}, 'no document "none" in "pages"'),
        (
            "read",
            {"source": "b", "collection": "pages", "version": 9},
            'no version 9 of document "b"',
        ),
        (
            "read",
            {"source": "b", "collection": "pages", "around": 10_001},
            "less than or equal to 10000",
        ),
    ],
)
async def test_an_agent_is_told_what_to_mend(
    reading: ragpg.Client, tool: str, arguments: dict[str, Any], told: str
) -> None:
    async with Client(make_server(reading)) as client:
        result = await client.call_tool(tool, arguments)
        assert result.is_error
        assert re.search(told, getattr(result.content[0], "text", ""))


async def test_sizes_are_bounded(reading: ragpg.Client) -> None:
    async with Client(make_server(reading, ["pages"])) as client:
        read = structured(await client.call_tool("read", {"source": SOURCE}))  # the only one
        assert (read["start_char"], read["end_char"]) == (0, 20_000) and len(read["text"]) == 20_000
        far = {"source": SOURCE, "start_char": 10**9, "around": 5}
        assert structured(await client.call_tool("read", far))["text"] == ""
        found = structured(await client.call_tool("search", {"query": "refund", "k": 20}))["hits"]
        assert {one["source"]: one["metadata"] for one in found}["b"] == {}  # 3,000 characters
        listed = structured(await client.call_tool("list_collections", {}))["collections"]
        assert [one["collection"] for one in listed] == ["pages"]
        result = await client.call_tool("search", {"query": "note", "collection": "notes"})
        assert result.is_error  # it is not among those named


async def test_nothing_is_found_is_said(reading: ragpg.Client) -> None:
    async with Client(make_server(reading, ["notes"])) as client:
        result = await client.call_tool("search", {"query": "note", "filter": {"tier": "none"}})
        assert structured(result) == {"hits": []}
        assert getattr(result.content[0], "text", "") == "Nothing was found."


async def test_tenants_are_kept_apart(filled: str, server: str, sql: psycopg.Connection) -> None:
    sql.execute("select ragpg.enable_tenants('one')")
    with ragpg.connect(filled) as owner, pytest.raises(errors.NoTenant, match="all tenants"):
        make_server(owner)
    for tenant, sources in (("one", ["n"]), ("two", [])):
        name = f"agent_{tenant}"
        role(server, name)
        sql.execute(f"select ragpg.grant_reader('{name}')".encode())
        sql.execute("select ragpg.bind_role(%s, %s)", (name, tenant))
        async with over_stdio(
            filled.replace("postgres:@", f"{name}:@"), "--tenant", tenant
        ) as client:
            asked = {"query": "note", "collection": "notes"}
            hits = structured(await client.call_tool("search", asked))["hits"]
            assert [one["source"] for one in hits] == sources
        sql.execute(f'drop owned by "{name}"'.encode())


def test_the_page_names_the_command_as_it_is() -> None:
    page = (ROOT / "docs/mcp.md").read_text()
    told = subprocess.run(
        [sys.executable, "-m", "ragpg", "mcp", "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip
    for option in set(re.findall(r"(?<=\s)--(?:collection|tenant|http|port)\b", page)):
        assert option in told
    assert '"args": ["mcp"' in page and "claude mcp add" in page
