"""The command line: typer commands, rich output. the root of all commands."""

from __future__ import annotations

import difflib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape
from rich.text import Text

from ragpg import settings
from ragpg.cli import (
    evaluation,
    finetune_embedder,
    finetuning,
    health,
    indexes,
    inspection,
    models,
    tune,
    ui,
)
from ragpg.cli.console import (
    CollectionName,
    Filter,
    Json,
    err,
    ingest_progress,
    open_client,
    out,
    print_json,
    public_url,
    table_of,
)
from ragpg.cli.sync import (
    DeleteManyOption,
    SyncOption,
    WatchOption,
    add_paths,
    print_report,
    watch_paths,
)
from ragpg.database import embedded
from ragpg.errors import RagpgError

if TYPE_CHECKING:
    from ragpg.search import Mode

app = typer.Typer(
    help="Retrieval that lives in Postgres: ingest documents, search them, ask them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
db = typer.Typer(help="The embedded Postgres.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(models.model, name="model")
app.add_typer(indexes.index, name="index")
app.add_typer(evaluation.evaluation, name="eval")
app.command()(inspection.inspect)
app.command()(tune.tune)
app.command()(finetuning.advise)
app.command()(finetuning.feedback)
finetuning.finetune.command("embedder")(finetune_embedder.finetune_embedder)
app.add_typer(finetuning.finetune, name="finetune")
app.command()(health.status)
app.command()(health.metrics)
app.command()(ui.ui)

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
        print_json({**done, "encoder": asdict(encoder) if encoder else None})
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
        print_json(done)


def _ensure_encoder() -> Any:
    with open_client() as client, err.status("loading the embedding model into the database"):
        return client.models.ensure()


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
    return {"before": before, "after": after, "database": public_url(url)}


# Documents -------------------------------------------------------------------------------------


@app.command()
def add(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or globs.")],
    collection: CollectionName = "default",
    language: Annotated[
        str,
        typer.Option(
            help="Text-search configuration of a new collection, or auto: each document's own."
        ),
    ] = "english",
    sync: SyncOption = False,
    delete_many: DeleteManyOption = False,
    watch: WatchOption = False,
    as_json: Json = False,
) -> None:
    """Make a collection hold these documents as they are now.

    Reads Markdown, HTML, text, PDF, Word, PowerPoint, Excel, OpenDocument, CSV, EPUB, reST,
    AsciiDoc, mail (.eml, .mbox), JSON records (.json, .jsonl) and source code. Each record, message
    and readable attachment is a document. Unchanged ones are skipped, changed ones replaced; one
    that cannot be read is told with the reason, and the rest done. Exit code 1 when one failed.

    --sync deletes what vanished below the given folders; when that is more than a fifth it asks,
    or refuses where nobody can answer. --watch then follows every change, telling a line for each
    (with --json an object a line); it also deletes what vanishes from then on.
    """
    with open_client() as client:
        held = client.collection(collection)
        if watch:
            watch_paths(held, paths, language, sync, delete_many, as_json)
            return
        report = add_paths(held, paths, language, sync, delete_many)
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report)
    if report.failed:
        raise typer.Exit(1)


@app.command()
def delete(
    source: Annotated[str, typer.Argument(help="Source of the document, as documents shows it.")],
    collection: CollectionName = "default",
    as_json: Json = False,
) -> None:
    """Delete a document and its chunks; its text stays for the citations that point at it."""
    with open_client() as client:
        if not client.collection(collection).delete(source):
            raise RagpgError(
                f'there is no document "{source}" in "{collection}": ragpg documents lists them'
            )
    if as_json:
        print_json({"deleted": source})
    else:
        out.print(f"deleted {source}", markup=False)


@app.command()
def history(
    source: Annotated[str, typer.Argument(help="Source of the document, as documents shows it.")],
    collection: CollectionName = "default",
    diff: Annotated[
        tuple[int, int] | None, typer.Option(help="Show what changed between two versions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the versions of a document, and what changed between two of them."""
    with open_client() as client:
        held = client.collection(collection)
        rows = held.versions.history(source)
        if not rows:
            raise RagpgError(f'there never was a document "{source}" in "{collection}"')
        lines = _difference(held, source, *diff) if diff else []
    if as_json:
        print_json({"versions": rows, "diff": lines} if diff else rows)
        return
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        out.print(Text(line.rstrip("\n"), style=style))
    if not diff:
        _print_versions(rows)


def _difference(held: Any, source: str, first: int, second: int) -> list[str]:
    texts = [held.versions.text(source, version) for version in (first, second)]
    for version, text in zip((first, second), texts, strict=True):
        if text is None:
            raise RagpgError(f"there is no version {version} of {source}")
    before, after = (text.splitlines(keepends=True) for text in texts)
    names = (f"version {first}", f"version {second}")
    return list(difflib.unified_diff(before, after, *names))


def _print_versions(rows: list[dict[str, Any]]) -> None:
    table = table_of("version", "from", "to", "characters", "citations", "title")
    for row in rows:
        table.add_row(
            str(row["version"]),
            f"{row['valid_from']:%Y-%m-%d %H:%M:%S}",
            f"{row['valid_to']:%Y-%m-%d %H:%M:%S}" if row["valid_to"] else "now",
            f"{row['characters']:,}",
            str(row["citations"]),
            escape(row["title"]),
        )
    out.print(table)


@app.command()
def erase(
    source: Annotated[str, typer.Argument(help="Source of the document, also a deleted one.")],
    collection: CollectionName = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a document for good: its text, every version, and the answers that cite it."""
    if not yes:
        typer.confirm(
            f"Erase {source} from {collection}? Nothing of it can be restored", abort=True
        )
    with open_client() as client:
        gone = client.collection(collection).versions.erase(source)
    if not any(gone.values()):
        raise RagpgError(f'there never was a document "{source}" in "{collection}"')
    if as_json:
        print_json(gone)
    else:
        out.print(
            f"erased {gone['documents']} document, {gone['versions']} earlier versions, "
            f"{gone['answers']} answers that cited it"
        )


@app.command()
def prune(
    days: Annotated[int, typer.Option(help="Versions replaced longer ago go.", min=0)],
    collection: CollectionName = "default",
    as_json: Json = False,
) -> None:
    """Delete old versions of documents; those an answer cites stay."""
    with open_client() as client:
        gone = client.collection(collection).versions.prune(timedelta(days=days))
    if as_json:
        print_json({"pruned": gone})
    else:
        out.print(f"{gone:,} versions pruned")


@app.command()
def documents(collection: CollectionName = "default", as_json: Json = False) -> None:
    """List the documents of a collection."""
    with open_client() as client:
        rows = client.collection(collection).documents()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = table_of("source", "title", "version", "chunks", "indexed")
    for row in rows:
        table.add_row(
            escape(row.source),
            escape(row.title),
            str(row.version),
            str(row.chunks or 0),
            "yes" if row.indexed else "no",
        )
    out.print(table)


@app.command()
def worker(
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only this collection.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing waits, instead of listening.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Index the documents that SQL wrote, as they come; start as many as there is work for.

    Ends gracefully on SIGTERM or Ctrl-C. What waits and what fails is in the view ingest_queue.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_client() as client:
        worker = client.worker(collection)
        with err.status("waiting for documents") as line:
            worker.on_progress = lambda done: line.update(_worked(done))
            report = worker.drain() if once else worker.run(stop)
    if as_json:
        print_json(asdict(report))
    else:
        out.print(f"{'done' if once else 'stopped'}: {_worked(report)}")


def _worked(report: Any) -> str:
    return (
        f"{report.indexed:,} indexed, {report.failed:,} failed; {report.chunks_embedded:,} chunks "
        f"embedded, {report.chunks_reused:,} reused, in {report.seconds:.1f} s"
    )


# Search and answers ----------------------------------------------------------------------------


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="The question, in plain words.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 5,
    filter: Filter = None,
    mode: Annotated[str, typer.Option(help="hybrid, vector or keyword.")] = "hybrid",
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Of chunks that say nearly the same, only the best.")
    ] = False,
    also: Annotated[
        list[str] | None, typer.Option(help="Another phrasing of the question; repeatable.")
    ] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Cross-encoder (name or folder) that orders the hits anew.")
    ] = None,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Chunks to show before and after each hit.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Search a collection; the matched words are marked."""
    from ragpg.search import read_filter

    with open_client() as client:
        hits = client.collection(collection).search(
            [query, *also] if also else query,
            k,
            filter=read_filter(filter),
            mode=cast("Mode", mode),
            distinct=distinct,
            rerank=rerank,
            neighbours=neighbours,
        )
        if as_json:
            print_json([asdict(hit) for hit in hits])
        else:
            _print_hits(client, hits, query)


def _print_hits(client: Any, hits: list[Any], query: str) -> None:
    from ragpg.search import highlight

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
    from ragpg.search import read_filter

    with open_client() as client:
        on_text = None if as_json else _write
        answer = client.collection(collection).ask(
            question, k, filter=read_filter(filter), model=answer_model, on_text=on_text
        )
    if as_json:
        print_json(asdict(answer))
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
        print_json(asdict(found))
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
    question = "How many requests per minute does Pro allow?"
    started = time.monotonic()
    with open_client() as client, as_file(files("ragpg") / "handbook") as folder:
        handbook = client.collection("demo")
        with ingest_progress() as progress:
            report = handbook.add(folder, progress=progress)
        hits = handbook.search(question, 3)
        if as_json:
            answer = handbook.ask(question)
            print_json(
                {
                    "report": asdict(report),
                    "hits": [asdict(hit) for hit in hits],
                    "answer": asdict(answer),
                }
            )
            return
        _title(f"ragpg add {folder.name} --collection demo")
        print_report(report)
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
