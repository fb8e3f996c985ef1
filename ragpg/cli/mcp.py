"""`ragpg mcp`: tools for agents."""

from __future__ import annotations

from typing import Annotated

import typer

from ragpg.errors import SettingsError


def mcp(
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", help="Only this collection; may be repeated."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Act for this tenant; default: RAGPG_TENANT.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP on 127.0.0.1 instead of stdio.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of --http.", min=1, max=65535)] = 8643,
) -> None:
    """Serve search to agents by the Model Context Protocol; nothing can be written through it.

    Tools: search, read a document around a hit, list collections. A client starts it and speaks
    over stdin and stdout; with --http programs of this machine reach it at /mcp, without a
    password.
    """
    try:
        from ragpg.integrations.mcp import make_server
    except ModuleNotFoundError as error:
        raise SettingsError("this needs an extra: pip install 'ragpg[mcp]'") from error
    from ragpg.client import connect

    with connect(embed_in_database=True, read_only=True, tenant=tenant) as client:
        server = make_server(client, collection or ())
        if http:
            server.run("streamable-http", host="127.0.0.1", port=port)
        else:
            server.run("stdio")
