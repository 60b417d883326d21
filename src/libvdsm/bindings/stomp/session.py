"""One connection's conversation: frames in, and what they cause.

States: greeting (nothing but CONNECT, and SUBSCRIBE from old clients, which is held), open, leaving (after DISCONNECT: nothing
is carried out any more), over (after ERROR or the end: nothing is written any more). RECEIPTs go out in the order of their
frames, each when its frame has had its effect: for a SEND that is when the message is stored as its destination promises.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from libvdsm.base.errors import ApiError
from libvdsm.bindings.stomp import greeting, names
from libvdsm.bindings.stomp.calls import read_options
from libvdsm.bindings.stomp.consumer import StompConsumer
from libvdsm.bindings.stomp.messages import read_members
from libvdsm.bindings.stomp.pace import Pace
from libvdsm.bindings.stomp.receipts import Receipts
from libvdsm.bindings.stomp.transactions import Transactions
from libvdsm.bridge.event_wish import read_event_wish
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, ObjectNotFound
from libvdsm.interfaces.messaging import Ack, Message, Verdict, Wish
from libvdsm.interfaces.reply import Reply
from libvdsm.wire.stomp import frames
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import Frame, StompError

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.beats import Sweep
    from libvdsm.bindings.stomp.config import SessionLimits, StompCounters
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import Line, StreamSession
    from libvdsm.interfaces.messaging import Session

#: Units of a call whose answer comes later, and octets of a frame that count as one more unit: as the transports' turns have them.
_LATER_UNITS: Final = 4
_UNIT_BITS: Final = 12
_ACKS: Final = {each.value: each for each in Ack}
_BEAT: Final = b"\n"
_TAG_DIGITS: Final = 18


class _State(Enum):
    GREETING = auto()
    OPEN = auto()
    LEAVING = auto()
    OVER = auto()


#: What the peer sends is looked at; after DISCONNECT it is not, whatever it is.
_READING: Final = (_State.GREETING, _State.OPEN)  # no set: the hash of an enum's member takes longer than both looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all sessions share."""

    login: Callable[[Caller, str], None]
    limits: SessionLimits
    server: str | None
    now: Callable[[], float]
    sweep: Sweep
    counters: StompCounters


@dataclass(frozen=True, slots=True)
class _Way:
    """Where answers to calls with the same headers go."""

    headers: object
    consumer: StompConsumer | None
    tail: bytes  # of an answer's head, behind its number
    options: bytes | None


@dataclass(frozen=True, slots=True)
class _Hot:
    """What a call begins with that is like the one before."""

    way: _Way
    consumer: StompConsumer
    start: bytes  # up to its body
    length: int | None  # of its body, if that is told


class StompSession:
    """See ``LineSession``. ``versions``: those that are offered."""

    def __init__(
        self,
        caller: Caller,
        line: Line,
        *,
        broker: Session,
        rpc: StreamSession,
        setting: Setting,
        is_strict: bool,
        versions: tuple[str, ...],
    ) -> None:
        self.id = secrets.token_hex(8)
        self.version = "1.0"
        self.is_legacy = False  # vdsm's Java client
        self.unsettled: dict[int, StompConsumer] = {}
        self.has_sent = False
        self.heard_at = 0.0
        self._caller = caller
        self._line = line
        self.pager = line.pager
        self._paged_octets = 0
        self._broker = broker
        self._rpc = rpc
        self._take = rpc.take
        self._setting = setting
        self._now = setting.now
        self._limits = setting.limits
        self._counters = setting.counters
        self._is_strict = is_strict
        self._is_modern = is_strict
        self._may_be_legacy = False
        self._versions = versions
        self._stream = StompStream(limits=setting.limits.stranger, is_strict=is_strict)
        self._state = _State.GREETING
        self._began_at = setting.now()
        self._partial_since = 0.0
        self._held: list[Frame] = []
        self._held_at = 0.0
        self._subscriptions: dict[str, StompConsumer] = {}
        self._own: dict[str, StompConsumer] = {}  # where replies go, by destination as the client writes it
        self._temporary: dict[str, str] = {}  # what the client calls its temporary queues, and what they are called
        self._transactions = Transactions(setting.limits)
        self._receipts = Receipts(
            setting.limits.pending,
            write=self._write_receipt,
            fail=self._had_no_effect,
            room=line.wake,
            settled=self._finish_if_done,
        )
        self._calls = 0  # whose answers are awaited
        self._replies = 0
        self._way: _Way | None = None
        self._hot: _Hot | None = None
        self._is_at_rest = False  # nothing is left of what was read
        self._members: tuple[object, dict[str, object]] | None = None
        self._pace: Pace | None = None
        self._end_of_beats: Callable[[], None] | None = None
        self._has_ended = False  # the peer sends no more
        self._is_closed = False
        self._handlers: dict[str, Callable[[Frame], Awaitable[None] | None]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "ACK": self._ack,
            "NACK": self._nack,
            "BEGIN": self._begin,
            "COMMIT": self._commit,
            "ABORT": self._abort,
            "DISCONNECT": self._disconnect,
            "CONNECT": self._begin_again,
            "STOMP": self._begin_again,
        }

    # What the line asks.

    @property
    def has_more(self) -> bool:
        """See ``LineSession``."""
        return self._stream.has_more and self._state in _READING

    @property
    def is_waiting(self) -> bool:
        """See ``LineSession``."""
        return self._receipts.is_full

    @property
    def subscriptions(self) -> int:
        """See ``LineSession``."""
        return len(self._subscriptions)

    @property
    def lag(self) -> int:
        """See ``LineSession``."""
        return self._broker.lag

    @property
    def is_over(self) -> bool:
        """Whether nothing is written any more."""
        return self._state is _State.OVER

    def receive(self, data: bytes) -> None:
        """See ``LineSession``."""
        self.heard_at = self._now()
        self._is_at_rest = False
        self._stream.receive_data(data)

    def take(self, data: bytes) -> bytes | None:
        """See ``CallSession``: a whole frame that begins like the last call, and is as long as that says."""
        hot = self._hot
        if hot is None or not self._is_at_rest or self._state is not _State.OPEN or not data.startswith(hot.start):
            return None
        start, end = len(hot.start), len(data) - 1
        if data[end] or (data.find(0, start) != end if hot.length is None else end != start + hot.length):
            return None
        answer = self._take(data[start:end])
        if answer is None:
            return None
        self.heard_at = self._now()
        self._counters.requests += 1
        if isinstance(answer, bytes):
            if not answer:
                return b""
            self.has_sent = True
            self._replies += 1
            return hot.consumer.reply(self._replies, hot.way.tail, answer)
        self._follow(hot.way, answer)
        return b""

    def work(self, units: int) -> int:
        """See ``LineSession``."""
        left = units
        next_frame, is_full, pending, most = self._stream.next_frame, self._line.is_full, self._receipts.pending, self._limits.pending
        while left > 0 and self._state in _READING:
            if is_full() or len(pending) >= most:
                break
            try:
                frame = next_frame()
            except StompError as failure:
                self._fail(str(failure), failure.receipt)
                break
            if frame is None:
                self._look_at_rest()
                break
            left -= 1 + (len(frame.body) >> _UNIT_BITS)
            way = self._way
            if way is not None and frame.headers is way.headers:  # the hot path: a call like the one before
                left -= self._call(way, frame.body)
            elif self._state is _State.OPEN:
                left -= self._carry_out(frame)
            else:
                self._greet(frame)
        if self._has_ended or self._state is _State.LEAVING:
            self._finish_if_done()
        return units - left

    def _look_at_rest(self) -> None:
        """All that was read is worked off, or is the beginning of a frame."""
        if not self._stream.is_partial:
            self._partial_since = 0.0
            self._is_at_rest = not self._receipts.pending
        elif not self._partial_since:
            self._partial_since = self._now()

    def ended(self) -> None:
        """See ``LineSession``."""
        self._has_ended = True
        self._finish_if_done()

    def shut_down(self) -> None:
        """See ``LineSession``."""
        if self._state is _State.GREETING:
            self._finish()
        else:
            self._state = _State.LEAVING if self._state is _State.OPEN else self._state
            self._has_ended = True
            self._finish_if_done()

    def check_time(self, now: float) -> None:
        """See ``LineSession``."""
        limits = self._limits
        if self._state is _State.GREETING:
            if now - self._began_at >= limits.login_s:
                self._fail(f"there was no CONNECT within {limits.login_s:g} s", None)
            elif self._held and now - self._held_at >= limits.held_s:
                self._fail("SUBSCRIBE came and no CONNECT behind it", None)
        elif self._partial_since and now - self._partial_since >= limits.frame_s:
            self._fail(f"a frame was not complete within {limits.frame_s:g} s", None)

    def refuse(self, failure: ApiError) -> None:
        """See ``LineSession``."""
        self.fail(failure)

    def close(self) -> None:
        """See ``LineSession``."""
        if self._is_closed:
            return
        if self._state is _State.OPEN:
            self._work_off_the_rest()
        self._is_closed = True
        self._state = _State.OVER
        if self._end_of_beats is not None:
            self._end_of_beats()
        if self._pace is not None:
            self._pace.close()
        self._rpc.close()
        self._broker.close()
        self._subscriptions.clear()
        self._own.clear()
        self.unsettled.clear()
        self._held.clear()

    def _work_off_the_rest(self) -> None:
        """The client has gone: what it sent before is carried out all the same."""
        try:
            while self._state is _State.OPEN and (frame := self._stream.next_frame()) is not None:
                self._carry_out(frame)
        except StompError:
            return

    # Writing.

    @property
    def is_full(self) -> bool:
        """Whether the client takes too little."""
        return self._line.is_full() or (self._pace is not None and self._pace.is_full)

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when it takes again."""
        if self._pace is not None and self._pace.is_full:
            self._pace.when_drained(resume)
        else:
            self._line.when_drained(resume)

    def write(self, frame: bytes) -> None:
        """Send a frame, if anything is sent any more."""
        if self._state is _State.OVER:
            return
        self.has_sent = True
        if self._pace is None:
            self._line.put(frame)
        else:
            self._pace.put(frame)

    def escape(self, text: str) -> str:
        """A value as the version has it."""
        return frames.escape(text, self.version)

    def _write_frame(self, command: str, *headers: tuple[str, str], body: bytes = b"") -> None:
        self.write(frames.encode(command, headers, body, version=self.version))

    def fail(self, failure: ApiError, receipt: str | None = None) -> None:
        """Say what went wrong; the connection ends with that."""
        self._fail(failure.message, receipt, ("error", failure.name), body=failure.remedy)

    def _fail(self, message: str, receipt: str | None, *headers: tuple[str, str], body: str = "") -> None:
        """An ERROR is the last frame of a connection (1.2, "ERROR"), and leaves nothing open."""
        if self._state is _State.OVER:
            return
        self._counters.errors += 1
        beside = (("receipt-id", receipt),) if receipt is not None else ()
        kind = (("content-type", "text/plain;charset=utf-8"),) if body else ()
        self._write_frame("ERROR", ("message", message), *headers, *beside, *kind, body=body.encode())
        self._finish()

    def _finish(self) -> None:
        self._state = _State.OVER
        if self._pace is not None:
            self._pace.then(self._line.finish)
        else:
            self._line.finish()
        self._broker.close()

    def _finish_if_done(self) -> None:
        """Close when the client leaves or has gone, and all that is due is said."""
        if self._state is _State.OVER or self._receipts.pending:
            return
        is_done = not self._calls and not self.has_more if self._has_ended else self._state is _State.LEAVING
        if is_done:
            self._finish()

    # Signs of life.

    def beat(self) -> None:
        """Send a line end, which belongs to no frame."""
        if self._state is not _State.OVER:
            self._line.put(_BEAT)

    def has_paged(self) -> bool:
        """Whether pages went out since this was asked before."""
        octets = 0 if self.pager is None else self.pager.octets()
        before, self._paged_octets = self._paged_octets, octets
        return octets != before

    def is_listening(self) -> bool:
        """Whether the peer would be heard."""
        return not (self._line.is_full() or self._stream.has_more or self.is_waiting)

    def silent(self) -> None:
        """The peer is not there any more."""
        if self._state is not _State.OVER:
            self._counters.lost_peers += 1
            self._line.abort()

    # Greeting.

    def _greet(self, frame: Frame) -> None:
        command = frame.command
        if command in ("CONNECT", "STOMP"):
            self._connect(frame)
        elif command == "SUBSCRIBE" and not self._is_strict and len(self._held) < self._limits.held:
            if not self._held:
                self._held_at = self._now()
            self._held.append(frame)
        else:
            self._fail("the first frame is CONNECT or STOMP", frame.headers.get("receipt"))

    def _connect(self, frame: Frame) -> None:
        headers = frame.headers
        try:
            version = greeting.choose_version(headers, self._versions)
            beats = greeting.agree_on_beats(headers, self._limits)
            self._check_host(version, headers)
            greeting.log_in(self._caller, headers, self._setting.login)
        except greeting.VersionError as failure:
            self._fail(str(failure), None, ("version", ",".join(self._versions)))
            return
        except StompError as failure:
            self._fail(str(failure), None)
            return
        except ApiError as failure:
            self._counters.refused_logins += 1
            self.fail(failure)
            return
        self.version = version
        self._may_be_legacy = not self._is_strict and greeting.looks_like_vdsm(frame.command, headers)
        if greeting.shows_modern(frame.command, headers):
            self._is_modern, self._may_be_legacy = True, False
        self._stream.limits = self._limits.frame
        self._stream.set_rules(version=version, is_strict=self._is_modern)
        self._line.agreed(f"stomp/{version}", beats.theirs / 1_000 or None)
        said = [("version", version), ("heart-beat", f"{beats.ours},{beats.theirs}"), ("session", self.id)]
        if self._setting.server is not None:
            said.append(("server", self._setting.server))
        self.has_sent = True
        # Alone: what is glued to it, vdsm's Java client would lose.
        self._line.put_now(frames.encode("CONNECTED", said))
        self._state = _State.OPEN
        self._end_of_beats = self._setting.sweep.watch(self, ours_ms=beats.ours, theirs_ms=beats.theirs)
        held, self._held = self._held, []
        for each in held:
            if self._state is _State.OPEN:
                self._carry_out(each)

    def _check_host(self, version: str, headers: Mapping[str, str]) -> None:
        """There is one virtual host, and any name is its name; vdsm's Java client sends what it likes, or none."""
        if self._is_strict and version != "1.0" and "host" not in headers:
            raise StompError("the header host is missing")

    def _show_modern(self) -> None:
        """The peer has used something that old clients do not know: from now on it is held to the letter."""
        self._is_modern, self._may_be_legacy, self.is_legacy = True, False, False
        self._stream.set_rules(version=self.version, is_strict=True)

    def _consider(self, destination: str, headers: object) -> None:
        """Whether this is vdsm's Java client after all."""
        if isinstance(headers, dict) and "content-type" in headers:
            self._may_be_legacy = self.is_legacy = False
        elif names.is_vdsm(destination) and not self.is_legacy:
            self.is_legacy = True
            if self.pager is not None:
                self.pager.leave()
            self._counters.legacy_peers += 1
            if self._line.is_secure:
                self._pace = Pace(self._line)

    # Frames.

    def _carry_out(self, frame: Frame) -> int:
        """Do what the frame says; answers how many units that took beside its own."""
        command, receipt = frame.command, frame.headers.get("receipt")
        used = 0
        waiting: Awaitable[None] | None = None
        try:
            if command != "SEND":
                waiting = self._handlers[command](frame)
            else:
                destination = frame.headers.get("destination")
                if destination is not None and names.is_requests(destination) and "transaction" not in frame.headers:
                    used = self._request(frame, destination)
                else:
                    waiting = self._send(frame)
        except StompError as failure:
            self._fail(str(failure), receipt)
            return used
        except ApiError as failure:
            self.fail(failure, receipt)
            return used
        if receipt is not None and not self._is_modern and command != "DISCONNECT":
            self._show_modern()
        if waiting is not None:
            self._receipts.give_later(waiting, receipt)
        elif receipt is not None:
            self._receipts.give(receipt)
        return used

    def _disconnect(self, _frame: Frame) -> None:
        """Nothing that comes behind it is carried out (1.2, "DISCONNECT")."""
        self._state = _State.LEAVING

    def _begin_again(self, _frame: Frame) -> None:
        raise StompError("the session has begun already")

    def _write_receipt(self, receipt: str) -> None:
        self._write_frame("RECEIPT", ("receipt-id", receipt))

    def _had_no_effect(self, failure: ApiError | None, receipt: str | None) -> None:
        if failure is None:
            self._fail("internal error", receipt)
        else:
            self.fail(failure, receipt)

    # SEND.

    def _send(self, frame: Frame) -> Awaitable[None] | None:
        headers = frame.headers
        destination = headers.get("destination")
        if not destination:
            raise StompError("the header destination is missing")
        if self._may_be_legacy:
            self._consider(destination, headers)
        transaction = headers.get("transaction")
        if transaction is not None:
            self._transactions.add(transaction, len(frame.body))
        if names.is_requests(destination):
            destination = names.REQUESTS
        elif destination in self._temporary:
            destination = self._temporary[destination]
        self._counters.messages += 1
        return self._broker.send(destination, self._message(frame), transaction=transaction)

    def _message(self, frame: Frame) -> Message:
        headers = frame.headers
        members = self._members
        if members is None or members[0] is not headers:
            read = read_members(headers)
            reply_to = headers.get("reply-to")
            if reply_to is not None and reply_to.startswith(names.TEMPORARY):
                read["reply_to"] = self._reply_queue(reply_to)
            members = self._members = (headers, read)
        return Message(body=frame.body, **members[1])  # type: ignore[arg-type]

    # Calls.

    def _request(self, frame: Frame, destination: str) -> int:
        """A call: its answer goes to the client itself, or by the broker to wherever it may send it."""
        headers = frame.headers
        if self._may_be_legacy:
            self._consider(destination, headers)
        way = self._way
        if way is None or way.headers is not headers:
            way = self._find_way(headers)
            if way is None:
                self._send_request(frame)
                return _LATER_UNITS
            if "receipt" not in headers and not self._may_be_legacy:
                self._way = way
                head, length = self._stream.last_head
                self._hot = None if way.options is not None or way.consumer is None else _Hot(way, way.consumer, head + b"\n\n", length)
        return self._call(way, frame.body)

    def _call(self, way: _Way, body: bytes) -> int:
        """Answers how many units it took beside its own."""
        self._counters.requests += 1
        answer = self._take(body) if way.options is None else None
        if answer is None:
            answer = self._rpc.answer(body, way.options)
        if isinstance(answer, bytes):
            if answer:
                self._reply(way, answer)
            return len(answer) >> _UNIT_BITS
        self._follow(way, answer)
        return _LATER_UNITS

    def _follow(self, way: _Way, answer: asyncio.Future[bytes]) -> None:
        """Send an answer when it comes."""
        self._calls += 1

        def settle(done: asyncio.Future[bytes]) -> None:
            self._calls -= 1
            if not done.cancelled() and (late := done.result()):
                self._reply(way, late)
            if self._has_ended:
                self._finish_if_done()

        if isinstance(answer, Reply) and not answer.done():
            answer.follow = settle
        else:
            answer.add_done_callback(settle)

    def _send_request(self, frame: Frame) -> None:
        """By the broker, which judges the reply address."""
        waiting = self._broker.send(names.REQUESTS, self._message(frame))
        if waiting is not None:
            self._receipts.give_later(waiting, None)

    def _find_way(self, headers: object) -> _Way | None:
        """Where the answer goes; ``None`` if not to this very client. Raises ``InvalidParams``."""
        if not isinstance(headers, dict):
            return None
        reply_to = headers.get("reply-to")
        if reply_to is None:
            consumer = self._own.get(names.RESPONSES)
        elif names.is_own(reply_to):
            if reply_to.startswith(names.TEMPORARY):
                self._reply_queue(reply_to)
            consumer = self._own.get(reply_to)
            if consumer is None and names.is_generated(reply_to):
                return None
            if consumer is None:
                raise InvalidParams(path="$.reply-to", reason="nobody is subscribed to it")
            if consumer.ack is not Ack.AUTO:
                return None
        else:
            return None
        correlation = headers.get("correlation-id")
        tail = b"\n" if correlation is None else f"\ncorrelation-id:{self.escape(correlation)}\n".encode()
        return _Way(headers, consumer, tail + b"content-length:", read_options(headers))

    def _reply(self, way: _Way, answer: bytes) -> None:
        consumer = way.consumer
        if consumer is None or consumer.is_over or self._state is _State.OVER:
            self._counters.dropped_answers += 1
            return
        self._replies += 1
        self.write(consumer.reply(self._replies, way.tail, answer))

    def _reply_queue(self, name: str) -> str:
        """The temporary queue that the client calls so. One that it has not subscribed to is subscribed to under its own name."""
        real = self._temporary.get(name)
        if real is not None or name in self._own:
            return real or name
        if name in self._temporary.values() or names.is_generated(name):
            return name  # of ours, or somebody else's: the broker knows
        self._add(name, id=name, ack=Ack.AUTO, headers={})
        return self._temporary[name]

    # SUBSCRIBE.

    def _subscribe(self, frame: Frame) -> None:
        headers = frame.headers
        destination = headers.get("destination")
        if not destination:
            raise StompError("the header destination is missing")
        id = headers.get("id")
        if id is None:
            if self.version != "1.0":
                raise StompError("the header id is missing")
            id = destination
        ack = _ACKS.get(headers.get("ack", "auto"))
        if ack is None or (ack is Ack.INDIVIDUAL and self.version == "1.0"):
            raise StompError("the header ack is auto, client or client-individual")
        if "selector" in headers:
            raise StompError("selectors are not supported")
        if ack is not Ack.AUTO and not self._is_modern:
            self._show_modern()
        if self._may_be_legacy:
            self._consider(destination, headers)
        self._add(destination, id=id, ack=ack, headers=dict(headers))

    def _add(self, destination: str, *, id: str, ack: Ack, headers: dict[str, str]) -> None:
        if id in self._subscriptions:
            raise AlreadyExists(type="subscription", id=id)
        if len(self._subscriptions) >= self._limits.subscriptions:
            raise LimitExceeded(limit="subscriptions of a connection", maximum=self._limits.subscriptions)
        filter, coalesce_s = read_event_wish(headers.get("filter"), headers.get("coalesce"))
        real = destination
        if destination.startswith(names.TEMPORARY):
            real = self._temporary.get(destination) or self._broker.temporary()
        consumer = StompConsumer(self, id=id, destination=destination, ack=ack, version=self.version)
        wish = Wish(
            destination=real,
            id=id,
            ack=ack,
            credit=self._prefetch(headers),
            after=headers.get("resume"),
            snapshot=headers.get("snapshot") == "true",
            filter=filter,
            coalesce_s=coalesce_s,
            browse=headers.get("browser") == "true",
        )
        consumer.subscription = self._broker.subscribe(wish, consumer)
        self._subscriptions[id] = consumer
        if real is not destination:
            self._temporary[destination] = real
        if names.is_own(destination):
            self._own.setdefault(destination, consumer)
        self._way = self._members = self._hot = None

    def _prefetch(self, headers: dict[str, str]) -> int | None:
        text = headers.get("prefetch-count")
        if text is None:
            return None
        most = self._limits.prefetch
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most):
            raise InvalidParams(path="$.prefetch-count", reason=f"it is a number from 1 to {most}")
        return int(text)

    def _unsubscribe(self, frame: Frame) -> None:
        """What the subscription has not settled stays so, and may be settled still."""
        id = frame.headers.get("id")
        if id is None and self.version == "1.0":
            id = frame.headers.get("destination")
        if id is None:
            raise StompError("the header id is missing")
        consumer = self._subscriptions.pop(id, None)
        if consumer is None:
            raise ObjectNotFound(type="subscription", id=id)
        consumer.is_over = True
        if consumer.subscription is not None:
            consumer.subscription.end()
        if self._own.get(consumer.destination) is consumer:
            del self._own[consumer.destination]
            others = (each for each in self._subscriptions.values() if each.destination == consumer.destination)
            if (other := next(others, None)) is not None:
                self._own[consumer.destination] = other
        self._way = self._members = self._hot = None

    # ACK and NACK.

    def _ack(self, frame: Frame) -> Awaitable[None] | None:
        return self._settle(frame, Verdict.ACCEPTED)

    def _nack(self, frame: Frame) -> Awaitable[None] | None:
        """Tried in vain; with ``requeue:false`` it is not to be tried again."""
        if self.version == "1.0":
            raise StompError("NACK is not known in STOMP 1.0")
        return self._settle(frame, Verdict.REJECTED if frame.headers.get("requeue") == "false" else Verdict.FAILED)

    def _settle(self, frame: Frame, verdict: Verdict) -> Awaitable[None] | None:
        if not self._is_modern:
            self._show_modern()
        tag, consumer = self._find_delivery(frame)
        transaction = frame.headers.get("transaction")
        if transaction is not None:
            self._transactions.add(transaction, 0)
        waiting = self._broker.settle(tag, verdict, cumulative=consumer.is_cumulative, transaction=transaction)
        for each in consumer.up_to(tag):
            del consumer.unsettled[each]
            del self.unsettled[each]
            if transaction is not None:
                self._transactions.settle(transaction, each, consumer)
        return waiting

    def _find_delivery(self, frame: Frame) -> tuple[int, StompConsumer]:
        """1.2 names a delivery by ``id``; the others by ``message-id``, 1.1 with ``subscription``."""
        headers = frame.headers
        name = "id" if self.version == "1.2" else "message-id"
        text = headers.get(name)
        if text is None:
            raise StompError(f"the header {name} is missing")
        if self.version == "1.1" and "subscription" not in headers:
            raise StompError("the header subscription is missing")
        number = text if name == "id" else text.removeprefix(f"{self.id}-")
        is_tag = number.isascii() and number.isdigit() and len(number) <= _TAG_DIGITS
        consumer = self.unsettled.get(int(number)) if is_tag else None
        if consumer is None or headers.get("subscription", consumer.id) != consumer.id:
            raise ObjectNotFound(type="delivery", id=text)
        return int(number), consumer

    # Transactions.

    def _transaction(self, frame: Frame) -> str:
        if not self._is_modern:
            self._show_modern()
        name = frame.headers.get("transaction")
        if not name:
            raise StompError("the header transaction is missing")
        return name

    def _begin(self, frame: Frame) -> None:
        name = self._transaction(frame)
        self._transactions.begin(name)
        self._broker.begin(name)

    def _commit(self, frame: Frame) -> Awaitable[None] | None:
        name = self._transaction(frame)
        self._transactions.end(name)
        return self._broker.commit(name)

    def _abort(self, frame: Frame) -> None:
        name = self._transaction(frame)
        settled = self._transactions.end(name)
        self._broker.abort(name)
        for tag, consumer in settled:
            self.unsettled[tag] = consumer
            consumer.unsettled = dict.fromkeys(sorted((*consumer.unsettled, tag)))
