"""The application: its addresses, its templates, and pages for what went wrong."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import Any

import psycopg
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import ragpg
from ragpg import errors
from ragpg.client import Client
from ragpg.settings import LOCAL_HOSTS
from ragpg.ui import conversations, pages, requests
from ragpg.ui.guard import Guard

_NOTHING = "\N{EN DASH}"
_STATUS: dict[type[errors.RagpgError], int] = {
    errors.UnknownCollection: 404,
    errors.CollectionNotNamed: 400,
    errors.BadFilter: 400,
    errors.BadArgument: 400,
    errors.PermissionDenied: 403,
    errors.ConnectionFailed: 503,
    errors.AnswerError: 502,
}


def make_app(client: Client, allowed_hosts: Collection[str] = LOCAL_HOSTS) -> Starlette:
    """Returns the page over a client, which should be read-only, for these Host headers."""
    app = Starlette(
        routes=[
            Route("/", pages.home),
            Route("/search", pages.search),
            Route("/ask", pages.ask_first),
            Route("/ask", pages.ask, methods=["POST"]),
            Route("/document/{document_id:int}", pages.document),
            Route("/collection", pages.collection),
            Route("/problems", pages.problems),
            Route("/evaluation", pages.evaluation),
            Route("/evaluation/{run_id:int}", pages.evaluation_run),
            Route("/conversations", conversations.conversations),
            Route("/conversation/{conversation_id:int}", conversations.conversation),
            Route("/queue", pages.queue),
            Mount("/static", StaticFiles(directory=str(files("ragpg.ui") / "static"))),
        ],
        middleware=[Middleware(Guard, allowed_hosts=allowed_hosts)],
        exception_handlers={
            errors.RagpgError: _ragpg_error,
            HTTPException: _http_error,
            Exception: _unexpected_error,
        },
    )
    app.state.client = client
    app.state.render = partial(render, _environment(_named(client)))
    return app


def _environment(database: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("ragpg.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value: f"{value:,.0f}",
        "bytes": _bytes,
        "time": _time,
        "share": lambda value: _NOTHING if value is None else f"{value:.0%}",
        "measure": lambda value: _NOTHING if value is None else f"{value:.3f}",
        "json": lambda value: json.dumps(value, ensure_ascii=False),
    }
    environment.globals["ragpg_version"] = ragpg.__version__
    environment.globals["database"] = database
    environment.globals["modes"] = requests.MODES
    return environment


def _named(client: Client) -> str:
    held = client.server()
    embedded = " (embedded)" if client.session.settings.embedded else ""
    return f"{held['database']}{embedded}, Postgres {held['postgres']}, pgvector {held['pgvector']}"


def render(environment: Environment, name: str, status_code: int = 200, **values: Any) -> Response:
    """Returns a template as a page."""
    shown = {"asked": requests.Asked(), "collections": None, "here": "", **values}
    return HTMLResponse(environment.get_template(name).render(shown), status_code)


def _bytes(value: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def _time(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else _NOTHING


# What went wrong -------------------------------------------------------------------------------


def _error_page(request: Request, status: int, heading: str, message: str) -> Response:
    page: Response = request.app.state.render(
        "error.html",
        status,
        asked=requests.read_leniently(request.query_params),
        heading=heading,
        message=message,
    )
    return page


def _ragpg_error(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error.__cause__, psycopg.errors.SyntaxError | psycopg.DataError):
        status = 400  # a filter that is no jsonpath
    said = " ".join(str(error).split())
    heading = {404: "Not found", 503: "No database"}.get(status, "That did not work")
    return _error_page(request, status, heading, f"{said[:1].upper()}{said[1:]}.")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    heading = "Not found" if error.status_code == 404 else "That did not work"
    page = _error_page(request, error.status_code, heading, f"{error.detail}.")
    page.headers.update(error.headers or {})
    return page


def _unexpected_error(request: Request, error: Exception) -> Response:
    message = "This is a fault of ragpg. The terminal where ragpg ui runs shows where."
    return _error_page(request, 500, type(error).__name__, message)
