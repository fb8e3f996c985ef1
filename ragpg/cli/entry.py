"""`ragpg`, the root of all commands: init, migrate, demo, and the groups in order."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from importlib.resources import as_file, files
from typing import Annotated, Any

import typer
from rich.text import Text

from ragpg import settings
from ragpg.cli import (
    asking,
    chatting,
    collections,
    documents,
    evaluation,
    examples,
    finetune_embedder,
    finetuning,
    health,
    importing,
    indexes,
    inspection,
    mcp,
    models,
    planning,
    server,
    tune,
    ui,
)
from ragpg.cli.console import (
    Json,
    err,
    ingest_progress,
    load_model_once,
    open_client,
    out,
    print_json,
    public_url,
)
from ragpg.cli.help import Commands
from ragpg.cli.sync import print_report
from ragpg.database import embedded
from ragpg.errors import RagpgError
from ragpg.version import __version__

app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


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


def _show_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"ragpg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Retrieval that lives in Postgres: ingest documents, search them, ask them.

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
    from ragpg.database.migrations import migrate

    config = settings.from_environment()
    url = config.database_url
    if url is None:
        url = embedded.start(config.home)
    before, after = migrate(url)
    if not quiet and before == after:
        out.print(f"the schema is at version {after}, nothing to do")
    elif not quiet:
        out.print(f"the schema went from version {before or 'none'} to {after}")
    return {"before": before, "after": after, "database": public_url(url)}


# A first look ----------------------------------------------------------------------------------


@app.command()
def demo(as_json: Json = False) -> None:
    """Ingest the handbook that comes with ragpg, search it and ask it."""
    question = "How long do refunds take?"
    started = time.monotonic()
    with open_client() as client, as_file(files("ragpg") / "handbook") as folder:
        load_model_once(client)
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
        asking.print_hits(client, hits, question)
        _title(f'ragpg ask "{question}" --collection demo')
        asking.ask_and_print(handbook, question)
        _title("Next")
        out.print(
            "ragpg add PATH --collection NAME      your own documents\n"
            "ragpg examples                        the handbook and questions about it, as files\n"
            "ragpg db psql                         select * from ragpg.search('your question')\n"
            f"(this took {time.monotonic() - started:.1f} s)",
            markup=False,
        )


def _title(text: str) -> None:
    out.print(Text(f"\n$ {text}", style="bold green"))


# ragpg.cli.help has their order.
app.add_typer(server.db, name="db")
for _command in (
    examples.examples,
    documents.add,
    documents.documents,
    documents.delete,
    documents.metadata,
    documents.history,
    documents.erase,
    documents.prune,
    documents.worker,
    collections.collections,
    collections.drop,
    asking.search,
    asking.ask,
    chatting.chat,
):
    app.command()(_command)
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
app.command()(planning.plan)
app.command()(ui.ui)
app.command()(mcp.mcp)
app.command("import")(importing.import_)
