"""The command line: typer commands, rich output. Uses the façade, repeating none of its rules."""

from ragpg.cli.entry import app, main

__all__ = ["app", "main"]
