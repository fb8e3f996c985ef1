"""The command line: typer commands and rich output. Uses the façade, whose rules it repeats not."""

from ragpg.cli.entry import app, main

__all__ = ["app", "main"]
