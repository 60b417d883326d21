"""The side line of the interactive shell: whether the daemon is there, and what happened last on its host.

A thread follows the events on a connection of its own, comes back when that is lost, and misses nothing by it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Self

from libvdsm.cli.failures import Failure, Refused
from libvdsm.cli.watch import delivery_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from libvdsm.cli.session import Session

_TOPICS: Final = ["#"]
#: Seconds between two attempts to connect: the first, and at most.
_FIRST_S: Final = 0.5
_MOST_S: Final = 5.0


class Ticker:
    """Follows events from entering it until it is left."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        """``open_session`` connects, or raises ``Failure``."""
        self.on_news: Callable[[], object] = lambda: None  # called in the thread, after something has changed
        self._open = open_session
        self._ended = threading.Event()
        self._state = "connecting"
        self._last = ""
        self._count = 0
        self._resume: str | None = None
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._follow, name="events", daemon=True)  # a wait for events has no end

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End; the thread may still wait for a connection that nobody needs."""
        self._ended.set()
        session = self._session
        if session is not None:
            session.close()

    def text(self, columns: int) -> str:
        """The line, as wide as the terminal at most."""
        counted = f"{self._count} event{'' if self._count == 1 else 's'}"
        words = [self._state, counted, self._last] if self._last else [self._state, counted]
        return (" " + "  |  ".join(words))[: max(0, columns - 1)]

    def _follow(self) -> None:
        pause_s = _FIRST_S
        while not self._ended.is_set():
            try:
                with self._open() as session:
                    self._session = session
                    pause_s = _FIRST_S
                    self._tell("connected")
                    self._read(session)
            except Refused as failure:
                self._tell(f"no events: {failure}")
                pause_s = _MOST_S
            except Failure as failure:
                self._tell(f"not connected: {failure}")
            except Exception as failure:  # noqa: BLE001 - a side line must not end the shell
                self._tell(f"not connected: {type(failure).__name__}")
            finally:
                self._session = None
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, _MOST_S)

    def _read(self, session: Session) -> None:
        if self._resume is None:
            self._resume = str(session.call("Event.read", {"topics": _TOPICS, "timeout": 0})["resume"])
        for delivery in session.deliveries(_TOPICS, after=self._resume, snapshot=False):
            self._resume = str(delivery["resume"])
            self._count += 1
            self._last = delivery_text(delivery, "table")
            self.on_news()

    def _tell(self, state: str) -> None:
        if not self._ended.is_set():
            self._state = state.partition("\n")[0]
            self.on_news()
