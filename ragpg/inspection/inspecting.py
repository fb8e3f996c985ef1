"""Files -> what is wrong with their texts, before any of it is stored.

The same questions about what is stored are answered in SQL (`ragpg.corpus_problems`); a test holds
both to the same answers, but for languages, where SQL has stop words and this has py3langid.
"""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

from psycopg.rows import class_row, dict_row

from ragpg import queries
from ragpg.database.connection import Database
from ragpg.errors import LoadError, UnknownCollection
from ragpg.inspection.rules import RULES
from ragpg.reading import LoadedDocument, find_files, is_code, load_documents

_RULE = {rule.problem: rule for rule in RULES}
_PATTERN = {rule.problem: re.compile(rule.pattern) for rule in RULES if rule.pattern}
_NOT_DENSE = str.maketrans("", "", " \t\n\r\f\u00a0\u3000|-")
_UNIT_END = re.compile("\n|[.!?] +|[。！？]")  # noqa: RUF001
_FENCED = re.compile(r"\n {0,3}?```.*?\n {0,3}?```", re.DOTALL)
_NO_LANGUAGE = re.compile(r"<[^<>]*>|https?://[^ \n<>)]*|\{[^ \n{}]*\}|`[^`\n]*`|\]\([^ \n)]*")
_HEADING = re.compile("#{1,6} ")
_LETTERS = re.compile("[^\u0001-\u0040\u005b-\u0060\u007b-\u00a9]{3}")
_NUMBER = re.compile("[0-9]+")
_COMMON = 20  # documents; what more of them share is no sign that two are the same


@dataclass(frozen=True, slots=True)
class TextProblem:
    """Something wrong with a text: how often, and the first of it with what stands around it."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a document; `source` is None for a line of many documents."""

    problem: str
    source: str | None
    detail: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What files hold and what is wrong with it.

    `overview` has documents, characters, median_characters, table_share, code_share and languages
    (documents by language); `failures` are the files that cannot be read, each with the reason.
    """

    overview: dict[str, Any]
    problems: tuple[Problem, ...]
    failures: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


# One text --------------------------------------------------------------------------------------


def text_problems(content: str) -> list[TextProblem]:
    """Returns what looks wrong with a text, as `ragpg.text_problems` does."""
    dense = content.translate(_NOT_DENSE)
    found = [
        _empty(dense),
        _tiny(dense, content),
        *(_matched(kind, content) for kind in _PATTERN if kind != "few letters"),
        _long_lines(content),
        _few_letters(dense),
    ]
    return [one for one in found if one.count > 0]


def _empty(dense: str) -> TextProblem:
    return TextProblem("empty document", int(not dense), "")


def _tiny(dense: str, content: str) -> TextProblem:
    is_tiny = len(dense) < _RULE["tiny document"].minimum
    return TextProblem("tiny document", len(dense) if is_tiny else 0, _line(content.strip(" \n")))


def _matched(kind: str, content: str) -> TextProblem:
    places = [found.start() for found in _PATTERN[kind].finditer(content)]
    if not places or len(places) < _RULE[kind].minimum:
        return TextProblem(kind, 0, "")
    start = max(0, places[0] - 20)
    return TextProblem(kind, len(places), _line(content[start : start + 60]))


def _long_lines(content: str) -> TextProblem:
    minimum = _RULE["over-long line"].minimum
    lines = [line for line in content.split("\n") if len(line) > minimum]
    return TextProblem("over-long line", len(lines), lines[0][:60] if lines else "")


def _few_letters(dense: str) -> TextProblem:
    letters = len(_PATTERN["few letters"].sub("", dense))
    enough = len(dense) < 200 or letters >= _RULE["few letters"].minimum * len(dense)
    return TextProblem("few letters", 0 if enough else len(dense) - letters, dense[:60])


def _line(text: str) -> str:
    return text.replace("\n", " ")


def text_parts(content: str, media_type: str) -> tuple[int, int]:
    """Returns how many characters are in rows of tables and in code, as `ragpg.text_parts` does."""
    table = sum(len(line) for line in content.split("\n") if line.startswith("|"))
    if is_code(media_type):
        return table, len(content)
    return table, len(content) + 1 - len(_FENCED.sub("", "\n" + content))


# ISO 639-1 codes of the languages Postgres has a text-search configuration for, and of some more.
_LANGUAGES = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "zh": "chinese",
    "cs": "czech", "da": "danish", "nl": "dutch", "en": "english", "et": "estonian",
    "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "he": "hebrew",
    "hi": "hindi", "hu": "hungarian", "id": "indonesian", "ga": "irish", "it": "italian",
    "ja": "japanese", "ko": "korean", "lt": "lithuanian", "ne": "nepali", "no": "norwegian",
    "fa": "persian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "es": "spanish", "sv": "swedish", "ta": "tamil", "th": "thai",
    "tr": "turkish", "uk": "ukrainian", "vi": "vietnamese",
}  # fmt: skip


def text_language(content: str) -> str | None:
    """Returns the language, by the name of its text-search configuration; None if in doubt.

    By py3langid (Lui and Baldwin, "langid.py", 2012), of the first 2,000 characters that are not
    code, tags or addresses.
    """
    sample = _NO_LANGUAGE.sub(" ", _FENCED.sub("", "\n" + content[:12000]))[:2000]
    if sum(char.isalpha() for char in sample) < 20:
        return None
    code, probability = _identifier().classify(sample)
    return _LANGUAGES[code] if probability > 0.9 else None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # half a second

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(_LANGUAGES))
    return identifier


# Many texts ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Corpus:
    """What is kept of each document read: sizes and the hashes of its lines, not its text."""

    language: str = "english"
    problems: list[Problem] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    _copies: dict[bytes, int] = field(default_factory=dict)
    _units: dict[int, dict[int, int]] = field(default_factory=dict)
    _lines: dict[int, tuple[str, int]] = field(default_factory=dict)

    def add(self, source: str, document: LoadedDocument) -> None:
        """Counts the document in and keeps what is wrong with it alone."""
        content = document.content
        number = len(self.sources)
        self.sources.append(source)
        self.sizes.append(len(content))
        self.parts.append(text_parts(content, document.media_type))
        for wrong in text_problems(content):
            unit = _RULE[wrong.kind].unit
            self._tell(wrong.kind, source, f"{wrong.count} {unit}: {wrong.example}")
        self._add_language(source, document)
        self._add_lines(content)
        digest = hashlib.sha256(content.encode()).digest()
        first = self._copies.setdefault(digest, number)
        if first == number:
            self._units[number] = units(content)
        else:
            self._tell("duplicate document", source, f"100 % as {self.sources[first]}")

    def _tell(self, problem: str, source: str | None, detail: str) -> None:
        self.problems.append(Problem(problem, source, detail, _RULE[problem].what_to_do))

    def _add_language(self, source: str, document: LoadedDocument) -> None:
        language = None if is_code(document.media_type) else text_language(document.content)
        self.languages[language or "unknown"] += 1
        is_long = len(document.content) >= _RULE["other language"].minimum
        if language and is_long and self.language not in ("simple", language):
            self._tell("other language", source, f"{language}, not {self.language}")

    def _add_lines(self, content: str) -> None:
        lines = {}
        for raw in content.split("\n"):
            line = raw.strip(" \t")
            if len(raw) >= 15 and not _HEADING.match(line) and _LETTERS.search(line):
                lines[hash(_NUMBER.sub("0", line))] = line
        for key, line in lines.items():
            shown, count = self._lines.get(key, (line, 0))
            self._lines[key] = (min(shown, line), count + 1)

    def overview(self) -> dict[str, Any]:
        """Returns sizes, shares and languages."""
        characters = sum(self.sizes)
        tables, code = (sum(part[side] for part in self.parts) for side in (0, 1))
        return {
            "documents": len(self.sizes),
            "characters": characters,
            "median_characters": statistics.median(self.sizes) if self.sizes else 0,
            "table_share": tables / characters if characters else 0.0,
            "code_share": code / characters if characters else 0.0,
            "languages": dict(self.languages.most_common()),
        }

    def finish(self) -> tuple[Problem, ...]:
        """Returns all problems, those between documents too."""
        for a, b, similarity in near_duplicates(self._units):
            detail = f"{int(100 * similarity)} % as {self.sources[a]}"
            self._tell("near-duplicate document", self.sources[b], detail)
        minimum = max(5, _RULE["repeated line"].minimum * len(self.sources))
        for line, count in sorted(self._lines.values(), key=lambda one: (-one[1], one[0])):
            if count >= minimum:
                self._tell("repeated line", None, f"{count} documents: {line[:80]}")
        return tuple(self.problems)


def units(content: str) -> dict[int, int]:
    """Returns the hashes of the lines and sentences of a text with their characters."""
    cut = (part.strip(" \t.!?") for part in _UNIT_END.split(content))
    return {hash(unit): len(unit) for unit in cut if unit}


def near_duplicates(documents: dict[int, dict[int, int]]) -> Iterator[tuple[int, int, float]]:
    """Yields pairs of documents (given by their units) that are nearly the same: first, second and
    the share of characters in shared units, as `ragpg.near_duplicate_documents` does."""
    minimum = _RULE["near-duplicate document"].minimum
    sizes = {number: sum(held.values()) for number, held in documents.items()}
    holders: dict[int, list[int]] = defaultdict(list)
    for number in sorted(documents):
        for unit in documents[number]:
            holders[unit].append(number)
    pairs: set[tuple[int, int]] = set()
    for held_by in holders.values():
        if len(held_by) <= _COMMON:
            near = list(combinations(held_by, 2))
        else:
            near = [(held_by[0], other) for other in held_by[1:]]
        # Two texts as similar as that are at least so similar in length.
        pairs.update(
            (a, b) for a, b in near if min(sizes[a], sizes[b]) >= minimum * max(sizes[a], sizes[b])
        )
    for a, b in sorted(pairs):
        both = documents[a].keys() & documents[b].keys()
        shared = sum(documents[a][unit] for unit in both)
        similarity = shared / (sizes[a] + sizes[b] - shared)
        if similarity >= minimum:
            yield a, b, similarity


def inspect_files(
    paths: Iterable[str | Path],
    *,
    language: str = "english",
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Returns what is wrong with files, folders and globs, without storing anything.

    `language` is the text-search configuration they are meant for; `progress` hears how many
    files of how many are read. Raises LoadError when a path does not exist.
    """
    found = find_files(paths)
    corpus = Corpus(language)
    failures: list[str] = []
    for done, (source, path) in enumerate(found.files, 1):
        try:
            for part in load_documents(path, lambda _, error: failures.append(str(error))):
                corpus.add(source + part.suffix, part.document)
        except LoadError as error:
            failures.append(str(error))
        if progress:
            progress(done, len(found.files))
    return Inspection(corpus.overview(), corpus.finish(), tuple(failures), found.skipped)


def inspect_collection(database: Database, collection: str) -> Inspection:
    """Returns what is wrong with what is stored: rows of `ragpg.corpus_problems`.

    The overview is the row of `ragpg.corpus_overview`, with chunks, too.
    """
    parameters = {"collection": collection}
    with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        overview = cursor.execute(queries.CORPUS_OVERVIEW, parameters).fetchone()
        if overview is None:
            raise UnknownCollection(f'there is no collection "{collection}"')
        problems = connection.cursor(row_factory=class_row(Problem))
        return Inspection(
            overview, tuple(problems.execute(queries.CORPUS_PROBLEMS, parameters).fetchall())
        )
