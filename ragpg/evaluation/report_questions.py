"""The worst questions of a run, for the report: their labels, and what was found instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ragpg.database import Database
from ragpg.evaluation import queries
from ragpg.evaluation.markup import escape, number

Row = dict[str, Any]
_HITS, _OPEN_HITS = 10, 3
_LONGEST, _BEFORE = 420, 120
"""Characters shown of a hit, and at least how many of them before its first labelled one."""


def questions_section(database: Database, run_id: int, most: int) -> str:
    """Returns the section on the worst questions: failed ones first, then by nDCG."""
    found = database.rows(queries.REPORT_WORST, run_id=run_id, questions=most)
    head = '<h2 id="worst">Worst questions</h2>'
    if not found:
        return f"{head}<p>None: every relevant chunk stood before all others.</p>"
    ids = [one["question_id"] for one in found]
    labels = database.rows(queries.REPORT_LABELS, question_ids=ids)
    hits = database.rows(queries.REPORT_HITS, run_id=run_id, question_ids=ids, hits=_HITS)
    told = (
        '<p class="soft small">Failed ones first, then by nDCG. <mark>Marked</mark>: the labelled '
        "text, as far as the hit holds it.</p>"
    )
    return head + told + "".join(_article(one, _of(labels, one), _of(hits, one)) for one in found)


def _of(rows: Sequence[Row], question: Row) -> list[Row]:
    return [row for row in rows if row["question_id"] == question["question_id"]]


def _article(question: Row, labels: Sequence[Row], hits: Sequence[Row]) -> str:
    tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in question["tags"])
    entries = []
    if question["kind"]:
        kind, advice = escape(question["kind"]), escape(question["what_to_try"])
        entries.append(("why", f'<b class="down">{kind}</b> <small>try: {advice}</small>'))
    entries.append(("measures", _measures(question)))
    if question["expected_answer"]:
        entries.append(("expected", _text(escape(question["expected_answer"]))))
    if question["answer"]:
        reason = question["grade_reason"]
        judged = f'<div class="from">judge: {escape(reason)}</div>' if reason else ""
        entries.append(("answered", _text(marked(question["answer"], [])) + judged))
    if labels:
        entries.append(("labelled", "".join(map(_label, labels))))
    elif not question["is_answerable"]:
        entries.append(("labelled", "nothing: the collection is said to hold no answer"))
    entries.append(("hits", _hits(hits)))
    listed = "".join(f"<dt>{term}</dt><dd>{told}</dd>" for term, told in entries)
    return (
        f'<article><h3 dir="auto">{escape(question["question"])} {tags}</h3>'
        f"<dl>{listed}</dl></article>"
    )


def _measures(question: Row) -> str:
    place = question["first_relevant_place"]
    first = f"first relevant hit at place {place}" if place else "no relevant hit"
    if not question["relevant_chunks"]:
        return "no chunk holds a labelled text"
    return (
        f"nDCG {number(question['ndcg'])}, span recall {number(question['span_recall'])}, {first}"
    )


def _label(label: Row) -> str:
    state = "" if label["state"] == "found" else f' <b class="down">{escape(label["state"])}</b>'
    head = f'<div class="from">{_source(label["source"])}{state}</div>'
    if label["state"] != "found":
        return head + (_text(escape(_clipped(label["quote"], _LONGEST))) if label["quote"] else "")
    first = label["first_char"]
    span = (first, first + label["characters"])
    text = marked(label["around"], [span])
    before, after = ("…" if label[f"is_cut_{end}"] else "" for end in ("before", "after"))
    return head + _text(f"{before}{text.removesuffix('…')}{after}", "soft")


def _hits(hits: Sequence[Row]) -> str:
    if not hits:
        return "none"
    listed = f"<ol>{''.join(map(_hit, hits[:_OPEN_HITS]))}</ol>"
    if rest := hits[_OPEN_HITS:]:
        relevant = sum(hit["is_relevant"] for hit in rest)
        told = f"{len(rest)} more hits" + (f", {relevant} of them relevant" if relevant else "")
        listed += f"<details><summary>{told}</summary><ol>{''.join(map(_hit, rest))}</ol></details>"
    return listed


def _hit(hit: Row) -> str:
    legs = [f"score {hit['score']:.2f}"]
    if hit["similarity"] is not None:
        legs.append(f"similarity {hit['similarity']:.2f}")
    if hit["bm25"] is not None:
        legs.append(f"BM25 {hit['bm25']:.1f}")
    relevant = "<b>relevant</b> · " if hit["is_relevant"] else ""
    content = hit["content"]
    text = (
        '<p class="text soft">the document was erased</p>'
        if content is None
        else f'<p class="text" dir="auto">{marked(content, hit["marks"])}</p>'
    )
    return (
        f'<li{" class=relevant" if hit["is_relevant"] else ""}><div class="from">{hit["place"]} · '
        f"{relevant}{_source(hit['source'])} · {', '.join(legs)}</div>{text}</li>"
    )


def marked(content: str, spans: Sequence[Sequence[int]]) -> str:
    """Returns the part of a text around its first span as HTML, each span marked."""
    first = spans[0][0] if spans else 0
    start = 0 if first + _BEFORE <= _LONGEST else first - _BEFORE
    end = min(len(content), start + _LONGEST)
    parts = ["…"] if start else []
    place = start
    for low, high in spans:
        low, high = max(low, start), min(high, end)
        if low < high:
            parts += [escape(content[place:low]), f"<mark>{escape(content[low:high])}</mark>"]
            place = high
    parts.append(escape(content[place:end]))
    text = "".join(parts) + ("…" if end < len(content) else "")
    return re.sub(r"\n\s*\n", "\n", text)  # what is compared is read at a glance


def _source(source: str) -> str:
    """Returns the last two parts of a path, with all of it on hovering."""
    short = "/".join(source.rstrip("/").rsplit("/", 2)[-2:])
    return f'<span title="{escape(source)}">{escape(short)}</span>'


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _text(text: str, kind: str = "") -> str:
    return f'<p class="text {kind}" dir="auto">{text}</p>'
