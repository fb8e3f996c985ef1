"""Which of what paths and addresses lead to is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

MAX_SITE_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Patterns of sources, and how far links of web sites are followed.

    A pattern is held against the whole source; * stands for anything, a / too.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    depth: int | None = None
    pages: int = MAX_SITE_PAGES

    @classmethod
    def of(
        cls,
        include: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
        depth: int | None = None,
        pages: int = MAX_SITE_PAGES,
    ) -> Wanted:
        """Returns it for one pattern or several of each kind."""
        only, none = ((one,) if isinstance(one, str) else tuple(one) for one in (include, exclude))
        return cls(only, none, depth, pages)

    def passes(self, source: str) -> bool:
        """Returns whether the patterns let a source through."""
        if any(fnmatchcase(source, one) for one in self.exclude):
            return False
        return not self.include or any(fnmatchcase(source, one) for one in self.include)

    def is_site(self, argument: object) -> bool:
        """Returns whether it is a web address that stands for many: a sitemap, or with a depth."""
        address = urlsplit(str(argument)) if "://" in str(argument) else None
        if address is None or address.scheme.lower() not in ("http", "https"):
            return False
        return self.depth is not None or "sitemap" in address.path.rpartition("/")[2].lower()


ALL = Wanted()
