"""Bodies of HTTP on their way through a connection: out in chunks or of a known length, in at the pace of who takes them.

Either way no more than a small, fixed part of a body is ever held here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from libvdsm.wire.http.frames import LAST_CHUNK, encode_chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.interfaces.bodies import Body, Streamed, Taker
    from libvdsm.transports.config import Limits
    from libvdsm.transports.connection import Connection
    from libvdsm.wire.http.events import Request

_log = logging.getLogger(__name__)


class Outflow:
    """The body of one answer, going out; the ``BodyWriter`` of whoever makes it."""

    def __init__(self, connection: Connection, streamed: Streamed, *, is_chunked: bool, over: Callable[[], None]) -> None:
        """``over`` is called once, when all of the body was put."""
        self.is_endless = streamed.is_endless
        self.sink = streamed.sink
        self._connection = connection
        self._body: Body = streamed.body
        self._is_chunked = is_chunked
        self._left = streamed.length
        self._over = over
        self._is_ended = False

    def start(self) -> None:
        """Let the body be made."""
        self._body.start(self)

    def cancel(self) -> None:
        """Nobody reads it any more."""
        self._is_ended = True
        self._body.stop()

    def check_time(self, now: float) -> None:
        """Look at the clock."""
        if not self._is_ended:
            self._body.check_time(now)

    # BodyWriter.

    def write(self, data: bytes) -> None:
        """See ``BodyWriter``."""
        if self._is_ended or not data:
            return
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                _log.error("a body is longer than its head says; it is cut off")
                self.fail()
                return
        self._connection.put(encode_chunk(data) if self._is_chunked else data)

    def is_full(self) -> bool:
        """See ``BodyWriter``."""
        return self._connection.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """See ``BodyWriter``."""
        if not self._is_ended:
            self._connection.when_drained(resume)

    def end(self) -> None:
        """See ``BodyWriter``."""
        if self._is_ended:
            return
        if self._left:
            _log.error("a body is shorter than its head says; it is cut off")
            self.fail()
            return
        if self._is_chunked:
            self._connection.put(LAST_CHUNK)
        self._is_ended = True
        self._body.stop()
        self._over()

    def fail(self) -> None:
        """See ``BodyWriter``: without its end, and without the connection's, a body is seen to be cut off."""
        if not self._is_ended:
            self.cancel()
            self._connection.abort()


class Inflow:
    """The body of one request, coming in."""

    __slots__ = ("_octets", "_since", "head", "is_choked", "taker")

    def __init__(self, head: Request, taker: Taker, now: float) -> None:
        self.head = head
        self.taker = taker
        self.is_choked = False  # whoever takes it wants no more for now
        self._octets = 0
        self._since = now

    def take(self, data: bytes) -> None:
        """The next octets."""
        self._octets += len(data)
        self.is_choked = True  # before, because it may be resumed within
        if self.taker.take(data):
            self.is_choked = False

    def is_slow(self, now: float, limits: Limits) -> bool:
        """Whether less has come than must, though all was taken."""
        if self.is_choked:
            self._octets, self._since = 0, now
            return False
        if now - self._since < limits.upload_s:
            return False
        is_slow = self._octets < limits.upload_octets
        self._octets, self._since = 0, now
        return is_slow
