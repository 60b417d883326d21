"""Promises between transports and bindings: a transport carries bytes, a binding gives them a meaning.

Both stand on one floor and do not know each other; the composition root hands the bindings to a
listener. Whom a connection speaks for is decided by the listener's ``Authenticator``.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.bodies import Later, Streamed
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.pages import Pager
from libvdsm.wire.http.events import Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificate:
    """The certificate that a TLS client proved to hold; its chain and its times were verified when it connected."""

    fingerprint: str  # SHA-256 of its DER, hexadecimal
    subject: str  # "CN=alice,O=Example"
    names: tuple[str, ...]  # its SANs with their kinds: "DNS:web.example", "URI:urn:...", "IP Address:192.0.2.1"
    not_before: float  # seconds since 1970 in UTC
    not_after: float
    serial: str  # hexadecimal
    issuer: str


class Authenticator(Protocol):
    """Decides who calls. Raises ``ApiError`` for whoever may not even connect; its text goes to the log, never to the peer."""

    def unix(self, *, uid: int, gid: int, pid: int, address: str, sink: Sink | None) -> Caller:
        """The caller with these credentials, as the kernel vouches for them."""
        ...

    def anonymous(self, *, address: str, sink: Sink | None) -> Caller:
        """Whoever comes without any proof."""
        ...

    def certificate(self, *, certificate: PeerCertificate, address: str, sink: Sink | None) -> Caller:
        """The caller that holds this certificate; one without a mapping has an identity and no rights.

        Raises ``NotAuthenticated`` for one that was revoked. The caller's ``expires_at`` is set here.
        """
        ...

    def bearer(self, *, token: str, address: str, own: Caller) -> Caller:
        """Who presents this token with a request; ``own`` is whom the connection speaks for without it.

        Raises ``NotAuthenticated``, alike for whatever is wrong with the token. The caller's ``expires_at`` is set here.
        """
        ...


class StreamSession(Protocol):
    """One caller's calls over one stream connection. Answers end with a line feed."""

    def take(self, message: bytes) -> bytes | Future[bytes] | None:
        """The hot path: as ``answer`` if these bytes are beyond doubt one usual message, blanks around it included.

        ``None`` if that cannot be told at once; then nothing was done, and framing and ``answer`` are the way.
        """
        ...

    def answer(self, message: bytes, options: bytes | None = None) -> bytes | Future[bytes]:
        """The answer to one message, at once or later; empty if there is none to be sent. Never raises.

        ``options`` are a raw ``CallOptions`` that came beside it; those of the message itself win.
        """
        ...

    def refuse(self, reason: str) -> bytes:
        """The answer to bytes that were no message."""
        ...

    def decline(self, failure: ApiError) -> bytes:
        """What is said before the connection is closed without serving it."""
        ...

    def event(self, delivery: bytes) -> bytes:
        """An encoded ``EventDelivery`` as it is sent."""
        ...

    def close(self) -> None:
        """The client went away: queries are cancelled, accepted work goes on and its answers are dropped."""
        ...


class StreamEndpoint(Protocol):
    """A binding for stream connections."""

    def open(self, caller: Caller) -> StreamSession:
        """Begin to serve ``caller`` on a connection."""
        ...


class HttpSession(Protocol):
    """One caller's requests to one path over one connection."""

    def usual(self, request: Request) -> Callable[[bytes], bytes | Future[bytes] | None] | None:
        """The hot path of requests with the head of this one: from a body to that of the answer, which is 200 and JSON.

        ``None`` for a head that has none; the same in place of an answer, with nothing done, for a body that needs ``handle``.
        """
        ...

    def handle(self, request: Request) -> Response | Streamed | Later:
        """The answer to one request, at once or later. Never raises."""
        ...

    def close(self) -> None:
        """The client went away."""
        ...


class HttpEndpoint(Protocol):
    """A binding for one path. One that takes bodies while they come is a ``bodies.TakingEndpoint`` as well."""

    def open(self, caller: Caller) -> HttpSession:
        """Begin to serve ``caller`` on a connection."""
        ...


class Line(Protocol):
    """A connection, as a binding with frames of its own (STOMP) sees it; a WebSocket may be one as well."""

    @property
    def is_secure(self) -> bool:
        """Whether it is TLS: what is written at once is then a record of its own."""
        ...

    @property
    def pager(self) -> Pager | None:
        """Its part that takes pages; None: it takes none."""
        ...

    def is_full(self) -> bool:
        """Whether the write buffer has reached its bound; what is put all the same is kept."""
        ...

    def agreed(self, protocol: str, beat_s: float | None) -> None:
        """What is spoken turned out to be ``protocol``; ``beat_s``: how often the peer promised a sign of life."""
        ...

    def put(self, data: bytes) -> None:
        """Send one whole frame, at the latest at the end of this turn of the loop."""
        ...

    def put_now(self, data: bytes) -> None:
        """Send one whole frame at once, apart from all others."""
        ...

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again."""
        ...

    def wake(self) -> None:
        """Let ``LineSession.work`` be called again: what the session waited for has come."""
        ...

    def finish(self) -> None:
        """The last frame was put: let the peer read it, then close. Idempotent."""
        ...

    def abort(self) -> None:
        """Close at once: the peer is not there."""
        ...


class LineSession(Protocol):
    """One connection's conversation. Nothing here raises or blocks; answers go to the ``Line``."""

    @property
    def has_more(self) -> bool:
        """Whether something was received that ``work`` has not worked off."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether nothing more is worked off until the session calls ``Line.wake``; nothing need be read meanwhile."""
        ...

    @property
    def subscriptions(self) -> int:
        """How many it has."""
        ...

    @property
    def lag(self) -> int:
        """By how many messages the slowest of them is behind."""
        ...

    def receive(self, data: bytes) -> None:
        """Keep what the peer sent."""
        ...

    def work(self, units: int) -> int:
        """Work off what was received, for about so many units (see the transports' turns); answers how many it took."""
        ...

    def ended(self) -> None:
        """The peer sends no more: answers that are due are still given, then the line is finished."""
        ...

    def check_time(self, now: float) -> None:
        """Look at the clock, about once a second; seconds as ``time.monotonic`` counts them."""
        ...

    def refuse(self, failure: ApiError) -> None:
        """Nothing is served: say why, and finish."""
        ...

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        ...

    def close(self) -> None:
        """The line is gone: what was received is still carried out, the rest is given back. Idempotent."""
        ...


class LineEndpoint(Protocol):
    """A binding that reads and writes frames of its own."""

    def open(self, caller: Caller, line: Line, *, is_strict: bool = False, versions: tuple[str, ...] = ()) -> LineSession:
        """Begin to serve ``caller``; ``versions``: which of the protocol are offered, if not all."""
        ...


class CallSession(LineSession, Protocol):
    """One that answers usual calls at once."""

    def take(self, data: bytes) -> bytes | None:
        """The hot path: as ``receive`` and ``work`` if these bytes are beyond doubt one usual call; the frame that answers it.

        Empty if that comes later. ``None`` if that cannot be told at once; then nothing was done.
        """
        ...


class CallEndpoint(Protocol):
    """A ``LineEndpoint`` with such sessions."""

    def open(self, caller: Caller, line: Line, *, is_strict: bool = False, versions: tuple[str, ...] = ()) -> CallSession:
        """See ``LineEndpoint``."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a listener serves."""

    stream: StreamEndpoint | None = None
    http: Mapping[str, HttpEndpoint] = field(default_factory=dict)  # by path; one that ends with / serves all below it
    stomp: CallEndpoint | None = None
    amqp: LineEndpoint | None = None
