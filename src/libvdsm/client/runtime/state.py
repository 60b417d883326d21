"""How a connection is: told to whoever wants to know."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


class Link(enum.StrEnum):
    """What there is."""

    CONNECTING = "connecting"  # for the first time
    UP = "up"
    DOWN = "down"  # it was lost, or could not be had; it is tried for again when it is needed
    CLOSED = "closed"  # by its owner


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The state of a connection, since when, and why."""

    link: Link
    since: float  # seconds since 1970
    reason: str | None = None  # why it is down

    @property
    def is_up(self) -> bool:
        """Whether calls can be made."""
        return self.link is Link.UP


#: Called with each state that is another ``link``: in the loop, or in one of a client's threads; it may not block. What it raises is logged.
StateCallback: TypeAlias = Callable[[LinkState], object]


class Teller:
    """The state, and who is told: of each change once, in their order, of one at a time, whichever thread finds it."""

    def __init__(self, callback: StateCallback | None) -> None:
        self.state = LinkState(link=Link.CONNECTING, since=time.time())
        self._callback = callback
        self._lock = threading.Lock()
        self._due: deque[LinkState] = deque()
        self._is_telling = False

    def anew(self) -> Teller:
        """One for a process that was forked off: what there is begins anew, unless it was closed."""
        made = Teller(self._callback)
        if self.state.link is Link.CLOSED:
            made.state = self.state
        return made

    def change(self, link: Link, reason: str | None = None, *, given: Callable[[LinkState], bool] | None = None) -> bool:
        """It is so now, unless ``given`` says that it is not, or it was closed; whether it is. A new reason alone is no change to tell."""
        with self._lock:
            was = self.state
            if was.link is Link.CLOSED or (given is not None and not given(was)):
                return False
            self.state = LinkState(link=link, since=was.since if was.link is link else time.time(), reason=reason)
            if was.link is link:
                return True
            self._due.append(self.state)
            if self._is_telling:  # by who is at it
                return True
            self._is_telling = True
        self._tell()
        return True

    def _tell(self) -> None:
        try:
            while (state := self._next()) is not None:
                call(self._callback, state)
        except BaseException:
            self._is_telling = False
            raise

    def _next(self) -> LinkState | None:
        with self._lock:
            if self._due:
                return self._due.popleft()
            self._is_telling = False
            return None


def call(callback: Callable[..., object] | None, *values: object) -> None:
    """Tell a program's callback; what it raises is its own matter, and harms nobody else."""
    if callback is None:
        return
    try:
        callback(*values)
    except Exception:
        import logging

        logging.getLogger("libvdsm.client").exception("a callback has failed")
