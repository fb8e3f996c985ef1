"""The title and the values of an Office chart, which its file keeps beside the drawing."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ragpg.reading.result import markdown_table

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_POINTS = 10_000


def chart_texts(root: etree._Element) -> Iterator[str]:
    """Yields the chart's title and, a column for each series, its values as a table."""
    title = next(root.iter("{*}title"), None)
    words = "".join(one.text or "" for one in title.iter(f"{_A}t")) if title is not None else ""
    if words.strip():
        yield words.strip()
    series = [one for one in root.iter("{*}ser") if one.find("{*}val") is not None]
    if not series:
        return
    categories = _points(series[0].find("{*}cat"))
    columns = [_points(one.find("{*}val")) for one in series]
    names = [next(iter(_points(one.find("{*}tx")).values()), "") for one in series]
    places = sorted({place for points in (categories, *columns) for place in points})
    yield markdown_table(
        [["", *names]]
        + [
            [categories.get(place, ""), *(column.get(place, "") for column in columns)]
            for place in places[:_POINTS]
        ]
    )


def _points(element: etree._Element | None) -> dict[int, str]:
    """Returns the cached values below an element, by their place."""
    points = element.iter("{*}pt") if element is not None else ()
    return {
        int(point.get("idx", "0")): _shown(point.findtext("{*}v") or "")
        for point in points
        if point.get("idx", "0").isdigit()
    }


def _shown(value: str) -> str:
    """Returns a value without the noise of its binary form: 4.4, not 4.4000000000000004."""
    try:
        return f"{float(value):.15g}" if "." in value else value
    except ValueError:
        return value
