"""The drawings of the evaluation report: SVG with its numbers beside it, no script, no network.

Horizontal places are percentages, so that a drawing takes any width and its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 220, 105, 26, 14, 20
_MOST_LABELS = 6


def interval(low: float, middle: float, high: float, span: float) -> str:
    """Returns a dot within its interval, on an axis from -span to span with a line at 0."""
    a, b, c = (_percent((value + span) / (2 * span)) for value in (low, middle, high))
    colour = "var(--soft)" if low <= 0 <= high else f"var(--{'up' if middle > 0 else 'down'})"
    return _strip(
        f"{middle:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}",
        '<line x1="50%" x2="50%" y1="0" y2="100%" stroke="var(--before)" stroke-dasharray="2 3"/>'
        f'<line x1="{a}" x2="{c}" y1="50%" y2="50%" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{b}" cy="50%" r="4.5" fill="{colour}"/>',
    )


def shares(values: Sequence[float], mean: float, before: float | None) -> str:
    """Returns a strip from 0 to 1: a tick for each value, a dot at the mean, a ring at before."""
    ticks = "".join(
        f'<line x1="{_percent(value)}" x2="{_percent(value)}" y1="22%" y2="78%"'
        ' stroke="var(--main)" stroke-width="3" opacity=".28"/>'
        for value in values
    )
    ring = (
        ""
        if before is None
        else f'<circle cx="{_percent(before)}" cy="50%" r="5" fill="none"'
        ' stroke="var(--ink)" stroke-width="1.5"/>'
    )
    told = f"mean {mean:.3f}" + ("" if before is None else f", before {before:.3f}")
    return _strip(
        f"{told}, of {len(values)} questions",
        '<line x1="0" x2="100%" y1="50%" y2="50%" stroke="var(--rule)"/>'
        f'{ticks}<circle cx="{_percent(mean)}" cy="50%" r="5" fill="var(--main)"/>{ring}',
    )


def bar(share: float) -> str:
    """Returns a bar as long as the share."""
    return _strip(
        f"{share:.0%}",
        f'<rect x="0" y="30%" height="40%" width="{_percent(share)}" fill="var(--down)"/>',
    )


def spread(middle: float, high: float, longest: float) -> str:
    """Returns a line from the median to the 95th percentile, on an axis from 0 to longest."""
    a, b = (_percent(value / longest) for value in (middle, high))
    return _strip(
        f"p50 {middle:.1f} ms, p95 {high:.1f} ms",
        '<line x1="0" x2="100%" y1="50%" y2="50%" stroke="var(--rule)"/>'
        f'<line x1="{a}" x2="{b}" y1="50%" y2="50%" stroke="var(--main)" stroke-width="2"/>'
        f'<circle cx="{a}" cy="50%" r="5" fill="var(--main)"/>'
        f'<line x1="{b}" x2="{b}" y1="25%" y2="75%" stroke="var(--main)" stroke-width="2"/>',
    )


def quality_range(values: Sequence[float]) -> tuple[float, float]:
    """Returns an axis in tenths that holds the values; at least two tenths long."""
    low = math.floor(min(values, default=0) * 10) / 10
    high = math.ceil(max(values, default=1) * 10) / 10
    while high - low < 0.19:
        low, high = max(0.0, low - 0.1), min(1.0, high + 0.1)
    return low, high


def course(
    name: str,
    points: Sequence[tuple[int, float | None, bool]],
    axis: tuple[float, float],
) -> str:
    """Returns a measure over runs: (run, value, whether comparable with the last) each."""
    low, high = axis
    steps = max(1, len(points) - 1)

    def x(place: int) -> float:
        return _LEFT + 8 + place * (_WIDTH - _LEFT - 16) / steps

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y(edge):.1f}" y2="{y(edge):.1f}"'
        f' stroke="var(--rule)"/><text x="{_LEFT - 5}" y="{y(edge) + 4:.1f}"'
        f' text-anchor="end">{edge:.1f}</text>'
        for edge in axis
    ]
    drawn = [
        (x(place), y(value), alike)
        for place, (_, value, alike) in enumerate(points)
        if value is not None
    ]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _ in drawn)
    parts.append(f'<polyline points="{path}" fill="none" stroke="var(--main)" opacity=".45"/>')
    for a, b, alike in drawn:
        fill = "var(--main)" if alike else "var(--page)"
        parts.append(
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{fill}"'
            ' stroke="var(--main)" stroke-width="1.5"/>'
        )
    shown = _few(len(points))
    for place, (run, value, _) in enumerate(points):
        if place in shown:
            parts.append(
                f'<text x="{x(place):.1f}" y="{_HEIGHT - 4}" text-anchor="middle">{run}</text>'
            )
        if value is not None and place == len(points) - 1:
            parts.append(
                f'<text x="{min(x(place), _WIDTH - 18):.1f}" y="{_beside(drawn):.1f}"'
                f' class="strong" text-anchor="middle">{value:.3f}</text>'
            )
    told = ", ".join(f"run {run} {value:.3f}" for run, value, _ in points if value is not None)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}: {told}">'
        + "".join(parts)
        + "</svg>"
    )


def _beside(drawn: Sequence[tuple[float, float, bool]]) -> float:
    """Returns where the last point's number stands: on the side its line does not come from."""
    y = drawn[-1][1]
    rises = len(drawn) < 2 or drawn[-2][1] >= y
    above = y > _TOP + 12 and (rises or y + 17 > _HEIGHT - _BOTTOM)
    return y - 8 if above else y + 17


def _few(count: int) -> set[int]:
    """Returns the places that get a label: all, or some evenly and the last."""
    step = math.ceil(count / _MOST_LABELS)
    kept = set(range(0, count, step))
    return {place for place in kept if count - 1 - place >= step} | {count - 1}


def _strip(told: str, drawn: str) -> str:
    return f'<svg role="img" aria-label="{told}"><title>{told}</title>{drawn}</svg>'


def _percent(share: float) -> str:
    """Returns a place, a little away from the edges so that a dot there is whole."""
    return f"{2 + 96 * min(max(share, 0.0), 1.0):.2f}%"
