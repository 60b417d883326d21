"""The binding for ``/events``: one GET is one subscription, for as long as its connection lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.bindings.faces import only_get, refuse
from libvdsm.bindings.sse.frames import BEAT, CONTENT_TYPE, NAME, encode_delivery, encode_start
from libvdsm.bindings.sse.query import read_query
from libvdsm.interfaces.bodies import Streamed
from libvdsm.wire.http.events import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.bridge.limits import Accounts
    from libvdsm.interfaces.bodies import BodyWriter
    from libvdsm.interfaces.bridge import Bridge
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.generated.types import EventSubscribeParams
    from libvdsm.wire.http.events import Request

_NOTHING_BUT_EVENTS: Final = Response(406, b'{"error":"events are told as text/event-stream"}\n')


class _Subscribed(msgspec.Struct):
    resume: str


_subscribed = msgspec.json.Decoder(_Subscribed).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """How a stream is kept."""

    beat_s: float = 15.0  # of silence, before a comment is sent
    retry_ms: int = 2_000  # before a client that lost its connection comes back


class EventEndpoint:
    """The binding; one for all connections."""

    def __init__(self, bridge: Bridge, accounts: Accounts, limits: EventLimits | None = None) -> None:
        """``accounts``: in which subscriptions are counted."""
        self.bridge = bridge
        self.accounts = accounts
        self.limits = limits or EventLimits()
        self.delivered = 0

    def open(self, caller: Caller) -> EventSession:
        """Begin to serve ``caller`` on a connection."""
        return EventSession(self, caller)


class EventSession:
    """One connection's requests; since a stream ends with its connection, it answers at most one with 200."""

    __slots__ = ("_caller", "_endpoint")

    def __init__(self, endpoint: EventEndpoint, caller: Caller) -> None:
        self._endpoint = endpoint
        self._caller = caller

    def usual(self, request: Request) -> None:
        """Nothing here is the same again."""

    def handle(self, request: Request) -> Response | Streamed:
        """The stream, or why there is none."""
        refusal = only_get(request.method)
        if refusal is not None:
            return refusal
        if not _takes_events(request.headers.get(b"accept", b"*/*")):
            return _NOTHING_BUT_EVENTS
        stream = EventStream(self._endpoint)
        try:
            stream.subscribe(self._caller, read_query(request))
        except ApiError as failure:
            return refuse(failure)
        return Streamed(body=stream, content_type=CONTENT_TYPE, is_endless=True, sink=stream)

    def close(self) -> None:
        """The client went away; its stream hears of it by itself."""


class EventStream:
    """A subscription (the ``Sink``) and the body that tells of it."""

    def __init__(self, endpoint: EventEndpoint) -> None:
        self._endpoint = endpoint
        self._writer: BodyWriter | None = None
        self._give_back: Callable[[], None] | None = None
        self._resume = b""
        self._is_silent = False  # since the clock was looked at
        self._silent_since = 0.0

    def subscribe(self, caller: Caller, wanted: EventSubscribeParams) -> None:
        """Begin; raises ``ApiError``. Nothing is delivered before the next turn of the loop."""
        give_back = self._endpoint.accounts.subscribe(caller)
        try:
            answer = self._endpoint.bridge.subscribe(
                caller,
                self,
                wanted.topics,
                after=wanted.after,
                snapshot=wanted.snapshot,
                subscription_id=NAME,
                filter=wanted.filter,
                coalesce_s=wanted.coalesce,
            )
        except BaseException:
            give_back()
            raise
        self._give_back = give_back
        self._resume = _subscribed(answer).resume.encode()

    # Sink.

    def deliver(self, delivery: bytes) -> None:
        """See ``Sink``."""
        if self._writer is not None:
            self._endpoint.delivered += 1
            self._is_silent = False
            self._writer.write(encode_delivery(delivery))

    def is_full(self) -> bool:
        """See ``Sink``."""
        return self._writer is not None and self._writer.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """See ``Sink``."""
        if self._writer is not None:
            self._writer.when_drained(resume)

    # Body.

    def start(self, writer: BodyWriter) -> None:
        """See ``Body``."""
        self._writer = writer
        writer.write(encode_start(self._resume, self._endpoint.limits.retry_ms))

    def check_time(self, now: float) -> None:
        """See ``Body``: a sign of life after a while of silence."""
        if not self._is_silent:
            self._is_silent, self._silent_since = True, now
        elif now - self._silent_since >= self._endpoint.limits.beat_s and not self.is_full() and self._writer is not None:
            self._silent_since = now
            self._writer.write(BEAT)

    def stop(self) -> None:
        """See ``Body``."""
        self._writer = None
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            self._endpoint.bridge.release(self)
            give_back()


def _takes_events(accept: bytes) -> bool:
    """Whether the client takes our one type (RFC 9110, 12.5.1); what it would rather have is not asked."""
    kinds = {part.partition(b";")[0].strip().lower() for part in accept.split(b",")}
    return not kinds.isdisjoint((CONTENT_TYPE, b"text/*", b"*/*"))
