"""The command line: typer commands and rich output over the façade and the core; rules live there."""

from ragpg.cli.entry import app, main

__all__ = ["app", "main"]
