"""`ragpg db ...`: the embedded Postgres, and the database in use."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ragpg import settings
from ragpg.cli.console import Json, open_client, out, print_json
from ragpg.cli.help import Commands
from ragpg.database import embedded

db = typer.Typer(cls=Commands, help="The embedded Postgres.", no_args_is_help=True)


def _home() -> Path:
    return settings.from_environment().home


@db.command("start")
def db_start() -> None:
    """Start the embedded Postgres (any command does when no database is configured)."""
    from ragpg.database.starting import server_url

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
    from ragpg.database.starting import server_url

    out.print(server_url(settings.from_environment()), markup=False)


@db.command("distribute")
def db_distribute(
    shards: Annotated[
        int | None, typer.Option(help="Over how many shards; 4 for each worker.", min=1)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Spread the chunks over the workers of Citus, on whose coordinator the database is.

    Once, by the owner of ragpg or a superuser; searching and writing wait meanwhile. What it takes,
    and what is then not there: docs/scale.md.
    """
    from ragpg.database.distributing import distribute

    with open_client() as client:
        chunks = sum(one["chunks"] or 0 for one in client.collections())
        if not yes:
            typer.confirm(
                f"{chunks:,} chunks, and those to come, go to the workers of Citus? It is not "
                "taken back",
                abort=True,
            )
        made = distribute(client.database.url, shards)
    if as_json:
        print_json({"shards": made, "chunks": chunks})
    else:
        out.print(f"{chunks:,} chunks are spread over {made} shards", markup=False)


@db.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def db_psql(context: typer.Context) -> None:
    """Open psql on the database in use; further arguments go to psql."""
    from ragpg.database.starting import server_url

    url = server_url(settings.from_environment())
    program = embedded.bin_folder() / "psql"
    command = [str(program), *([url] if url else []), *context.args]
    raise typer.Exit(subprocess.call(command))
