"""One step of an answer: what was looked up, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ragpg.models import Usage
from ragpg.search import Hit


@dataclass(frozen=True, slots=True)
class Step:
    """A row of `ragpg.answer_steps`.

    `tool` is `standalone` (a follow-up was worded so that it can be searched for), `search`,
    `read`, or what else the model asked for and did not get; `query` what was searched for, of
    `read` the source. `failed` says why nothing was shown. `usage` is that of the model's message
    that asked for it, in the first of the steps it asks for.
    """

    place: int
    tool: str
    query: str
    filter: str | None = None
    k: int | None = None
    start_char: int | None = None
    end_char: int | None = None
    hits: tuple[Hit, ...] = ()
    failed: str | None = None
    milliseconds: int = 0
    usage: Usage = field(default_factory=Usage)


OnStep = Callable[[Step], None]
