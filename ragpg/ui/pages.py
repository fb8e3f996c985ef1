"""The pages: each reads what its address asks for and fills its template."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ragpg.answer import Answer, Citation
from ragpg.client import Client
from ragpg.errors import BadArgument, BadFilter
from ragpg.search import Hit
from ragpg.search.explaining import highlight
from ragpg.session import clean_query
from ragpg.ui import plots, queries, requests, texts
from ragpg.ui.requests import Asked

PER_PAGE = 50
QUEUE_ROWS = 200
PART = 200_000  # characters of a document shown at once: more make a browser slow
_LONGEST_FORM = 100_000


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A hit with its text cut into blocks, the question's words marked."""

    hit: Hit
    blocks: list[texts.Block]


def home(request: Request) -> Response:
    """What is stored, and the box to search it."""
    rows = client_of(request).collections()
    names = [row["collection"] for row in rows]
    return filled(request, "home.html", collections=names, rows=rows, here="home")


# Search and answers ----------------------------------------------------------------------------


def search(request: Request) -> Response:
    """The hits of the address's search."""
    asked, names = _asked(request)
    if not asked.q:
        return filled(request, "search.html", asked=asked, collections=names, hits=None, seconds=0)
    started = time.perf_counter()
    held = client_of(request).collection(asked.collection)
    try:
        hits = held.explain(asked.q, asked.k, filter=asked.parsed_filter, mode=asked.mode)
    except (BadArgument, BadFilter) as error:  # told above what was typed, to mend it
        page = filled(
            request, "search.html", asked=asked, collections=names, hits=None, seconds=0,
            wrong=str(error),
        )  # fmt: skip
        page.status_code = 400
        return page
    seconds = time.perf_counter() - started
    shown = _shown(client_of(request), hits, asked)
    return filled(
        request, "search.html", asked=asked, collections=names, hits=shown, seconds=seconds
    )


def ask_first(request: Request) -> Response:
    """The question, not yet asked: a link must not cost money."""
    asked, names = _asked(request)
    return _ask_page(request, asked, names, None)


async def ask(request: Request) -> Response:
    """The answer to the form's question. It is not stored: this page writes nothing."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, "The question is too long")
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    return await run_in_threadpool(_answered, request, form)


def _answered(request: Request, form: dict[str, str]) -> Response:
    asked, names = _asked(request, form)
    if not asked.q:
        return _ask_page(request, asked, names, None)
    answer = (
        client_of(request)
        .collection(asked.collection)
        .ask(asked.q, min(asked.k, 20), filter=asked.parsed_filter, store=False)
    )
    return _ask_page(request, asked, names, answer)


def _ask_page(request: Request, asked: Asked, names: list[str], answer: Answer | None) -> Response:
    client = client_of(request)
    cited = cited_once(answer) if answer else []
    return filled(
        request,
        "ask.html",
        asked=asked,
        collections=names,
        answer=answer,
        parts=list(answer_parts(answer, cited)) if answer else [],
        cited=cited,
        hits=_shown(client, answer.hits, asked) if answer else [],
        has_model=client.session.anthropic_client() is not None,
        model=client.session.settings.answer_model,
    )


def cited_once(answer: Answer) -> list[Citation]:
    """Returns the cited spans, each once, in the order the answer cites them."""
    spans = {(one.document_id, one.start_char, one.end_char): one for one in answer.citations[::-1]}
    return sorted(spans.values(), key=lambda one: (one.answer_end, one.source, one.start_char))


def answer_parts(answer: Answer, cited: list[Citation]) -> Iterator[tuple[str, list[int]]]:
    """Yields the answer's texts with the numbers of the citations each ends with."""
    numbers = {
        (one.document_id, one.start_char, one.end_char): place for place, one in enumerate(cited, 1)
    }
    ends: dict[int, list[int]] = {}
    for one in answer.citations:
        number = numbers[one.document_id, one.start_char, one.end_char]
        ends.setdefault(one.answer_end, []).append(number)
    start = 0
    for end in sorted({*ends, len(answer.text)}):
        yield answer.text[start:end], sorted(set(ends.get(end, [])))
        start = end


def _shown(client: Client, hits: Sequence[Hit], asked: Asked) -> list[ShownHit]:
    marks = (texts.START_MARK, texts.STOP_MARK)
    highlighted = highlight(client.database, hits, asked.q, marks)
    return [
        ShownHit(hit, texts.blocks(hit.content, texts.word_marks(hit.content, marked)))
        for hit, marked in zip(hits, highlighted, strict=True)
    ]


# Documents -------------------------------------------------------------------------------------


def document(request: Request) -> Response:
    """A document's text at one version, the address's span marked in it."""
    client, given = client_of(request), request.query_params
    document_id = request.path_params["document_id"]
    if document_id > 2**63 - 1:
        raise HTTPException(404, f"There is no document {document_id}")
    versions = rows_of(client, queries.DOCUMENT_VERSIONS, document_id=document_id)
    if not versions:
        raise HTTPException(404, f"There is no document {document_id}, and there never was one")
    number = requests.number(given, "version", versions[0]["version"])
    version = next((one for one in versions if one["version"] == number), None)
    if version is None:
        raise HTTPException(404, f"Version {number} of {versions[0]['source']} is not kept")
    text = _text(client, document_id, number)
    span = _span(given, len(text))
    part = requests.number(given, "part", span[0] // PART if span else 0)
    first = min(part, len(text) // PART) * PART
    marks = [(max(span[0] - first, 0), span[1] - first)] if span and span[1] > first else []
    return filled(
        request,
        "document.html",
        asked=requests.read_leniently(given),
        document_id=document_id,
        document=next(iter(rows_of(client, queries.DOCUMENT, document_id=document_id)), None),
        versions=versions,
        version=version,
        blocks=texts.blocks(text[first : first + PART], marks),
        span=span,
        now=_where_now(client, document_id, versions, version, text, span),
        part=first // PART,
        parts=len(text) // PART + 1,
    )


def _text(client: Client, document_id: int, version: int) -> str:
    found = client.database.value(queries.DOCUMENT_TEXT, document_id=document_id, version=version)
    return found or ""


def _span(given: Any, length: int) -> texts.Span | None:
    """Returns the address's span; BadArgument when the text does not reach so far."""
    if not given.get("end"):
        return None
    start, end = requests.number(given, "start", 0), requests.number(given, "end", 0)
    if not start < end <= length:
        raise BadArgument(f"the text has {length} characters, so there are no {start} to {end}")
    return start, end


def _where_now(
    client: Client,
    document_id: int,
    versions: list[dict[str, Any]],
    version: dict[str, Any],
    text: str,
    span: texts.Span | None,
) -> texts.Span | None:
    """Returns where the newest version has the words of an earlier one's span, None nowhere."""
    newest = versions[0]["version"]
    if span is None or version["version"] == newest:
        return None
    quote = text[slice(*span)]
    start = _text(client, document_id, newest).find(quote)
    return (start, start + len(quote)) if start >= 0 else None


# Collections -----------------------------------------------------------------------------------


def collection(request: Request) -> Response:
    """A collection: what is in it, its search indexes, its documents."""
    client, given = client_of(request), request.query_params
    name, names = _collection(request)
    (status,) = (row for row in client.collections() if row["collection"] == name)
    page, find = requests.number(given, "page", 1) or 1, given.get("find", "")
    documents = rows_of(
        client,
        queries.DOCUMENTS_PAGE,
        collection=name,
        find=clean_query(find),
        limit=PER_PAGE + 1,
        offset=(page - 1) * PER_PAGE,
    )
    return filled(
        request,
        "collection.html",
        asked=Asked(collection=name),
        collections=names,
        here="home",
        status=status,
        indexes=client.collection(name).indexes.status(),
        answers=rows_of(client, queries.ANSWERS_BY_DAY, collection=name),
        documents=documents[:PER_PAGE],
        has_more=len(documents) > PER_PAGE,
        page=page,
        find=find,
    )


def problems(request: Request) -> Response:
    """What is wrong with what a collection holds."""
    name, names = _collection(request)
    found = client_of(request).collection(name).inspection.run()
    kinds: dict[str, list[Any]] = {}
    for problem in found.problems:
        kinds.setdefault(problem.problem, []).append(problem)
    return filled(
        request,
        "problems.html",
        asked=Asked(collection=name),
        collections=names,
        here="home",
        overview=found.overview,
        kinds=sorted(kinds.items(), key=lambda kind: -len(kind[1])),
    )


# Evaluation ------------------------------------------------------------------------------------


def evaluation(request: Request) -> Response:
    """The evaluation runs of a collection, as plots and a table."""
    client = client_of(request)
    asked, names = _asked(request)
    if not requests.read(request.query_params).collection:  # not the first, which may have no run
        newest = rows_of(client, queries.NEWEST_RUN)
        asked = asked.but(collection=newest[0]["name"]) if newest else asked
    runs = client.collection(asked.collection).evaluation.runs() if names else []
    sets = dict.fromkeys(run["evaluation_set"] for run in runs)
    return filled(
        request,
        "evaluation.html",
        asked=asked,
        collections=names,
        here="evaluation",
        runs=runs,
        trends={
            name: plots.trends([run for run in runs if run["evaluation_set"] == name])
            for name in sets
        },
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


def evaluation_run(request: Request) -> Response:
    """One run: its measures, how they are spread, and what it missed."""
    client, run_id = client_of(request), request.path_params["run_id"]
    run = next(iter(rows_of(client, queries.EVALUATION_RUN, run_id=min(run_id, 2**63 - 1))), None)
    if run is None:
        raise HTTPException(404, f"There is no evaluation run {run_id}")
    measures = rows_of(client, queries.EVALUATION_MEASURES, run_id=run_id)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in client.collection().evaluation.failures(run_id):
        kinds.setdefault(row["kind"], []).append(row)
    return filled(
        request,
        "run.html",
        asked=Asked(collection=run["collection"], mode=run["mode"], k=run["k"]),
        collections=names_of(client),
        here="evaluation",
        run=run,
        measures=measures,
        kinds=sorted(kinds.items(), key=lambda kind: -len(kind[1])),
        answers=rows_of(client, queries.EVALUATION_ANSWERS, run_id=run_id)
        if run["answers"]
        else [],
        ndcg=plots.histogram([r["ndcg"] for r in measures if r["ndcg"] is not None], high=1.0),
        latency=plots.histogram([row["latency_ms"] for row in measures]),
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


# The queue -------------------------------------------------------------------------------------


def queue(request: Request) -> Response:
    """What is stored but not yet searchable, failures first."""
    rows = rows_of(client_of(request), queries.QUEUE, limit=QUEUE_ROWS)
    return filled(
        request, "queue.html", here="queue", collections=names_of(client_of(request)), rows=rows
    )


# What the pages share --------------------------------------------------------------------------


def client_of(request: Request) -> Client:
    client: Client = request.app.state.client
    return client


def filled(request: Request, name: str, **values: Any) -> Response:
    page: Response = request.app.state.render(name, **values)
    return page


def rows_of(client: Client, query: Any, **parameters: Any) -> list[dict[str, Any]]:
    return client.database.rows(query, **parameters)


def names_of(client: Client) -> list[str]:
    return [row["name"] for row in rows_of(client, queries.COLLECTION_NAMES)]


def _asked(request: Request, given: dict[str, str] | None = None) -> tuple[Asked, list[str]]:
    """Returns the search, in the first collection when it names none, and the collections."""
    asked = requests.read(request.query_params if given is None else given)
    names = names_of(client_of(request))
    return asked if asked.collection or not names else asked.but(collection=names[0]), names


def _collection(request: Request) -> tuple[str, list[str]]:
    """Returns the collection the address names, which exists, and all of them."""
    asked, names = _asked(request)
    if asked.collection not in names:
        raise HTTPException(404, f'There is no collection "{asked.collection}"')
    return asked.collection, names
