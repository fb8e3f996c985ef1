"""The command line: typer commands, rich output. Rules live elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ragpg import embedded, settings
from ragpg.errors import RagpgError

app = typer.Typer(
    help="Retrieval that lives in Postgres: ingest documents, search them, ask them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
db = typer.Typer(help="The embedded Postgres.", no_args_is_help=True)
app.add_typer(db, name="db")
model = typer.Typer(help="Embedding models inside the database.", no_args_is_help=True)
app.add_typer(model, name="model")

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CollectionName = Annotated[
    str, typer.Option("--collection", "-c", help="Name of the collection.", show_default=True)
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", help="jsonpath over metadata, such as '$.tier == \"pro\"'."),
]
_MARKS = ("\x01", "\x02")


def main() -> None:
    """Runs the command line; a known error is one line and exit code 1, --debug shows its trace."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except RagpgError as error:
        if debug:
            raise
        err.print(Text("error: ", style="bold red") + Text(" ".join(str(error).split())))
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("stopped; what was finished is kept, the same command continues")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as in `ragpg search x | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.callback()
def _options() -> None:
    """Retrieval that lives in Postgres.

    The database is RAGPG_DATABASE_URL, DATABASE_URL or libpq's PG* variables; with none of them
    set, an embedded Postgres in RAGPG_HOME. Any command takes --debug for the trace of an error.
    """


# Set-up ----------------------------------------------------------------------------------------


@app.command()
def init(
    no_encoder: Annotated[
        bool, typer.Option("--no-encoder", help="Leave the embedding model out of the database.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the schema, or bring it to this version of ragpg, and load the embedding model into it.

    With the configured model in the database, plain SQL embeds questions. Where it cannot be loaded
    you are told why; searches from SQL then go by words.
    """
    done = _migrate(as_json)
    encoder = None if no_encoder else _ensure_encoder()
    if as_json:
        _print_json({**done, "encoder": asdict(encoder) if encoder else None})
    elif encoder and encoder.loaded:
        out.print(f"questions are embedded in SQL by {encoder.model}: {encoder.reason}")
    elif encoder:
        out.print(f"the database does not embed questions: {encoder.reason}", markup=False)
        out.print(
            "searches from SQL without query_embedding go by words until the model is loaded: "
            "ragpg model load"
        )


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the schema to this version of ragpg, and do nothing else."""
    done = _migrate(as_json)
    if as_json:
        _print_json(done)


def _ensure_encoder() -> Any:
    with _client() as client, err.status("loading the embedding model into the database"):
        return client.ensure_encoder()


def _migrate(quiet: bool) -> dict[str, Any]:
    from ragpg import database

    config = settings.from_environment()
    url = config.database_url
    if url is None:
        url = embedded.start(config.home)
    before, after = database.migrate(url)
    if not quiet and before == after:
        out.print(f"the schema is at version {after}, nothing to do")
    elif not quiet:
        out.print(f"the schema went from version {before or 'none'} to {after}")
    return {"before": before, "after": after, "database": _public(url)}


@app.command()
def status(as_json: Json = False) -> None:
    """Show the database, its schema and what each collection holds."""
    with _client() as client:
        server, collections = client.server(), client.collections()
        version = _schema_version(client.database)
    if as_json:
        _print_json({**server, "schema": version, "collections": collections})
        return
    out.print(
        f"Postgres {server['postgres']}, pgvector {server['pgvector']}, "
        f"database {server['database']}, schema {version}"
    )
    table = Table("collection", "documents", "pending", "chunks", "model", "changed")
    for one in collections:
        table.add_row(
            escape(one["collection"]),
            f"{one['documents']:,}",
            f"{one['pending_documents']:,}",
            f"{one['chunks']:,}",
            one["embedding_model"] or "",
            f"{one['last_changed_at']:%Y-%m-%d %H:%M}" if one["last_changed_at"] else "",
        )
    out.print(table if collections else "no collection yet: ragpg add PATH --collection NAME")


def _schema_version(database: Any) -> str | None:
    from ragpg.database import schema_version

    with database.connection() as connection:
        return schema_version(connection)


# Documents -------------------------------------------------------------------------------------


@app.command()
def add(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or globs.")],
    collection: CollectionName = "default",
    language: Annotated[
        str, typer.Option(help="Text-search configuration of a new collection.")
    ] = "english",
    as_json: Json = False,
) -> None:
    """Make a collection hold these documents as they are now.

    Unchanged ones are skipped, changed ones replaced. Exit code 1 when a document failed.
    """
    with _client() as client, _progress() as progress:
        report = client.collection(collection).add(paths, language=language, progress=progress)
    if as_json:
        _print_json(asdict(report))
    else:
        _print_report(report)
    if report.failed:
        raise typer.Exit(1)


def _print_report(report: Any) -> None:
    for failure in report.failures:
        err.print(Text("failed: ", style="red") + Text(failure.reason))
    if report.skipped:
        suffixes = sorted({Path(path).suffix or "(none)" for path in report.skipped})
        err.print(f"skipped {len(report.skipped)} files of kinds not read: {' '.join(suffixes)}")
    out.print(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.failed} failed; {report.chunks_embedded:,} chunks embedded, "
        f"{report.chunks_reused:,} reused, in {report.seconds:.1f} s"
    )


@app.command()
def delete(
    source: Annotated[str, typer.Argument(help="Source of the document, as documents shows it.")],
    collection: CollectionName = "default",
    as_json: Json = False,
) -> None:
    """Delete a document and its chunks; its text stays for the citations that point at it."""
    with _client() as client:
        if not client.collection(collection).delete(source):
            raise RagpgError(
                f'there is no document "{source}" in "{collection}": ragpg documents lists them'
            )
    if as_json:
        _print_json({"deleted": source})
    else:
        out.print(f"deleted {source}", markup=False)


@app.command()
def documents(collection: CollectionName = "default", as_json: Json = False) -> None:
    """List the documents of a collection."""
    with _client() as client:
        rows = client.collection(collection).documents()
    if as_json:
        _print_json([asdict(row) for row in rows])
        return
    table = Table("source", "title", "version", "chunks", "indexed")
    for row in rows:
        table.add_row(
            escape(row.source),
            escape(row.title),
            str(row.version),
            str(row.chunks or 0),
            "yes" if row.indexed else "no",
        )
    out.print(table)


# Search and answers ----------------------------------------------------------------------------


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="The question, in plain words.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 5,
    filter: Filter = None,
    mode: Annotated[str, typer.Option(help="hybrid, vector or keyword.")] = "hybrid",
    as_json: Json = False,
) -> None:
    """Search a collection; the matched words are marked."""
    with _client() as client:
        hits = client.collection(collection).search(query, k, filter=filter, mode=mode)
        if as_json:
            _print_json([asdict(hit) for hit in hits])
        else:
            _print_hits(client, hits, query)


def _print_hits(client: Any, hits: list[Any], query: str) -> None:
    from ragpg.searching import highlight

    if not hits:
        out.print("nothing matches")
    for hit, marked in zip(hits, highlight(client.database, hits, query, _MARKS), strict=True):
        legs = ", ".join(
            f"{name} {value:.2f}"
            for name, value in (("similarity", hit.similarity), ("bm25", hit.bm25))
            if value is not None
        )
        head = Text(f"{hit.place}. ", style="bold")
        head += Text(hit.context or hit.title or hit.source, style="bold cyan")
        head += Text(f"  {hit.score:.3f} ({legs})", style="dim")
        out.print(head)
        out.print(_marked(marked))
        out.print(
            Text(f"{hit.source}, characters {hit.start_char} to {hit.end_char}\n", style="dim")
        )


def _marked(text: str) -> Text:
    """Returns text whose words between the marks are bold, or starred where nothing can be."""
    if not out.is_terminal:
        return Text(text.replace(_MARKS[0], "**").replace(_MARKS[1], "**"))
    styled = Text()
    for place, part in enumerate(text.replace(_MARKS[1], _MARKS[0]).split(_MARKS[0])):
        styled.append(part, style="bold yellow" if place % 2 else "")
    return styled


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits the answer may use.")] = 8,
    filter: Filter = None,
    answer_model: Annotated[
        str | None, typer.Option("--model", help="Claude model, instead of RAGPG_ANSWER_MODEL.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from a collection, with citations to exact characters.

    Needs ANTHROPIC_API_KEY; without it the best passages are quoted.
    """
    with _client() as client:
        on_text = None if as_json else _write
        answer = client.collection(collection).ask(
            question, k, filter=filter, model=answer_model, on_text=on_text
        )
    if as_json:
        _print_json(asdict(answer))
    else:
        _print_answer_tail(answer)


def _write(text: str) -> None:
    out.print(text, end="", markup=False)


def _print_answer_tail(answer: Any) -> None:
    out.print("\n")
    if answer.model and not answer.generated:  # takes back what was streamed
        out.print(answer.text, markup=False)
    if answer.generated:
        seen = dict.fromkeys(
            (cited.source, cited.start_char, cited.end_char, cited.quote)
            for cited in answer.citations
        )
        for number, (source, start, end, quote) in enumerate(seen, 1):
            out.print(Text(f"[{number}] {source}, characters {start} to {end}", style="cyan"))
            out.print(Text(f"    {' '.join(quote.split())}", style="dim"))
        if answer.stop_reason == "max_tokens":
            out.print("the answer was cut: the model's limit of tokens was reached")
        if not answer.grounded and not answer.abstained:
            out.print("note: not every claim above is cited")


# The query encoder -----------------------------------------------------------------------------


@model.command("load")
def model_load(
    name: Annotated[
        str | None, typer.Argument(help="sentence-transformers model; default: the configured one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a model's weights in the database, so that plain SQL embeds questions.

    For models of the BERT family, on Postgres 16 or newer. They are checked against Python first.
    """
    with _client() as client, err.status("loading and verifying"):
        cosine = client.load_encoder(name)
    if as_json:
        _print_json({"verified_cosine": cosine})
    else:
        out.print(f"loaded; smallest cosine to the model in Python: {cosine:.7f}")


@model.command("list")
def model_list(as_json: Json = False) -> None:
    """List the models whose weights are in the database."""
    with _client() as client:
        rows = client.encoders()
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        state = "in use" if row["verified"] else "not verified"
        out.print(f"{row['embedding_model']}: {state}, {row['dimensions']} dimensions")
    if not rows:
        out.print("none: ragpg model load")


@model.command("drop")
def model_drop(name: Annotated[str, typer.Argument(help="The model's name.")]) -> None:
    """Remove a model's weights from the database; searches fall back to words without them."""
    with _client() as client:
        if not client.drop_encoder(name):
            raise RagpgError(f'the model "{name}" is not in the database: ragpg model list')
    out.print(f"dropped {name}", markup=False)


@model.command("fit-static")
def model_fit_static(
    collection: CollectionName = "default",
    spans: Annotated[int, typer.Option(help="How many spans of its chunks to fit to.")] = 24_000,
    use: Annotated[bool, typer.Option("--use", help="Search with it if it agrees.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a quick approximation of the model to a collection, and measure it.

    It embeds a question in about a millisecond, for high query rates and search-as-you-type. The
    model must be in the database. Searches use it when told so (--use, or model use-static).
    """
    with _client() as client, _progress("embedding", "texts") as bar:
        report = client.collection(collection).fit_static_encoder(
            spans=spans, use=use, progress=bar
        )
    if as_json:
        _print_json(asdict(report))
        return
    out.print(
        f"fitted to {report.spans:,} spans in {report.seconds:.0f} s; on {report.held_out} others: "
        f"mean cosine to the model {report.mean_cosine:.3f}, "
        f"{report.mean_overlap:.0%} of its ten nearest chunks"
    )
    if report.enabled:
        out.print("searches from SQL use it now")
    elif report.agrees:
        out.print("searches do not use it yet: ragpg model use-static")
    else:
        out.print("that is too little: searches keep the model")


@model.command("use-static")
def model_use_static(
    collection: CollectionName = "default",
    off: Annotated[bool, typer.Option("--off", help="Use the model itself again.")] = False,
) -> None:
    """Make searches from SQL embed questions by the static encoder of a collection."""
    with _client() as client:
        client.collection(collection).use_static_encoder(not off)
    out.print("the model itself is used" if off else "the static encoder is used")


@model.command("list-static")
def model_list_static(as_json: Json = False) -> None:
    """List the static encoders: agreement, and whether the collection has drifted since."""
    with _client() as client:
        rows = client.static_encoders()
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        state = "in use" if row["enabled"] else "not in use"
        drift = ", drifted: fit it again" if row["drifted"] else ""
        out.print(
            f"{row['collection']} (search index {row['index_id']}): {state}, "
            f"mean cosine {row['mean_cosine']:.3f}, overlap {row['mean_overlap']:.3f}, "
            f"{row['changed_share']:.0%} of the chunks changed since{drift}",
            markup=False,
        )
    if not rows:
        out.print("none: ragpg model fit-static")


@model.command("drop-static")
def model_drop_static(collection: CollectionName = "default") -> None:
    """Remove the static encoder of a collection; searches use the model itself again."""
    with _client() as client:
        if not client.collection(collection).drop_static_encoder():
            raise RagpgError(f'"{collection}" has no static encoder: ragpg model list-static')
    out.print(f"dropped the static encoder of {collection}", markup=False)


# The embedded server ---------------------------------------------------------------------------


def _home() -> Path:
    return settings.from_environment().home


@db.command("start")
def db_start() -> None:
    """Start the embedded Postgres (any command does when no database is configured)."""
    from ragpg.client import server_url

    out.print(server_url(settings.Settings(database_url=None, home=_home())), markup=False)


@db.command("stop")
def db_stop() -> None:
    """Stop the embedded Postgres."""
    out.print("stopped" if embedded.stop(_home()) else "it was not running")


@db.command("status")
def db_status(as_json: Json = False) -> None:
    """Show whether the embedded Postgres runs; exit code 3 when it does not."""
    found = embedded.status(_home())
    if as_json:
        _print_json(asdict(found))
    else:
        state = f"running, process {found.pid}, {found.url}" if found.running else "not running"
        out.print(f"{state}\ndata in {found.data_folder}, log {found.log}", markup=False)
    if not found.running:
        raise typer.Exit(3)


@db.command("url")
def db_url() -> None:
    """Print the URL of the database in use, starting the embedded one if that is it."""
    from ragpg.client import server_url

    out.print(server_url(settings.from_environment()), markup=False)


@db.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def db_psql(context: typer.Context) -> None:
    """Open psql on the database in use; further arguments go to psql."""
    from ragpg.client import server_url

    url = server_url(settings.from_environment())
    program = embedded.bin_folder() / "psql"
    command = [str(program), *([url] if url else []), *context.args]
    raise typer.Exit(subprocess.call(command))


# A first look ----------------------------------------------------------------------------------


@app.command()
def demo(as_json: Json = False) -> None:
    """Ingest the handbook that comes with ragpg, search it and ask it."""
    question = "What's the rate limit on Pro?"
    started = time.monotonic()
    with _client() as client, as_file(files("ragpg") / "handbook") as folder:
        handbook = client.collection("demo")
        with _progress() as progress:
            report = handbook.add(folder, progress=progress)
        hits = handbook.search(question, 3)
        if as_json:
            answer = handbook.ask(question)
            _print_json(
                {
                    "report": asdict(report),
                    "hits": [asdict(hit) for hit in hits],
                    "answer": asdict(answer),
                }
            )
            return
        _title(f"ragpg add {folder.name} --collection demo")
        _print_report(report)
        _title(f'ragpg search "{question}" --collection demo -k 3')
        _print_hits(client, hits, question)
        _title(f'ragpg ask "{question}" --collection demo')
        _print_answer_tail(handbook.ask(question, on_text=_write))
        _title("Next")
        out.print(
            "ragpg add PATH --collection NAME      your own documents\n"
            "ragpg db psql                         select * from ragpg.search('your question')\n"
            f"(this took {time.monotonic() - started:.1f} s)",
            markup=False,
        )


def _title(text: str) -> None:
    out.print(Text(f"\n$ {text}", style="bold green"))


# Shared ----------------------------------------------------------------------------------------


def _client() -> Any:
    from ragpg.client import connect

    # Importing torch takes seconds, embedding a question in the database a tenth of one.
    return connect(embed_in_database=True)


@contextmanager
def _progress(verb: str = "ingesting", unit: str = "documents") -> Iterator[Any]:
    """Yields a listener that draws a progress bar on standard error, where that is a terminal.

    It takes the number done by the unit's name, `total`, and for documents the `chunks` embedded.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(verb, total=None, told=unit)

        def listen(*, total: int, chunks: int | None = None, **done: int) -> None:
            told = unit if chunks is None else f"{unit}, {chunks:,} chunks embedded"
            bar.update(task, completed=done[unit], total=total, told=told)

        yield listen


def _public(url: str) -> str:
    """Returns the URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


if __name__ == "__main__":
    main()
