"""What inspection looks for: the rows of the SQL function `ragpg.inspection.rules`, as a test sees.

Patterns mean the same to Python and to Postgres: classes of code points, alternatives, counts.
"""

# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of problem: what is counted, of which characters, from how much on, what helps."""

    problem: str
    unit: str
    pattern: str | None
    minimum: float
    what_to_do: str


RULES = (
    Rule(
        "empty document",
        "characters",
        None,
        1,
        "delete it, or find out why it was stored without text",
    ),
    Rule(
        "tiny document",
        "characters",
        None,
        40,
        "join it with what it belongs to: alone it is found, but answers nothing",
    ),
    Rule(
        "mojibake",
        "times",
        r"[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|\u00c2\u00a0|[\u00ce\u00cf][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|\u00e2[\u0080-\u009f\u201a\u20ac\u2020\u2021\u02c6\u201e\u2026\u2030][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|(?:[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0]){2,}|\u00f0\u0178|(?:[\u00c4-\u00cd\u00d0-\u00df][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]){3,}",
        1,
        "UTF-8 was read as Windows-1252: read it again as UTF-8, or repair it (ftfy)",
    ),
    Rule(
        "replacement characters",
        "times",
        r"\ufffd+",
        1,
        "characters were lost: read the original again with its right encoding",
    ),
    Rule(
        "control characters",
        "times",
        r"[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f]+",
        1,
        "remove them, or export the text anew: they cut words apart",
    ),
    Rule(
        "invisible characters",
        "times",
        r"[\u00ad\u200b\u2060\ufeff]+",
        5,
        "remove soft hyphens and zero-width spaces: they cut words apart",
    ),
    Rule(
        "encoded data",
        "times",
        r"[A-Za-z0-9+/]{200,}",
        1,
        "leave base64 and dumps out: they fill chunks and mean nothing",
    ),
    Rule(
        "over-long line",
        "lines",
        None,
        5000,
        "break it into paragraphs: a chunker sees no structure in it",
    ),
    Rule(
        "few letters",
        "characters that are no letters",
        r"[\u0001-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3007-\u3020\u3030-\u303f\ue000-\uf8ff\ufe10-\ufe6f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001faff]+",
        0.3,
        "search cannot find what numbers and symbols mean: say it in words beside them",
    ),
    Rule(
        "other language",
        "letters",
        None,
        200,
        "put it into a collection of its language, or use the language simple: its words are stemmed by the wrong rules",
    ),
    Rule(
        "duplicate document",
        "",
        None,
        1,
        "keep one: copies crowd other documents out of the hits",
    ),
    Rule(
        "near-duplicate document",
        "",
        None,
        0.8,
        "keep the newest, or search with ragpg.search_distinct",
    ),
    Rule(
        "repeated line",
        "documents",
        None,
        0.3,
        "take it out when reading: it makes all chunks alike",
    ),
    Rule(
        "cut chunk",
        "chunks",
        None,
        1,
        "a sentence is longer than the window: break it, or build an index with larger chunks",
    ),
    Rule(
        "not indexed",
        "",
        None,
        1,
        "run ragpg worker; ragpg.ingest_queue has the error if there is one",
    ),
)
