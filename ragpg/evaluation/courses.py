"""Measures over runs as small plots: where their points and numbers stand.

Templates draw them as SVG, of `width` by `height`, `left` of it for the axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 220, 105, 26, 14, 20
_MOST_LABELS = 6
Row = dict[str, Any]


def courses(measures: Mapping[str, str], runs: Sequence[Row]) -> list[Row]:
    """Returns a plot for each measure (key: name) over the runs, oldest first; none of one run."""
    if len(runs) < 2:
        return []
    axis = quality_range([one[key] for one in runs for key in measures if one[key] is not None])
    return [_course(key, name, runs, axis) for key, name in measures.items()]


def quality_range(values: Sequence[float]) -> tuple[float, float]:
    """Returns an axis in tenths that holds the values; at least two tenths long."""
    low = math.floor(min(values, default=0) * 10) / 10
    high = math.ceil(max(values, default=1) * 10) / 10
    while high - low < 0.19:
        low, high = max(0.0, low - 0.1), min(1.0, high + 0.1)
    return low, high


def _course(key: str, name: str, runs: Sequence[Row], axis: tuple[float, float]) -> Row:
    low, high = axis
    step = (_WIDTH - _LEFT - 16) / max(1, len(runs) - 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    places = [round(_LEFT + 8 + number * step, 1) for number in range(len(runs))]
    drawn = [(x, one) for x, one in zip(places, runs, strict=True) if one[key] is not None]
    points = [(x, y(one[key]), one["alike"]) for x, one in drawn]
    last = runs[-1][key]
    return {
        "name": name,
        "told": ", ".join(f"run {one['run_id']} {one[key]:.3f}" for _, one in drawn),
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "axis": [(edge, y(edge)) for edge in axis],
        "path": " ".join(f"{x},{height}" for x, height, _ in points),
        "points": points,
        "labels": [(places[number], runs[number]["run_id"]) for number in _few(len(runs))],
        "last": last is not None and (min(places[-1], _WIDTH - 18), _beside(points), last),
    }


def _beside(points: Sequence[tuple[float, float, bool]]) -> float:
    """Returns where the last point's number stands: on the side its line does not come from."""
    y = points[-1][1]
    rises = len(points) < 2 or points[-2][1] >= y
    above = y > _TOP + 12 and (rises or y + 17 > _HEIGHT - _BOTTOM)
    return y - 8 if above else y + 17


def _few(count: int) -> list[int]:
    """Returns the places that get a label: all, or some evenly and the last."""
    step = math.ceil(count / _MOST_LABELS)
    return [place for place in range(0, count, step) if count - 1 - place >= step] + [count - 1]
