"""Spans and metrics of what ragpg does, for who traces with OpenTelemetry (extra `otel`).

Names are those of the GenAI conventions (semantic-conventions-genai, read 2026-11; all of them are
in development). Texts, questions and sources are recorded only where the conventions' variable
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true (or SPAN_ONLY, SPAN_AND_EVENT).
Loaded by the first call of a process that has imported OpenTelemetry's API.
"""

from __future__ import annotations

import inspect
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from ragpg.settings import variable
from ragpg.version import __version__

Attributes = dict[str, Any]
Arguments = Mapping[str, Any]

_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [4**power for power in range(14)]

_log = logging.getLogger("ragpg")
_tracer = trace.get_tracer("ragpg", __version__)
_meter = metrics.get_meter("ragpg", __version__)
_duration = _meter.create_histogram(
    "gen_ai.client.operation.duration",
    unit="s",
    description="GenAI operation duration",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
_token_usage = _meter.create_histogram(
    "gen_ai.client.token.usage",
    unit="{token}",
    description="Number of input and output tokens used",
    explicit_bucket_boundaries_advisory=_TOKENS,
)


def told(function: Callable[..., Any], args: Sequence[Any], kwargs: Arguments) -> Any:
    """Returns what the function returns, told to who traces where it is one of the operations."""
    operation = _OPERATIONS.get(f"{function.__module__}.{function.__qualname__}")
    if operation is None:
        return function(*args, **kwargs)
    given = _signature(function).bind(*args, **kwargs)
    given.apply_defaults()
    return operation.run(function, given)


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


@dataclass(frozen=True, slots=True)
class _Operation:
    """What is told of a function: of its arguments, its result, and what holds texts of both."""

    name: str
    kind: SpanKind
    of_arguments: Callable[[Arguments], Attributes]
    of_result: Callable[[Any], Attributes] = lambda result: {}
    texts: Callable[[Arguments, Any], Attributes] = lambda given, result: {}

    def run(self, function: Callable[..., Any], given: inspect.BoundArguments) -> Any:
        """Returns what the function returns, in a span, with its seconds and tokens counted."""
        told = {"gen_ai.operation.name": self.name, **_found(self.of_arguments, given.arguments)}
        about = next((told[key] for key in _NAMED_BY if key in told), "")
        measured = {key: told[key] for key in _MEASURED_BY if key in told}
        started = time.monotonic()
        with _tracer.start_as_current_span(
            f"{self.name} {about}",
            kind=self.kind,
            attributes=told,
            record_exception=False,  # its message may quote what somebody asked
            set_status_on_exception=False,
        ) as span:
            try:
                result = function(*given.args, **given.kwargs)
                found = _found(self.of_result, result)
                span.set_attributes(found)
                if span.is_recording() and _texts_are_told():
                    span.set_attributes(_found(self.texts, given.arguments, result))
                for kind in ("input", "output"):
                    if (count := found.get(f"gen_ai.usage.{kind}_tokens")) is not None:
                        _token_usage.record(count, {**measured, "gen_ai.token.type": kind})
                return result
            except BaseException as error:
                measured["error.type"] = type(error).__qualname__
                span.set_attribute("error.type", measured["error.type"])
                span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                _duration.record(time.monotonic() - started, measured)


def _found(attributes: Callable[..., Attributes], *given: Any) -> Attributes:
    """Returns the attributes of a call; none where they cannot be told: the call goes on."""
    try:
        return attributes(*given)
    except Exception:  # such as a client of somebody's own, whose answers hold less
        _log.warning("a call could not be told", exc_info=True)
        return {}


_NAMED_BY = ("gen_ai.workflow.name", "gen_ai.request.model", "gen_ai.data_source.id")
_MEASURED_BY = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.workflow.name",
)  # fmt: skip


def _texts_are_told() -> bool:
    said = variable("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT") or ""
    return said.lower() in ("true", "1", "span_only", "span_and_event")


# Add and search ----------------------------------------------------------------------------------


def _of_report(report: Any) -> Attributes:
    outcomes = ("added", "updated", "unchanged", "deleted", "failed")
    told = {f"ragpg.documents.{one}": getattr(report, one) for one in outcomes}
    chunks = {"embedded": report.chunks_embedded, "reused": report.chunks_reused}
    return told | {f"ragpg.chunks.{name}": count for name, count in chunks.items()}


def _of_source(collection: str) -> Attributes:
    return {"gen_ai.provider.name": "ragpg", "gen_ai.data_source.id": collection}


def _of_search(given: Arguments) -> Attributes:
    told = {"gen_ai.retrieval.top_k": given["k"], "ragpg.search.mode": given["mode"]}
    return _of_source(given["collection"]) | told


def _of_hits(hits: Any) -> Attributes:
    return {"ragpg.search.hits": len(hits)}


def _of_answer(answer: Any) -> Attributes:
    told = {name: getattr(answer, name) for name in ("generated", "abstained", "grounded")}
    return {f"ragpg.answer.{name}": value for name, value in told.items()}


def _texts_of_search(given: Arguments, hits: Any) -> Attributes:
    query = given["query"]
    documents = [{"id": hit.source, "score": hit.score} for hit in hits]
    return {
        "gen_ai.retrieval.query.text": query if isinstance(query, str) else "\n".join(query),
        "gen_ai.retrieval.documents": json.dumps(documents),
    }


# Models ------------------------------------------------------------------------------------------


def _of_embedder(given: Arguments) -> Attributes:
    embedder = given["embedder"]
    model = getattr(embedder, "model", embedder.name)
    return {
        "gen_ai.provider.name": embedder.provider,
        "gen_ai.request.model": model if isinstance(model, str) else embedder.name,
        "ragpg.embeddings.texts": len(given["texts"]) if "texts" in given else 1,
    }


def _of_vectors(vectors: Any) -> Attributes:
    if vectors is None:  # the question's words are all there is (models.functions)
        return {}
    return {"gen_ai.embeddings.dimension.count": vectors.shape[-1]}


def _of_request(given: Arguments) -> Attributes:
    return {
        "gen_ai.provider.name": _provider(type(given["client"]).__name__),
        "gen_ai.request.model": given["request"]["model"],
        "gen_ai.request.max_tokens": given["request"]["max_tokens"],
        "gen_ai.request.stream": given["on_text"] is not None,
    }


def _provider(client: str) -> str:
    known = {"Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai"}
    return next((name for part, name in known.items() if part in client), "anthropic")


def _of_message(message: Any) -> Attributes:
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return {
        "gen_ai.response.id": message.id,
        "gen_ai.response.model": message.model,
        "gen_ai.response.finish_reasons": [message.stop_reason or ""],
        "gen_ai.usage.input_tokens": usage.input_tokens + read + written,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_creation.input_tokens": written,
    }


def _texts_of_message(given: Arguments, message: Any) -> Attributes:
    request = given["request"]
    asked = [{"role": one["role"], "parts": _parts(one["content"])} for one in request["messages"]]
    said = [block.text for block in message.content if block.type == "text"]
    answer = {
        "role": "assistant",
        "parts": _parts("".join(said)),
        "finish_reason": message.stop_reason,
    }
    return {
        "gen_ai.system_instructions": json.dumps(_parts(request.get("system", ""))),
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([answer]),
    }


def _parts(content: str | Sequence[Arguments]) -> list[Attributes]:
    """Returns content as the conventions have it: a search result is text to the model."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{"type": "text", "content": _text(block)} for block in blocks]


def _text(block: Arguments) -> str:
    if block["type"] == "search_result":
        return "\n".join([block["title"], *(part["text"] for part in block["content"])])
    if block["type"] == "tool_result":
        return "\n".join(map(_text, block["content"]))
    return str(block["text"] if block["type"] == "text" else json.dumps(block))


# By module and name of the function that does it.
_OPERATIONS = {
    "ragpg.collection.Collection.add": _Operation(
        "add", SpanKind.INTERNAL, lambda given: _of_source(given["self"].name), _of_report
    ),
    "ragpg.collection.Collection.ask": _Operation(
        "invoke_workflow",
        SpanKind.INTERNAL,
        lambda given: _of_source(given["self"].name) | {"gen_ai.workflow.name": "ask"},
        _of_answer,
    ),
    "ragpg.search.searching.search": _Operation(
        "retrieval", SpanKind.CLIENT, _of_search, _of_hits, _texts_of_search
    ),
    "ragpg.models.embedding.embed_documents": _Operation(
        "embeddings", SpanKind.CLIENT, _of_embedder, _of_vectors
    ),
    "ragpg.models.embedding.embed_query": _Operation(
        "embeddings", SpanKind.CLIENT, _of_embedder, _of_vectors
    ),
    "ragpg.models.claude.ask_model": _Operation(
        "chat", SpanKind.CLIENT, _of_request, _of_message, _texts_of_message
    ),
}
