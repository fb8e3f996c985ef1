"""The geometry of the page's plots; templates draw it as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHOWN = (("ndcg", "nDCG"), ("recall", "Recall"), ("mrr", "MRR"), ("span_recall", "Span recall"))
WIDTH, HEIGHT = 220, 96
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 40, 10, 10


@dataclass(frozen=True, slots=True)
class Point:
    """A run's value, where it is drawn, and what it tells."""

    x: float
    y: float
    run_id: int
    value: float
    title: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the runs of an evaluation set, oldest first."""

    name: str
    points: tuple[Point, ...]
    best: Point

    @property
    def path(self) -> str:
        """The line through the points."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


@dataclass(frozen=True, slots=True)
class Bar:
    """How many values lie in `[low, high)`, the last bar's `high` included."""

    x: float
    y: float
    width: float
    height: float
    count: int
    low: float
    high: float


def trends(runs: Sequence[dict[str, Any]]) -> list[Trend]:
    """Returns a trend per measure that the runs (rows of evaluation_leaderboard) have."""
    oldest_first = sorted(runs, key=lambda run: int(run["run_id"]))
    return [found for name, told in SHOWN if (found := _trend(oldest_first, name, told))]


def _trend(runs: Sequence[dict[str, Any]], name: str, told: str) -> Trend | None:
    measured = [run for run in runs if run[name] is not None]
    if not measured:
        return None
    step = (WIDTH - _LEFT - _RIGHT) / max(len(measured) - 1, 1)
    points = tuple(
        Point(
            x=_LEFT + step * place if len(measured) > 1 else (WIDTH - _RIGHT) / 2,
            y=_TOP + (1 - run[name]) * (HEIGHT - _TOP - _BOTTOM),
            run_id=run["run_id"],
            value=run[name],
            title=f"run {run['run_id']}: {told} {run[name]:.3f}"
            + (f" ({run['note']})" if run["note"] else ""),
        )
        for place, run in enumerate(measured)
    )
    return Trend(told, points, max(points, key=lambda point: point.value))


def histogram(
    values: Sequence[float], *, low: float = 0.0, high: float | None = None, bins: int = 10
) -> list[Bar]:
    """Returns the bars of a histogram `WIDTH` by `HEIGHT`; none without values."""
    if not values:
        return []
    top = high if high is not None else max(max(values), low + 1e-9)
    size = (top - low) / bins
    counts = [0] * bins
    for value in values:
        counts[min(max(int((value - low) / size), 0), bins - 1)] += 1
    width = WIDTH / bins
    scale = (HEIGHT - _TOP) / max(counts)
    return [
        Bar(
            x=place * width + 1,
            y=HEIGHT - count * scale,
            width=width - 2,
            height=count * scale,
            count=count,
            low=low + place * size,
            high=low + (place + 1) * size,
        )
        for place, count in enumerate(counts)
    ]
