"""What calls of a language model take and cost: estimated before, counted after, capped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from ragpg.errors import CapReached

BYTES_PER_TOKEN = 3.5
"""Of UTF-8; of English a little low, so that estimates are a little high."""
# A cache kept for an hour costs twice what reading does, a batch half of everything:
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching and .../batch-processing
_HOUR_CACHE = 2
_BATCH = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Prices:
    """A row of ragpg.model_prices, per million tokens."""

    input_price: Decimal
    output_price: Decimal
    cache_read_price: Decimal
    cache_creation_price: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by what they cost: `input_tokens` are those read that no cache held."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        pairs = ((getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        return Usage(*(mine + theirs for mine, theirs in pairs))

    @property
    def tokens(self) -> int:
        """Of all kinds."""
        return sum(getattr(self, one.name) for one in fields(self))

    def cost(self, prices: Prices, *, batch: bool = False) -> Decimal:
        """Returns what it costs, in the currency of ragpg.model_prices."""
        creation = _HOUR_CACHE * prices.input_price if batch else prices.cache_creation_price
        millions = (
            self.input_tokens * prices.input_price
            + self.output_tokens * prices.output_price
            + self.cache_read_tokens * prices.cache_read_price
            + self.cache_creation_tokens * creation
        )
        return millions / 1_000_000 * (_BATCH if batch else 1)


@dataclass(slots=True)
class Budget:
    """What may be spent in all: no call begins whose estimate would go beyond it. Thread-safe.

    `max_cost` needs `prices`; None is no limit.
    """

    max_tokens: int | None = None
    max_cost: Decimal | None = None
    prices: Prices | None = None
    batch: bool = False
    spent: Usage = field(default_factory=Usage)
    _reserved: list[Usage] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, expected: Usage) -> None:
        """Raises CapReached when that goes beyond what is left."""
        total = sum(self._reserved, self.spent) + expected
        if self.max_tokens is not None and total.tokens > self.max_tokens:
            raise CapReached(
                f"{total.tokens:,} tokens would be more than the cap of {self.max_tokens:,} "
                "(--max-tokens)"
            )
        if self.max_cost is not None and self.prices is not None:
            cost = total.cost(self.prices, batch=self.batch)
            if cost > self.max_cost:
                raise CapReached(
                    f"a cost of {cost:.2f} would be more than the cap of {self.max_cost:.2f} "
                    "(--max-cost)"
                )

    @contextmanager
    def reserved(self, expected: Usage) -> Iterator[Settle]:
        """Keeps the estimate of a call free until it is over; what is yielded takes its usage."""
        with self._lock:
            self.check(expected)
            self._reserved.append(expected)
        settle = Settle()
        try:
            yield settle
        finally:
            with self._lock:
                self._reserved.remove(expected)
                self.spent += settle.usage


@dataclass(slots=True)
class Settle:
    """What a call took in the end."""

    usage: Usage = field(default_factory=Usage)


def estimate_tokens(text: str) -> int:
    """Returns about how many tokens a text is to a language model, rather more than fewer."""
    return round(len(text.encode()) / BYTES_PER_TOKEN)


def usage_of(message: Any) -> Usage:
    """Returns what the API counted for a message."""
    counted = message.usage
    return Usage(
        counted.input_tokens,
        counted.output_tokens,
        counted.cache_read_input_tokens or 0,
        counted.cache_creation_input_tokens or 0,
    )
