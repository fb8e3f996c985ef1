"""What is put before a chunk: the heading path, a table's header rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from ragpg.chunking.blocks import Headings


class Contexts:
    """The contexts of one document and their tokens."""

    def __init__(self, title: str, count_tokens: Callable[[str], int], max_tokens: int) -> None:
        self._title = " ".join(title.split())
        self.count_once = count_tokens
        self._most = max_tokens // 3
        self._counts: dict[str, int] = {"": 0}
        self._texts: dict[tuple[Headings, str, bool], str] = {}

    def count(self, text: str) -> int:
        if text not in self._counts:
            self._counts[text] = self.count_once(text)
        return self._counts[text]

    def text(self, path: Headings, header: str, is_first: bool) -> str:
        """Returns the heading path, then the header rows: at most a third of the window.

        The title goes before the first chunk only, as on a page: before every chunk it makes them
        alike and crowds out their text (docs/chunking.md has the figures).
        """
        key = (path, header, is_first)
        if key not in self._texts:
            self._texts[key] = self._compose(path, header, is_first)
        return self._texts[key]

    def _compose(self, path: Headings, header: str, is_first: bool) -> str:
        same = self._title.casefold()
        names = [h.text for h in path if h.text and h.text.casefold() != same]
        names = [self._title, *names] if self._title and is_first else names
        line = " > ".join(names)
        if not header:
            return self._shorten(names, self._most)
        if self.count(f"{line}\n{header}") > self._most:
            line = self._shorten(names, self._most // 2)
        return self._cut(f"{line}\n{header}".strip(), self._most)

    def _shorten(self, names: list[str], most: int) -> str:
        """Returns the path within `most` tokens: the title's start and the last heading stay."""
        while len(names) > 2 and self.count(" > ".join(names)) > most:
            names = [names[0], *names[2:]]
        if len(names) == 2 and self.count(" > ".join(names)) > most:
            last = self._cut(names[1], most * 2 // 3)
            names = [self._cut(names[0], most - self.count(f" > {last}")), last]
        return self._cut(" > ".join(filter(None, names)), most)

    def _cut(self, text: str, most: int) -> str:
        """Returns the longest start of the text within `most` tokens, in whole words if it can."""
        if self.count(text) <= most:
            return text
        length = (
            bisect_left(range(len(text)), most + 1, key=lambda n: self.count_once(text[:n])) - 1
        )
        start = text[: max(length, 0)]
        start = (start.rsplit(None, 1)[0] if " " in start else start).rstrip()
        while start and self.count_once(start) > most:
            start = start[:-1]
        return start
