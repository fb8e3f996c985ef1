"""What a forked process must not share with its parent: connections, and locks held meanwhile."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that is renewed in a forked process."""

    def after_fork(self) -> None:
        """Called in the child, before anything else runs there."""


_KNOWN: WeakSet[Forked] = WeakSet()


def renewed_after_fork(one: Forked) -> None:
    """Has `after_fork` of this called in each forked process, as long as it lives."""
    _KNOWN.add(one)


class Lock:
    """A lock that is free in a forked process: the thread that held it stayed behind."""

    def __init__(self) -> None:
        self.after_fork()
        renewed_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _renew() -> None:
    for one in list(_KNOWN):
        one.after_fork()


os.register_at_fork(after_in_child=_renew)
