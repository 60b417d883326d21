"""Bodies of HTTP that are not held whole: promises between the transport that carries them and the binding that makes or takes them.

Both ways the slower side sets the pace: a writer says when it is full, a taker when it wants no more for now.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from libvdsm.interfaces.caller import Sink
from libvdsm.wire.http.events import Request, Response


class BodyWriter(Protocol):
    """The connection, as whoever makes a body sees it. After ``end`` or ``fail`` nothing more is written."""

    def write(self, data: bytes) -> None:
        """Send octets, at the latest at the end of this turn of the loop; what is written though it is full is kept."""
        ...

    def is_full(self) -> bool:
        """Whether the write buffer has reached its bound: then write no more until ``when_drained``."""
        ...

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again, at once in the next turn of the loop if there is."""
        ...

    def end(self) -> None:
        """That was all."""
        ...

    def fail(self) -> None:
        """The rest cannot be had: the client sees that the body is cut off. Idempotent."""
        ...


class Body(Protocol):
    """A body that is made while it is sent. Nothing here raises or blocks."""

    def start(self, writer: BodyWriter) -> None:
        """Begin; whatever follows is the body's own business until it ends or is stopped."""
        ...

    def check_time(self, now: float) -> None:
        """Look at the clock, about once a second; seconds as ``time.monotonic`` counts them."""
        ...

    def stop(self) -> None:
        """Nobody reads it any more. Also called after ``end``; idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """An answer whose body is made while it is sent."""

    body: Body
    content_type: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    length: int | None = None  # octets, if they are known beforehand; else it is sent in chunks
    is_endless: bool = False  # ends with the connection: a client that sends no more has gone
    sink: Sink | None = None  # if the body tells of events: by which it is told of them


#: An answer that comes later.
Later = Future[Response] | Future[Response | Streamed]


class Taker(Protocol):
    """Whoever takes a body while it comes. Nothing here raises or blocks."""

    def take(self, data: bytes) -> bool:
        """The next octets; whether more may come at once. If not, none come until ``resume`` is called (see ``begin``)."""
        ...

    def finish(self) -> Response | Streamed | Later:
        """That was all of it: the answer, at once or later."""
        ...

    def stop(self) -> None:
        """The rest never comes: what was taken is half a body, and no answer can be given. Idempotent."""
        ...


class TakingSession(Protocol):
    """An ``HttpSession`` that takes some bodies while they come."""

    def begin(self, request: Request, resume: Callable[[], None]) -> Taker | Response:
        """Take the body of this request, or say at once why not; then the body is not read."""
        ...


@runtime_checkable
class TakingEndpoint(Protocol):
    """An ``HttpEndpoint`` whose sessions are ``TakingSession`` as well."""

    def most(self, request: Request) -> int | None:
        """How many octets the body of a request with this head may have; ``None``: it is an ordinary one and goes to ``handle``."""
        ...
