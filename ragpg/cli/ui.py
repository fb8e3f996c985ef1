"""`ragpg ui`: the web page, served locally."""

from __future__ import annotations

import socket
import webbrowser
from contextlib import suppress
from typing import Annotated

import typer

from ragpg.cli.console import out
from ragpg.errors import SettingsError
from ragpg.settings import LOCAL_HOSTS


def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8642,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name the page may be asked under; * allows any."),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show what is stored, found and measured as a local web page; it writes nothing.

    Search and ask, documents at the cited place in any version, evaluation runs, the queue. Only
    this machine can reach it, unless --host says otherwise: there is no password. Ctrl-C ends it.
    """
    try:
        import uvicorn

        from ragpg.ui.app import make_app
    except ModuleNotFoundError as error:
        raise SettingsError("the web page needs an extra: pip install 'ragpg[ui]'") from error
    from ragpg.client import connect

    with _listen(host, port) as listening:
        shown = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
        with connect(embed_in_database=True, read_only=True) as client:
            app = make_app(client, [*LOCAL_HOSTS, host, *(allow_host or [])])
            config = uvicorn.Config(app, log_level="warning", server_header=False)
            out.print(f"{shown}  (Ctrl-C ends it)", markup=False)
            if browse:
                webbrowser.open(shown)
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; SettingsError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}, port {port} ({error.strerror}): ragpg ui --port NUMBER"
        ) from error
