"""Chat datasets for fine-tuning: written from the database, and checked wherever they come from.

The format is that of OpenAI's fine-tuning API and of Bedrock's for chat models: a line each,
{"messages": [{"role": "system" | "user" | "assistant", "content": "..."}, ...]}.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from ragpg.answer import SYSTEM_PROMPT
from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.finetuning import queries
from ragpg.search import Hit

# What must not be learned by heart: a model may say it to anybody.
SENSITIVE = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "access key": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[opsu]_[A-Za-z0-9]{36,}|xox[abp]-[A-Za-z0-9-]{10,}"
        r"|sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35})"
    ),
    "password": re.compile(r"(?i)\b(?:password|passwd|secret|api[_-]?key)\s*[:=]\s*['\"]?\S{6,}"),
    "e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    "phone number": re.compile(r"(?<![\w.])\+\d{1,3}[ ()./-]*(?:\d[ ()./-]*){7,12}(?!\w)"),
    "account number": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
    "card number": re.compile(r"(?<!\d)(?:\d[ -]?){13,16}(?!\d)"),
}
FEWEST = 10  # OpenAI's least
ENOUGH = 50  # where its guide begins to see clear improvements
_KEPT = 1000  # problems told one by one; all are counted

Search = Callable[[str], list[Hit]]


@dataclass(slots=True)
class Export:
    """What was written: examples of each file, and why others were not."""

    training: int = 0
    validation: int = 0
    duplicates: int = 0
    dropped: int = 0
    # File, line and kinds of what looks secret or personal.
    flagged: list[tuple[str, int, list[str]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file; `line` counts from 1, None for the whole."""

    file: str
    line: int | None
    is_error: bool
    message: str


@dataclass(slots=True)
class Validation:
    """A check of one or two files."""

    examples: int = 0
    tokens_median: int = 0  # estimated: four characters a token
    tokens_most: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # problems by kind
    problems: list[Problem] = field(default_factory=list)  # the first 1,000
    errors: int = 0

    def add(self, file: Path, line: int | None, message: str, *, is_error: bool = True) -> None:
        self.errors += is_error
        kind = message.split(":")[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.problems) < _KEPT:
            self.problems.append(Problem(str(file), line, is_error, message))


def sensitive(text: str) -> list[str]:
    """Returns the kinds of secrets and personal data that a text seems to hold."""
    found = [kind for kind, pattern in SENSITIVE.items() if pattern.search(text)]
    cards = SENSITIVE["card number"].finditer(text)
    if "card number" in found and not any(_luhn(card.group()) for card in cards):
        found.remove("card number")
    return found


def _luhn(number: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in number if digit.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def examples(
    database: Database, collection: str, evaluation_set: str | None, statement: str | None
) -> Iterator[dict[str, Any]]:
    """Yields question, answer and split_by, by a cursor on the server: any number of rows."""
    with (
        database.connection() as connection,
        connection.cursor(name="finetuning", row_factory=dict_row) as cursor,
    ):
        if statement is None:
            origin = evaluation_set and f"evaluation set {evaluation_set}"
            parameters = {"collection": collection, "origin": origin}
            cursor.execute(queries.FINETUNING_EXAMPLES, parameters)
        else:
            cursor.execute(statement.rstrip().rstrip(";").encode())
        for number, row in enumerate(cursor, 1):
            missing = [name for name in ("question", "answer") if row.get(name) is None]
            if missing:
                raise BadArgument(
                    f"row {number} of the query has no {missing[0]}: it needs the columns "
                    "question and answer, and may have split_by"
                )
            yield row


def export(
    rows: Iterable[dict[str, Any]],
    path: Path,
    *,
    search: Search | None = None,
    validation_share: float = 0.1,
    drop_flagged: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Export:
    """Writes the rows to `path` and, by the hash of split_by, to `path` with .validation before
    its suffix; both appear whole or not at all. Of rows with the same question the first counts.
    Raises BadArgument where nothing is to be written.

    `search` gives the hits that stand before the question, so that the form is learned and the
    facts stay in retrieval; without it the model would learn the facts by heart.
    """
    held_out = path.with_suffix(f".validation{path.suffix}")
    for one in (path, held_out):
        if one.exists() and not overwrite:
            raise BadArgument(f"{one} is there already: another name, or --overwrite")
    done = Export()
    with ExitStack() as stack:
        parts = {one: one.with_name(f"{one.name}.part") for one in (path, held_out)}
        for part in parts.values():
            stack.callback(part.unlink, missing_ok=True)
        files = {one: stack.enter_context(part.open("w")) for one, part in parts.items()}
        for number, row in enumerate(_first_of_each(rows, done), 1):
            line = _line(row, search)
            kinds = sensitive(line)
            if kinds and drop_flagged:
                done.dropped += 1
                continue
            split_by = str(row.get("split_by") or row["question"])
            is_held_out = _share_of(split_by) < validation_share
            file = held_out if is_held_out else path
            files[file].write(line + "\n")
            done.validation += is_held_out
            done.training += not is_held_out
            if kinds:
                written = done.validation if is_held_out else done.training
                done.flagged.append((str(file), written, kinds))
            if progress:
                progress(number)
        _check_some(done)
        for one, part in parts.items():
            files[one].close()
            os.replace(part, one)
    return done


def _check_some(done: Export) -> None:
    if not done.training + done.validation:
        raise BadArgument(
            "there is nothing to write: no answer was called good or corrected (ragpg feedback), "
            f"and no evaluation set says what to expect ({done.dropped} were dropped)"
        )


def _first_of_each(rows: Iterable[dict[str, Any]], done: Export) -> Iterator[dict[str, Any]]:
    seen: set[bytes] = set()
    for row in rows:
        question = _digest(_plain(str(row["question"])))
        if question in seen:
            done.duplicates += 1
        else:
            seen.add(question)
            yield row


def _share_of(text: str) -> float:
    """Returns a number from 0 to 1 that is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _line(row: dict[str, Any], search: Search | None) -> str:
    question = str(row["question"])
    asked = question
    if search is not None:
        found = (
            f'<search_result source="{hit.source}">\n{hit.content}\n</search_result>'
            for hit in search(question)
        )
        asked = "\n".join([*found, question])
    messages = [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": asked},
        {"role": "assistant", "content": str(row["answer"])},
    ]
    if search is None:
        del messages[0]  # it speaks of search results
    return json.dumps({"messages": messages}, ensure_ascii=False)


def validate(path: Path, validation: Path | None = None) -> Validation:
    """Returns what is wrong with a dataset, and with both files together.

    Texts are kept as hashes only. Errors are what a fine-tuning API refuses or what teaches the
    wrong thing for certain; the rest are warnings.
    """
    found = Validation()
    answers: dict[bytes, bytes] = {}  # hash of what is asked to hash of the answer
    lengths: list[int] = []
    said: Counter[bytes] = Counter()
    for number, asked, answer, length in _read(path, found):
        lengths.append(length)
        said[answer] += 1
        if asked in answers:
            if answers[asked] == answer:
                found.add(path, number, "duplicate", is_error=False)
            else:
                found.add(path, number, "contradiction: the same question has another answer")
        answers.setdefault(asked, answer)
    found.examples = len(lengths)
    if lengths:
        found.tokens_median = round(statistics.median(lengths) / 4)
        found.tokens_most = round(max(lengths) / 4)
    if len(lengths) < FEWEST:
        found.add(path, None, f"too few examples: {len(lengths)}, {FEWEST} are the least")
    elif len(lengths) < ENOUGH:
        told = f"few examples: {len(lengths)}, the effect is unsure below {ENOUGH}"
        found.add(path, None, told, is_error=False)
    most = said.most_common(1)
    if most and len(lengths) >= FEWEST and most[0][1] > len(lengths) / 2:
        told = f"unbalanced: one and the same answer in {most[0][1]} of {len(lengths)} examples"
        found.add(path, None, told, is_error=False)
    if validation is not None:
        for number, asked, _, _ in _read(validation, found):
            if asked in answers:
                found.add(validation, number, "leak: the training file has this question, too")
    return found


def _read(path: Path, found: Validation) -> Iterator[tuple[int, bytes, bytes, int]]:
    """Yields line, hash of what is asked, hash of the answer, characters; notes what is wrong."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    row = json.loads(raw.decode())
                except ValueError as error:
                    found.add(path, number, f"no JSON: {error}")
                    continue
                wrong = _wrong(row)
                if wrong:
                    found.add(path, number, wrong)
                    continue
                for kind in sensitive(json.dumps(row, ensure_ascii=False)):
                    found.add(path, number, f"{kind}: a model may say it", is_error=False)
                *before, last = row["messages"]
                asked = [(one["role"], " ".join(one["content"].split()).lower()) for one in before]
                yield (
                    number,
                    hashlib.sha256(repr(asked).encode()).digest()[:16],
                    hashlib.sha256(last["content"].encode()).digest()[:16],
                    sum(len(one["content"]) for one in row["messages"]),
                )
    except OSError as error:
        raise BadArgument(f"{path} cannot be read: {error.strerror}") from error


def _wrong(row: Any) -> str | None:
    """Returns what a fine-tuning API would refuse of an example."""
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return "no messages: a line is {" + '"messages": [...]}'
    for place, one in enumerate(messages):
        if not isinstance(one, dict) or not isinstance(one.get("content"), str):
            return f"no text: message {place + 1} has no content that is a text"
        if not one["content"].strip():
            return f"empty content: message {place + 1}"
        if one.get("role") not in ("system", "user", "assistant"):
            return f"unknown role: {one.get('role')!r} in message {place + 1}"
        if one["role"] == "system" and place:
            return f"roles out of order: system in message {place + 1}"
    turns = [one["role"] for one in messages if one["role"] != "system"]
    if turns[::2] != ["user"] * len(turns[::2]) or turns[1::2] != ["assistant"] * len(turns[1::2]):
        return f"roles out of order: {', '.join(turns)}"
    if not turns or turns[-1] != "assistant":
        return "no answer: the last message is not the assistant's"
    return None
