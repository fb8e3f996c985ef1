"""`ragpg index ...`: another recipe beside the active one, compared, activated, rolled back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from ragpg.cli.console import (
    CollectionName,
    Json,
    count_progress,
    err,
    ingest_progress,
    open_client,
    out,
    print_json,
    table_of,
)
from ragpg.cli.contexts import (
    MOST_TOKENS,
    Batched,
    DryRun,
    MaxCost,
    MaxTokens,
    make_budget,
    print_estimate,
    write_contexts,
)
from ragpg.cli.evaluation import SetName, print_differences
from ragpg.cli.help import Commands
from ragpg.contexts.situating import DOING
from ragpg.errors import BadArgument
from ragpg.models import Budget, require_client

index = typer.Typer(
    cls=Commands,
    help="Search indexes: recipes of chunking and embedding, several side by side.",
    no_args_is_help=True,
)
IndexId = Annotated[int, typer.Argument(help="Id of the search index, as index list shows it.")]
OtherIndex = Annotated[
    int | None, typer.Option("--index", help="A search index, if not the active one.")
]

Quantized = Annotated[
    str | None,
    typer.Option(help="What the vector index holds: none left out, bit, subvector:256, or auto."),
]
Contextual = Annotated[
    bool, typer.Option("--contextual", help="Have Claude write a sentence of context per chunk.")
]


@index.command("list")
def index_list(as_json: Json = False) -> None:
    """List the search indexes: recipe, state, what is in them, what waits for them."""
    with open_client() as client:
        rows = client.health.status()["indexes"]
    if as_json:
        print_json(rows)
        return
    table = table_of("id", "collection", "", "model", "recipe")
    for name in ("chunks", "waiting", "size"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    out.print(table if rows else "none yet: ragpg add PATH --collection NAME")


def _cells(row: dict[str, Any]) -> list[str]:
    overlap = f", overlap {row['overlap_tokens']}" if row["overlap_tokens"] else ""
    context = f", context by {escape(row['context_model'])}" if row["context_model"] else ""
    held = "" if row["quantize"] == "none" else f", {row['quantize']}"
    failed = f" ({row['failed_documents']:,} failed)" if row["failed_documents"] else ""
    return [
        str(row["index_id"]),
        escape(row["collection"]),
        "active" if row["active"] else row["state"],
        escape(row["embedding_model"]),
        f"{row['chunk_tokens']} tokens{overlap}, {row['language']}{context}{held}",
        f"{row['chunks']:,}",
        f"{row['pending_documents']:,}{failed}",
        f"{((row['table_bytes'] or 0) + (row['index_bytes'] or 0)) / 1e6:,.1f} MB",
    ]


@index.command("build")
def index_build(
    collection: CollectionName = "default",
    chunk_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a chunk with its context.")
    ] = None,
    overlap_tokens: Annotated[int, typer.Option(help="Tokens shared with the chunk before.")] = 0,
    language: Annotated[
        str | None, typer.Option(help="Text-search configuration, or auto.")
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option("--model", help="Embedding model (docs/models.md), not the active one."),
    ] = None,
    quantize: Quantized = None,
    contextual: Contextual = False,
    context_model: Annotated[
        str | None, typer.Option(help="Model that writes it, not the one that answers.")
    ] = None,
    dry_run: DryRun = False,
    max_tokens: MaxTokens = MOST_TOKENS,
    max_cost: MaxCost = None,
    batch: Batched = False,
    as_json: Json = False,
) -> None:
    """Build another search index while searches and ingest go on; searches do not use it yet.

    Interrupted, `ragpg worker` or `ragpg index continue` goes on; a contextual one is filled by
    `index continue` alone until it is activated.
    """
    if not contextual and (dry_run or batch or context_model or max_cost is not None):
        raise BadArgument("--context-model, --dry-run, --max-cost and --batch need --contextual")
    with open_client() as client:
        held = client.collection(collection)
        writer = (context_model or client.session.settings.answer_model) if contextual else None
        recipe: dict[str, Any] = {
            "chunk_tokens": chunk_tokens,
            "overlap_tokens": overlap_tokens,
            "model": embedding_model,
        }
        if dry_run and writer:
            print_estimate(held.indexes.estimate_contexts(writer, **recipe, batch=batch), as_json)
            return
        budget = None
        if writer:  # what is missing is told before anything is made
            require_client(client.session.anthropic_client(), DOING)
            budget = make_budget(client, writer, max_tokens, max_cost, batch)
        made = held.indexes.create(
            **recipe, language=language, context_model=writer, quantize=quantize
        )
        _fill(client, made.id, as_json, budget)


@index.command("continue")
def index_continue(
    index_id: IndexId,
    dry_run: DryRun = False,
    max_tokens: MaxTokens = MOST_TOKENS,
    max_cost: MaxCost = None,
    batch: Batched = False,
    as_json: Json = False,
) -> None:
    """Index what waits for one search index, as after an interrupted build."""
    with open_client() as client:
        writer = client.session.search_index(index_id).context_model
        if dry_run:
            indexes = client.collection().indexes
            print_estimate(indexes.estimate_missing_contexts(index_id, batch=batch), as_json)
            return
        budget = make_budget(client, writer, max_tokens, max_cost, batch) if writer else None
        _fill(client, index_id, as_json, budget)


def _fill(client: Any, index_id: int, as_json: bool, budget: Budget | None) -> None:
    if budget:
        write_contexts(client, index_id, budget)
    with ingest_progress() as progress:
        report = client.collection().indexes.fill(index_id, progress)
    if as_json:
        spent = {"contexts": asdict(budget.spent)} if budget else {}
        print_json({"index_id": index_id, **asdict(report), **spent})
    else:
        out.print(
            f"search index {index_id}: {report.indexed:,} documents, {report.failed:,} failed; "
            f"{report.chunks_embedded:,} chunks embedded, {report.chunks_reused:,} reused, in "
            f"{report.seconds:.1f} s\nto use it: ragpg index activate {index_id}"
        )
    if report.failed:
        raise typer.Exit(1)


@index.command("compare")
def index_compare(
    first: IndexId,
    second: IndexId,
    collection: CollectionName = "default",
    name: SetName = "default",
    k: Annotated[int, typer.Option("-k", help="Hits asked for.")] = 10,
    as_json: Json = False,
) -> None:
    """Run an evaluation set on two search indexes of a collection and compare the runs."""
    with open_client() as client, count_progress("asking") as progress:
        held = client.collection(collection)
        runs: list[int] = []
        try:
            for one in (first, second):
                runs.append(
                    held.evaluation.run(
                        name,
                        k=k,
                        index_id=one,
                        note="index compare",
                        is_trial=True,
                        progress=progress,
                    )
                )
            found = held.evaluation.compare(*runs)
        except BaseException:  # a comparison of which half is there is none
            held.evaluation.forget(*runs)
            raise
    if as_json:
        print_json({"runs": runs, "measures": [asdict(one) for one in found]})
    else:
        print_differences(found, f"index {first}", f"index {second}")
        out.print(f"question by question: ragpg eval compare {runs[0]} {runs[1]}")


@index.command("activate")
def index_activate(
    index_id: IndexId,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Also when documents are missing in it.")
    ] = False,
) -> None:
    """Let a search index answer from now on; the one before stays and is kept current."""
    with open_client() as client:
        client.collection().indexes.activate(index_id, incomplete=incomplete)
    out.print(f"search index {index_id} is active; back: ragpg index rollback")


@index.command("rollback")
def index_rollback(collection: CollectionName = "default") -> None:
    """Go back to the search index that was active before."""
    with open_client() as client:
        out.print(f"search index {client.collection(collection).indexes.rollback()} is active")


@index.command("drop")
def index_drop(index_id: IndexId) -> None:
    """Drop a search index that is not active, with its chunks."""
    with open_client() as client:
        client.collection().indexes.drop(index_id)
    out.print(f"search index {index_id} is gone")


@index.command("quantize")
def index_quantize(
    index_id: IndexId,
    quantize: Annotated[str, typer.Argument(help="bit, subvector:N, none, or auto.")] = "auto",
    queries: Annotated[int, typer.Option(help="How many questions to measure by.")] = 100,
    as_json: Json = False,
) -> None:
    """Have the vector index hold less of the embeddings, or all of them; measure it then.

    bit: a bit of each number; subvector:256: the first 256 numbers, for models trained so that they
    are an embedding, too (Matryoshka). The nearest by these are ordered by the embeddings
    themselves (index tune: how many). auto: bits where a whole one would be larger than Postgres's
    effective_cache_size. The vector index is built anew: searches go on meanwhile, writing waits.
    """
    with open_client() as client:
        indexes = client.collection().indexes
        with err.status("building the vector index"):
            kept = indexes.quantize(index_id, quantize)
        found = indexes.measure_recall(index_id=index_id, queries_asked=queries)
    if as_json:
        print_json({"index_id": index_id, "quantize": kept, "recall": found})
        return
    first = kept.rpartition(":")[2]
    holds = {"none": "embeddings whole", "bit": "a bit of each number"}.get(
        kept, f"{first} numbers"
    )
    out.print(f"the vector index of search index {index_id} holds {holds}")
    _print_recall(found, as_json)


@index.command("recall")
def index_recall(
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="Neighbours asked for.")] = 10,
    queries: Annotated[int, typer.Option(help="How many questions to ask.")] = 100,
    index_id: OtherIndex = None,
    as_json: Json = False,
) -> None:
    """Measure how many of the nearest chunks the vector index finds, and keep the number."""
    with open_client() as client:
        indexes = client.collection(collection).indexes
        found = indexes.measure_recall(k=k, queries_asked=queries, index_id=index_id)
    _print_recall(found, as_json)


@index.command("tune")
def index_tune(
    collection: CollectionName = "default",
    recall: Annotated[float, typer.Option(help="Recall to reach, from 0 to 1.")] = 0.98,
    k: Annotated[int, typer.Option("-k", help="Neighbours asked for.")] = 10,
    queries: Annotated[int, typer.Option(help="How many questions to ask.")] = 100,
    index_id: OtherIndex = None,
    as_json: Json = False,
) -> None:
    """Find the smallest ef_search that reaches a recall; searches use it from then on."""
    with open_client() as client:
        indexes = client.collection(collection).indexes
        found = indexes.tune_ef_search(recall=recall, k=k, queries_asked=queries, index_id=index_id)
    _print_recall(found, as_json)
    if found["recall"] is not None and found["recall"] < recall:
        raise typer.Exit(1)


def _print_recall(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found["recall"] is None:
        out.print("nothing to measure: the search index holds no chunk")
    else:
        out.print(
            f"search index {found['index_id']}: recall@{found['k']} {found['recall']:.3f}, worst "
            f"{found['worst_recall']:.2f}, ef_search {found['ef_search']}, {found['queries']} "
            f"{found['query_source']}; {found['index_ms']:.2f} ms by the index, "
            f"{found['exact_ms']:.2f} ms exact"
        )
