"""A connection as the side that is connected to: headers, SASL, open, sessions, close (1.0 part 2, 2.2 to 2.4; part 5, 5.3).

Octets come by ``receive_data`` and are worked off by ``work``; what happens is told to a ``Handler`` while it happens, because at
a few microseconds for each message an event object more would be seen. What is to be sent goes to ``put``, frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from libvdsm.wire.amqp import frames, performatives
from libvdsm.wire.amqp.complaints import to_error
from libvdsm.wire.amqp.errors import FRAMING, ILLEGAL_STATE, INVALID_FIELD, NOT_ALLOWED, RESOURCE_LIMIT, AmqpError, Scope
from libvdsm.wire.amqp.frames import AMQP_HEADER, EMPTY_FRAME, LEAST_FRAME, SASL_HEADER, FrameStream, encode_frame
from libvdsm.wire.amqp.limits import UNIT_BITS, AmqpLimits
from libvdsm.wire.amqp.links import Link, Receiver, Sender
from libvdsm.wire.amqp.performatives import (
    Attach,
    Begin,
    Close,
    End,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
)
from libvdsm.wire.amqp.session import Session

if TYPE_CHECKING:
    from libvdsm.wire.amqp.outcomes import Outcome
    from libvdsm.wire.amqp.performatives import Performative

_TRANSFER: Final = b"\x00\x53\x14"
_DISPOSITION: Final = b"\x00\x53\x15"


class State(Enum):
    """How far a connection has come."""

    HEADER = auto()  # nothing was received
    SASL = auto()  # the SASL header was; frames of SASL follow
    SECOND_HEADER = auto()  # the login is done
    OPENING = auto()  # headers were exchanged
    OPEN = auto()
    OVER = auto()  # our last word is said


class Handler(Protocol):
    """Whoever knows what it is all about. May raise ``AmqpError`` in ``opened``, ``attached`` and ``arrived``."""

    def may_skip_login(self) -> bool:
        """Whether the peer may begin without SASL."""
        ...

    def mechanisms(self) -> tuple[str, ...]:
        """How one may log in; none: not at all."""
        ...

    def login(self, mechanism: str, response: bytes | None) -> int | None:
        """The outcome's code (5.3.3.6); ``None``: the client is asked for its response."""
        ...

    def opened(self, peer: Open) -> Open:
        """The peer has opened; our own word."""
        ...

    def attached(self, link: Link, attach: Attach) -> None:
        """A link begins: accept it."""
        ...

    def arrived(self, link: Receiver, number: int, payload: bytes, *, is_settled: bool) -> bytes | None:
        """A message: its outcome, or ``None`` if ``Receiver.settle`` follows."""
        ...

    def credited(self, link: Sender, *, drain: bool) -> None:
        """The peer takes ``link.credit`` messages; ``drain``: at once or never."""
        ...

    def settled(self, tags: list[int], outcome: Outcome) -> None:
        """What became of messages that were sent."""
        ...

    def writable(self) -> None:
        """A session has room again for what is sent."""
        ...

    def detached(self, link: Link) -> None:
        """A link is over."""
        ...

    def ended(self) -> None:
        """The connection is over: the last frame was put."""
        ...


class AmqpConnection:
    """One connection."""

    __slots__ = (
        "_sending",
        "_touched",
        "handler",
        "idle_ms",
        "largest",
        "limits",
        "names",
        "partial_octets",
        "peer",
        "put",
        "sessions",
        "state",
        "stream",
    )

    def __init__(self, handler: Handler, put: Callable[[bytes], None], limits: AmqpLimits | None = None) -> None:
        self.handler = handler
        self.limits = limits or AmqpLimits()
        self.put = put
        self.stream = FrameStream()
        self.state = State.HEADER
        self.largest = LEAST_FRAME  # frames that the peer takes
        self.idle_ms = 0  # within which the peer wants to hear from us
        self.peer: Open | None = None
        self.sessions: dict[int, Session] = {}
        self.names: dict[tuple[bool, str], Link] = {}  # links by whether the peer receives, and by name
        self.partial_octets = 0
        self._sending: Session | None = None  # whose transfers came last
        self._touched: list[Session] = []  # with something to say at the end of this turn

    # Receiving.

    def receive_data(self, data: bytes) -> None:
        """Keep what the peer sent."""
        if self.state is not State.OVER:
            self.stream.receive(data)

    @property
    def has_more(self) -> bool:
        """Whether octets were received that nobody has looked at."""
        return self._is_live

    def work(self, units: int) -> int:
        """Work off what was received, for about so many units; answers how many it took."""
        left = units
        while left > 0 and self._is_live:
            left = self._run(left)
        self.flush()
        return units - left

    @property
    def _is_live(self) -> bool:
        return self.state is not State.OVER and self.stream.has_more

    def _run(self, left: int) -> int:
        """Work off frames until there are no more, or one fails: then its session has ended, or all has. Answers what is left."""
        stream, session = self.stream, None
        try:
            while left > 0 and self._is_live:
                if self.state is State.HEADER or self.state is State.SECOND_HEADER:
                    self._take_header()
                    continue
                session = self._sending
                if session is not None:
                    left = session.take_usual(stream, left)
                    if left <= 0:
                        break
                session = None
                if not stream.next():
                    break
                left -= 1 + ((stream.end - stream.body) >> UNIT_BITS)
                session = self.sessions.get(stream.channel)
                self._take_frame(session)
        except AmqpError as failure:
            self._fail(failure, session)
        return left

    def _take_frame(self, session: Session | None) -> None:
        stream = self.stream
        data, body, end = stream.data, stream.body, stream.end
        if stream.kind != (frames.SASL_FRAME if self.state is State.SASL else frames.AMQP_FRAME):
            raise AmqpError(FRAMING, "a frame of this type has no place here")
        if body == end and self.state is not State.SASL:
            return  # a sign of life, on whatever channel
        if session is not None and not session.is_ending:
            descriptor = data[body : body + 3]
            if descriptor == _TRANSFER:
                session.begin_transfer(data, body + 3, end)
                self._sending = session if session.knows_shapes else None
                return
            if descriptor == _DISPOSITION:
                session.dispose_theirs(data, body + 3, end)
                return
        performative, payload_at = performatives.decode(data, body, end)
        if self.state is State.SASL:
            self._log_in(performative)
        elif self.state is State.OPENING:
            self._open(performative)
        else:
            self._receive(performative, session, payload_at)

    def _take_header(self) -> None:
        header = self.stream.take_header()
        if header is None:
            return
        handler = self.handler
        if header == AMQP_HEADER and (self.state is State.SECOND_HEADER or handler.may_skip_login()):
            self.put(AMQP_HEADER)
            self.state = State.OPENING
            self.stream.largest = self.limits.frame_octets
            return
        if header == SASL_HEADER and self.state is State.HEADER and (mechanisms := handler.mechanisms()):
            self.put(SASL_HEADER + encode_frame(0, SaslMechanisms(mechanisms), kind=frames.SASL_FRAME))
            self.state = State.SASL
            return
        # 2.2: whoever does not like a header sends the one that it does like, and closes.
        needs_login = self.state is State.HEADER and not handler.may_skip_login()
        self.put(SASL_HEADER if needs_login else AMQP_HEADER)
        self._over()

    def _log_in(self, performative: Performative) -> None:
        if isinstance(performative, SaslInit):
            code = self.handler.login(performative.mechanism, performative.initial_response)
            if code is None:
                self.put(encode_frame(0, performatives.SaslChallenge(b""), kind=frames.SASL_FRAME))
                return
        elif isinstance(performative, SaslResponse):
            code = self.handler.login("", performative.response)
        else:
            code = None
        if code is None:
            raise AmqpError(ILLEGAL_STATE, "this has no place in a login")
        self.put(encode_frame(0, SaslOutcome(code), kind=frames.SASL_FRAME))
        if code:
            self._over()
        else:
            self.state = State.SECOND_HEADER

    def _open(self, performative: Performative) -> None:
        if isinstance(performative, Close):
            self._say_open(None)
            self.close()
            return
        if not isinstance(performative, Open):
            raise AmqpError(ILLEGAL_STATE, "the first frame is open")
        try:
            self._check_open(performative)
        finally:
            self._say_open(performative)

    def _check_open(self, peer: Open) -> None:
        if not peer.container_id:
            raise AmqpError(INVALID_FIELD, "open without a container-id")
        if peer.max_frame_size < LEAST_FRAME:
            raise AmqpError(INVALID_FIELD, f"max-frame-size is below {LEAST_FRAME}")
        if peer.idle_time_out and peer.idle_time_out < self.limits.least_idle_ms:
            raise AmqpError(NOT_ALLOWED, f"idle-time-out is below {self.limits.least_idle_ms} milliseconds")

    def _say_open(self, peer: Open | None) -> None:
        """Answer; also to an open that is refused, because close comes behind open (2.4.1)."""
        self.peer = peer
        if peer is not None:
            self.largest = min(max(peer.max_frame_size, LEAST_FRAME), self.limits.frame_octets)
            self.idle_ms = peer.idle_time_out or 0
        refusal = None
        try:
            ours = self.handler.opened(peer or Open(""))
        except AmqpError as failure:
            ours, refusal = Open("libvdsm"), failure
        self.put(encode_frame(0, ours))
        self.state = State.OPEN
        if refusal is not None:
            raise refusal

    def _receive(self, performative: Performative, session: Session | None, payload_at: int) -> None:
        channel = self.stream.channel
        if isinstance(performative, Begin):
            self._begin(channel, performative)
        elif isinstance(performative, Close):
            self.close()
        elif isinstance(performative, Open):
            raise AmqpError(ILLEGAL_STATE, "the connection is open")
        elif session is None:
            raise AmqpError(ILLEGAL_STATE, "no session has this channel")
        elif isinstance(performative, End):
            session.end()
            del self.sessions[channel]
        elif session.is_ending:
            return  # 2.5.5: on its way while we said that it is over
        elif isinstance(performative, Flow | Attach | performatives.Detach):
            session.receive(performative)
        elif isinstance(performative, performatives.Transfer | performatives.Disposition):
            self._receive_again(session, performative, payload_at)
        else:
            raise AmqpError(ILLEGAL_STATE, "this has no place in a connection that is open")

    def _receive_again(self, session: Session, performative: Performative, payload_at: int) -> None:
        """What the hot path did not know by its descriptor, because that may be said in other ways."""
        stream = self.stream
        whole = performatives.encode(performative) + stream.data[payload_at : stream.end]
        if isinstance(performative, performatives.Disposition):
            session.dispose_theirs(whole, 3, len(whole))
        else:
            session.begin_transfer(whole, 3, len(whole))

    def _begin(self, channel: int, begin: Begin) -> None:
        most = self.limits.sessions - 1 if self.peer is None else min(self.limits.sessions - 1, self.peer.channel_max)
        if channel > most:
            raise AmqpError(FRAMING, f"channels reach to {most}")
        if begin.remote_channel is not None:
            raise AmqpError(INVALID_FIELD, "begin answers a session that nobody began")
        if channel in self.sessions:
            raise AmqpError(ILLEGAL_STATE, "another session has this channel")
        self.sessions[channel] = Session(self, channel, begin)

    # Sending.

    def touch(self, session: Session) -> None:
        """A session has something to say at the end of this turn."""
        self._touched.append(session)

    def flush(self) -> None:
        """Let sessions say what they gathered."""
        if self._touched:
            touched, self._touched = self._touched, []
            for session in touched:
                session.is_touched = False
                if self.state is State.OPEN and not session.is_ending:
                    session.flush()

    def beat(self) -> None:
        """Send a sign of life."""
        if self.state is State.OPEN:
            self.put(EMPTY_FRAME)

    # Ending.

    def _fail(self, failure: AmqpError, session: Session | None) -> None:
        if failure.scope is Scope.SESSION and session is not None:
            self.flush()
            session.end(failure)
        else:
            self.close(failure)

    def close(self, error: AmqpError | None = None) -> None:
        """Say why, and that it is over. Idempotent."""
        if self.state is State.OVER:
            return
        self.flush()
        if self.state is State.OPENING:
            self.put(encode_frame(0, self._refusing()))
        if self.state in {State.OPENING, State.OPEN}:
            self.put(encode_frame(0, Close(None if error is None else to_error(error, self.largest))))
        self._over()

    def _refusing(self) -> Open:
        return Open("libvdsm", max_frame_size=self.limits.frame_octets)

    def silent(self) -> None:
        """The peer was silent for too long (2.4.5)."""
        self.close(AmqpError(RESOURCE_LIMIT, "nothing was heard for twice the idle-time-out"))

    def _over(self) -> None:
        self.state = State.OVER
        self.handler.ended()
