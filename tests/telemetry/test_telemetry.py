"""Spans and metrics by the SDK's own readers in memory: what is told, and what is not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import ragpg
from ragpg import errors
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer, failure

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
# Words of the document, its source, title and question, none of which is told unasked.
SECRET = ("zanzibar", "aardvark", "quokka", "xylophone")
TEXT = "The zanzibar rate limit is 1,000 requests."
QUESTION = "What is the xylophone rate limit?"
_exporter = InMemorySpanExporter()
_reader = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def providers() -> Iterator[None]:
    """The providers of the process: OpenTelemetry lets them be set once."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_exporter))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([_reader]))
    PsycopgInstrumentor().instrument()
    yield
    PsycopgInstrumentor().uninstrument()


@pytest.fixture
def pages(url: str, words: WordEmbedder, claude: MessagesServer) -> Iterator[ragpg.Collection]:
    sdk = make_client(api_key="test", base_url=claude.url, max_retries=0)
    with ragpg.connect(url, embedder=words, anthropic_client=sdk) as client:
        pages = client.collection("pages")
        pages.add(text=TEXT, source="aardvark.md", title="Quokka")
        _exporter.clear()
        _reader.get_metrics_data()
        yield pages


@pytest.fixture
def claude() -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        yield server


def told() -> tuple[dict[str, ReadableSpan], list[ReadableSpan]]:
    """Returns ragpg's spans by name, and those of the database."""
    spans = _exporter.get_finished_spans()
    own = [one for one in spans if getattr(one.instrumentation_scope, "name", "") == "ragpg"]
    assert len({one.name for one in own}) == len(own)
    return {one.name: one for one in own}, [one for one in spans if one not in own]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def points(name: str) -> list[Any]:
    data = _reader.get_metrics_data()
    return [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def test_a_search_is_a_retrieval_with_the_question_embedded_below(pages: ragpg.Collection) -> None:
    pages.search(QUESTION, k=3)
    spans, statements = told()
    assert set(spans) == {"retrieval pages", "embeddings words"}
    search, embed = spans["retrieval pages"], spans["embeddings words"]
    assert search.kind is SpanKind.CLIENT and parent(search) is None
    assert attributes(search) == {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.provider.name": "ragpg",
        "gen_ai.data_source.id": "pages",
        "gen_ai.retrieval.top_k": 3,
        "ragpg.search.mode": "hybrid",
        "ragpg.search.hits": 1,
    }
    assert attributes(embed) == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "test",
        "gen_ai.request.model": "words",
        "gen_ai.embeddings.dimension.count": WordEmbedder.dimensions,
        "ragpg.embeddings.texts": 1,
    }
    assert parent(embed) == search.context.span_id
    assert statements and {parent(one) for one in statements} == {search.context.span_id}
    assert any("ragpg.search" in attributes(one)["db.statement"] for one in statements)


@pytest.mark.parametrize("gives", [lambda vector: None, list])
def test_what_cannot_be_told_breaks_no_call(
    pages: ragpg.Collection, monkeypatch: pytest.MonkeyPatch, gives: Any
) -> None:
    embed = WordEmbedder.embed_query
    monkeypatch.setattr(WordEmbedder, "embed_query", lambda self, text: gives(embed(self, text)))
    assert [hit.source for hit in pages.search(QUESTION)] == ["aardvark.md"]
    assert set(told()[0]) == {"retrieval pages", "embeddings words"}


def test_an_answer_is_a_workflow_of_retrieval_and_chat(
    pages: ragpg.Collection, claude: MessagesServer
) -> None:
    answer = pages.ask(QUESTION, model="claude-sonnet-5-5", on_text=lambda text: None)
    assert answer.generated
    spans, _ = told()
    asked, chat = spans["invoke_workflow ask"], spans["chat claude-sonnet-5-5"]
    assert attributes(asked) == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "ask",
        "gen_ai.provider.name": "ragpg",
        "gen_ai.data_source.id": "pages",
        "ragpg.answer.generated": True,
        "ragpg.answer.abstained": False,
        "ragpg.answer.grounded": True,
    }
    tokens = answer.input_tokens + answer.cache_read_tokens + answer.cache_creation_tokens
    said = attributes(chat)
    assert (said["gen_ai.operation.name"], said["gen_ai.provider.name"]) == ("chat", "anthropic")
    assert said["gen_ai.request.stream"] is True
    assert said["gen_ai.response.finish_reasons"] == ("end_turn",)
    assert said["gen_ai.usage.input_tokens"] == tokens > 0
    assert said["gen_ai.usage.output_tokens"] == answer.output_tokens > 0
    below = {one.name for one in spans.values() if parent(one) == asked.context.span_id}
    assert below == {"retrieval pages", "chat claude-sonnet-5-5"}


def test_an_add_tells_what_it_did(pages: ragpg.Collection) -> None:
    pages.add(records=[{"source": f"{n}", "text": f"Login {n}."} for n in range(3)])
    spans, _ = told()
    added = spans["add pages"]
    said = attributes(added)
    assert (said["gen_ai.operation.name"], said["ragpg.documents.added"]) == ("add", 3)
    assert (said["ragpg.chunks.embedded"], said["ragpg.documents.failed"]) == (3, 0)
    embed = spans["embeddings words"]
    assert parent(embed) == added.context.span_id
    assert attributes(embed)["ragpg.embeddings.texts"] == 3


def test_no_text_is_told(pages: ragpg.Collection) -> None:
    """Neither of documents nor of questions, in spans, their events, or the database's."""
    pages.ask(QUESTION)
    pages.search(QUESTION, filter={"by": "zanzibar"})
    with pytest.raises(errors.BadFilter, match="zanzibar"):
        pages.search(QUESTION, filter="zanzibar ==")
    pages.add(text=f"{TEXT} Anew.", source="aardvark.md", title="Quokka")
    everything = "\n".join(one.to_json() for one in _exporter.get_finished_spans())
    assert "ragpg.search" in everything
    assert [word for word in SECRET if word in everything.lower()] == []


def test_texts_are_told_to_who_asks(
    pages: ragpg.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAPTURE, "true")
    answer = pages.ask(QUESTION)
    spans, _ = told()
    search = attributes(spans["retrieval pages"])
    assert search["gen_ai.retrieval.query.text"] == QUESTION
    (document,) = json.loads(search["gen_ai.retrieval.documents"])
    assert (document["id"], set(document)) == ("aardvark.md", {"id", "score"})
    chat = attributes(next(one for name, one in spans.items() if name.startswith("chat")))
    (asked,) = json.loads(chat["gen_ai.input.messages"])
    assert asked["role"] == "user"
    assert [part["content"] for part in asked["parts"]] == [f"Quokka\n{TEXT}", QUESTION]
    (said,) = json.loads(chat["gen_ai.output.messages"])
    assert said["parts"] == [{"type": "text", "content": answer.text}]
    assert "search results" in json.loads(chat["gen_ai.system_instructions"])[0]["content"]


def test_what_fails_says_its_kind(pages: ragpg.Collection, claude: MessagesServer) -> None:
    claude.enqueue(failure(529))
    with pytest.raises(errors.AnswerError):
        pages.ask(QUESTION)
    spans, _ = told()
    for name in ("invoke_workflow ask", "chat claude-sonnet-5-5"):
        assert spans[name].status.status_code is StatusCode.ERROR
        assert attributes(spans[name])["error.type"] == "AnswerError"
        assert spans[name].events == ()
    failed = [
        one for one in points("gen_ai.client.operation.duration") if "error.type" in one.attributes
    ]
    operations = {one.attributes["gen_ai.operation.name"] for one in failed}
    assert {"invoke_workflow", "chat"} <= operations


def test_seconds_and_tokens_are_measured(pages: ragpg.Collection) -> None:
    answer = pages.ask(QUESTION)
    tokens = {
        one.attributes["gen_ai.token.type"]: one for one in points("gen_ai.client.token.usage")
    }
    assert tokens["output"].max >= answer.output_tokens > 0
    assert tokens["output"].attributes["gen_ai.request.model"] == answer.model
    assert tokens["output"].explicit_bounds[:3] == (1, 4, 16)
    durations = points("gen_ai.client.operation.duration")
    operations = {one.attributes["gen_ai.operation.name"] for one in durations}
    assert {"retrieval", "embeddings", "chat", "invoke_workflow"} <= operations
    assert not any("pages" in str(one.attributes) for one in durations)


def test_asyncio_keeps_the_caller_as_parent(url: str) -> None:
    async def test() -> None:
        async with ragpg.connect_async(url, embedder=WordEmbedder()) as client:
            with trace.get_tracer("test").start_as_current_span("request") as request:
                await client.collection("pages").add(text=TEXT, source="one")
            _exporter.force_flush()
            spans, _ = told()
            assert parent(spans["add pages"]) == request.get_span_context().span_id

    _exporter.clear()
    asyncio.run(test())


def test_without_opentelemetry_nothing_of_it_is_loaded(url: str) -> None:
    script = """
import sys, numpy as np, ragpg
sys.modules["opentelemetry"] = None  # as where it is not installed
from tests.conftest import WordEmbedder
with ragpg.connect(sys.argv[1], embedder=WordEmbedder()) as client:
    pages = client.collection("pages")
    pages.add(text="A refund takes five days.", source="refunds")
    assert pages.search("refund") and pages.ask("refund").text
assert "ragpg.telemetry" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, url], check=True)
