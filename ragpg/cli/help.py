"""`--help`: the commands in the order in which a person needs them, none of their sentences cut."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_SECTIONS = {
    "First steps": "demo examples init",
    "Documents": "add import documents collections inspect metadata history delete erase prune"
    " drop worker",
    "Questions": "search ask chat feedback ui mcp",
    "How good it is, and how to better it": "eval tune index model advise finetune",
    "Operation": "status metrics plan migrate db",
}
_OF_EVAL = "load run list compare diagnose report calibrate draft review from-feedback"


class Commands(TyperGroup):
    """A group that lists its commands by section, each with its first sentence."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in self._sections().values() for name in names.split()]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in self._sections().items():
            rows = [(name, self.commands[name].get_short_help_str(200)) for name in names.split()]
            with formatter.section(title):
                formatter.write_dl(rows)

    def _sections(self) -> dict[str, str]:
        if "demo" in self.commands:
            return _SECTIONS
        return {"Commands": _OF_EVAL if self.name == "eval" else " ".join(self.commands)}
