"""robots.txt as RFC 9309 has it: what may be read, and how fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.web import WebClient

_AGENT = "ragpg"
_MOST_BYTES = 512 * 2**10  # more need not be read
_LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Robots:
    """The rules of each host that is asked, read once."""

    client: WebClient
    _rules: dict[str, Any] = field(default_factory=dict)

    def refuses(self, url: str) -> bool:
        """Returns whether the site wants this not read, and keeps its pause from here on.

        Raises LoadError where the rules cannot be read: then nothing may be (RFC 9309, 2.3.1.4).
        """
        from yarl import URL

        origin = str(URL(url).origin())
        if origin not in self._rules:
            self._rules[origin] = self._read(f"{origin}/robots.txt")
            delay = self._rules[origin].crawl_delay(_AGENT) or 0.0
            self.client.pause = min(max(self.client.pause, delay), _LONGEST_PAUSE)
        return not self._rules[origin].can_fetch(url, _AGENT)

    def _read(self, url: str) -> Any:
        from protego import Protego

        answer = self.client.follow(url, most=64 * _MOST_BYTES)
        if answer.is_outage:
            raise LoadError(
                f"{url} cannot be read, and without it nothing may be (RFC 9309): {answer.reason}"
            )
        rules = answer.body[:_MOST_BYTES] if answer.status == 200 else b""  # 404: all is allowed
        return Protego.parse(rules.decode("utf-8-sig", "replace"))
