"""A web application over ragpg, as docs/web.md explains it: uvicorn docs.web_app:app"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse

import ragpg
from ragpg import errors

SEARCHES, ANSWERS = 8, 100  # at once; more requests wait for their turn
STATUS: dict[type[errors.RagpgError], int] = {
    errors.UnknownCollection: 404,
    errors.BadArgument: 400,
    errors.BadFilter: 400,
    errors.ConnectionFailed: 503,  # the database
    errors.AnswerError: 502,  # the language model
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for each process, made where it serves, and its model warm before requests."""
    client = await run_sync(partial(ragpg.connect, max_connections=SEARCHES + 2))
    app.state.handbook = client.collection("handbook")
    app.state.searching = CapacityLimiter(SEARCHES)
    app.state.answering = CapacityLimiter(ANSWERS)
    await run_sync(app.state.handbook.search, "warm", 1)
    yield
    await run_sync(client.close)


app = FastAPI(lifespan=lifespan)


@app.get("/search")
async def search(request: Request, q: str, k: int = 5) -> list[dict[str, Any]]:
    state = request.app.state
    hits = await run_sync(state.handbook.search, q, k, limiter=state.searching)
    return [{"source": one.source, "score": one.score, "content": one.content} for one in hits]


@app.post("/ask")
async def ask(request: Request, q: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
    state = request.app.state
    answer = await run_sync(state.handbook.ask, q, limiter=state.answering)
    return {"text": answer.text, "citations": [asdict(one) for one in answer.citations]}


@app.exception_handler(errors.RagpgError)
async def told(request: Request, error: Exception) -> JSONResponse:
    """Tells the caller what the caller got wrong; what else went wrong is the log's."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500:
        logging.getLogger("uvicorn.error").error("%s: %s", request.url.path, error)
    detail = str(error) if status < 500 else "try again later"
    return JSONResponse({"detail": detail}, status_code=status)
