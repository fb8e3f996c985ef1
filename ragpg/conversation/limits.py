"""What an answer may take: steps, tokens, seconds, money; whichever comes first ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal

from ragpg.contexts import prices_of
from ragpg.errors import BadArgument
from ragpg.models import Prices, Usage
from ragpg.session import Session

ANSWER_TOKENS = 8192  # of one message, the model's thinking included
LEAST_ANSWER_TOKENS = 256  # below, no answer is worth asking for
LEAST_MESSAGE_TOKENS = 1024  # of one that may ask for look-ups, and think before

ENDINGS = {
    "answer": "the model had what it needed",
    "steps": "no look-up was left (steps)",
    "tokens": "the cap of tokens was reached (max_tokens)",
    "seconds": "the time was over (max_seconds)",
    "cost": "the cap of money was reached (max_cost)",
    "max_tokens": "a message of the model was cut at its limit of tokens",
    "refusal": "the model declined",
    "failed": "it failed",
    "unfinished": "it is being written, or its writer was killed",
}
"""What `Answer.ended_by` and `ragpg.answers.ended_by` say, in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may take; None is no limit. `max_cost` is in the currency of the prices."""

    steps: int = 1
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_cost: Decimal | None = None
    prices: Prices | None = None


def limits_of(
    session: Session,
    model: str,
    steps: int,
    max_tokens: int | None,
    max_seconds: float | None,
    max_cost: float | Decimal | None,
) -> Limits:
    """Returns the limits; raises BadArgument for one that is none, or a cost without prices."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise BadArgument(f"steps is {steps!r}, not a whole number from 1")
    for name, value in (
        ("max_tokens", max_tokens), ("max_seconds", max_seconds), ("max_cost", max_cost),
    ):  # fmt: skip
        if value is not None and not value > 0:
            raise BadArgument(f"{name} is {value!r}, not a number above 0")
    if max_tokens is not None and not isinstance(max_tokens, int):
        raise BadArgument(f"max_tokens is {max_tokens!r}, not a whole number above 0")
    prices = None if max_cost is None else prices_of(session, model)
    if max_cost is not None and prices is None:
        raise BadArgument(f'max_cost: ragpg.model_prices has no row for "{model}": insert one')
    cost = None if max_cost is None else Decimal(str(max_cost))
    return Limits(steps, max_tokens, max_seconds, cost, prices)


@dataclass(frozen=True, slots=True)
class Room:
    """What the next message may take: `output` tokens, 0 for none; `ended_by`: it is the last."""

    output: int
    ended_by: str | None = None


@dataclass(slots=True)
class Meter:
    """What was taken until now, held against the limits."""

    limits: Limits
    started: float
    spent: Usage = field(default_factory=Usage)
    looked: int = 0
    longest: float = 0.0  # seconds of the longest message

    def seconds_left(self) -> float | None:
        """Returns the seconds until `max_seconds`, None without it."""
        if self.limits.max_seconds is None:
            return None
        return self.limits.max_seconds - (time.monotonic() - self.started)

    def room(self, expected: int) -> Room:
        """Returns what a message that reads about so many tokens may write.

        It is the last one when after it, should it write all that, no other had room.
        """
        once, twice = self._rooms(expected), self._rooms(2 * expected + LEAST_ANSWER_TOKENS)
        output = min(ANSWER_TOKENS, *once.values())
        if output < LEAST_ANSWER_TOKENS:
            return Room(0, min(once, key=lambda name: once[name]))
        left = self.seconds_left()
        if left is not None and left <= 0:
            return Room(0, "seconds")
        if self.limits.steps == 1:  # it cannot look again: it is the last anyway
            return Room(output)
        halves = {name: room // 2 for name, room in twice.items()}
        least = min(halves, key=lambda name: halves[name])
        if halves[least] < LEAST_MESSAGE_TOKENS:
            return Room(output, least)
        if left is not None and left < 2 * self.longest:
            return Room(output, "seconds")
        if self.looked >= self.limits.steps:
            return Room(output, "steps")
        return Room(min(output, halves[least]))

    def _rooms(self, expected: int) -> dict[str, int]:
        """Returns how many tokens each cap leaves to write after reading so many."""
        tokens = None if self.limits.max_tokens is None else self._tokens_left() - expected
        rooms = {"tokens": tokens, "cost": self._cost_left(expected)}
        most = 2 * ANSWER_TOKENS
        return {name: most if room is None else room for name, room in rooms.items()}

    def _tokens_left(self) -> int:
        return (self.limits.max_tokens or 0) - self.spent.tokens

    def _cost_left(self, expected: int) -> int | None:
        """Returns how many tokens may be written for what is left after reading so many."""
        most, prices = self.limits.max_cost, self.limits.prices
        if most is None or prices is None:
            return None
        dearest = max(prices.input_price, prices.cache_creation_price)
        left = (most - self.spent.cost(prices)) * 1_000_000 - expected * dearest
        if prices.output_price == 0:
            return 2 * ANSWER_TOKENS if left >= 0 else 0
        return int(left / prices.output_price)
