"""One connection's conversation: frames in, and what they cause.

States: greeting (nothing but CONNECT, and SUBSCRIBE from old clients, which is held), open, leaving (after DISCONNECT: nothing
is carried out any more), over (after ERROR or the end: nothing is written any more). RECEIPTs go out in the order of their
frames, each when its frame has had its effect: for a SEND that is when the message is stored as its destination promises.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from libvdsm.base.errors import ApiError
from libvdsm.bindings.stomp import greeting, names
from libvdsm.bindings.stomp.acknowledgements import Acknowledgements
from libvdsm.bindings.stomp.commands import Commands, Handler
from libvdsm.bindings.stomp.known import Known
from libvdsm.bindings.stomp.pace import Pace
from libvdsm.bindings.stomp.receipts import Receipts
from libvdsm.bindings.stomp.requests import LATER_UNITS, Requests
from libvdsm.bindings.stomp.sends import Sends
from libvdsm.bindings.stomp.subscriptions import Subscriptions
from libvdsm.bindings.stomp.transactions import Transactions
from libvdsm.interfaces.caller import is_stranger
from libvdsm.wire.stomp import frames
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import Frame, StompError

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.beats import Sweep
    from libvdsm.bindings.stomp.config import SessionLimits, StompCounters
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import Line, StreamSession
    from libvdsm.interfaces.messaging import Session

#: Octets of a frame that count as one more unit: as the transports' turns have them.
_UNIT_BITS: Final = 12
_BEAT: Final = b"\n"
#: Of a frame that is none, where nothing better is known.
_REMEDY: Final = "Correct the frame, and connect again."


class _State(Enum):
    GREETING = auto()
    OPEN = auto()
    LEAVING = auto()
    OVER = auto()


_GREETING: Final = _State.GREETING
_OPEN: Final = _State.OPEN
_OVER: Final = _State.OVER
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
        self.is_over = False  # nothing is written any more
        self.has_sent = False
        self.heard_at = 0.0
        self._caller = caller
        self._line = line
        self.put = line.put  # a frame, unless the session is over; see ``write``
        self.is_full = line.is_full  # whether the client takes too little
        self.pager = line.pager
        self._paged_octets = 0
        self._broker = broker
        self._rpc = rpc
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
        self._subscriptions = Subscriptions(self, broker, setting.limits, changed=self._forget_ways)
        self._transactions = Transactions(setting.limits)
        self._acknowledgements = Acknowledgements(broker, self._transactions, id=self.id)
        self._receipts = Receipts(
            setting.limits.pending,
            write=self._write_receipt,
            fail=self._had_no_effect,
            room=line.wake,
            settled=self._finish_if_done,
        )
        self._requests = Requests(self, rpc, self._subscriptions, setting.counters, settled=self._answered)
        self._known = Known(
            self._stream,
            self._acknowledgements,
            self._receipts,
            is_full=line.is_full,
            fail=self.fail,
            body_octets=setting.limits.stranger.body_octets,
        )
        self._sends = Sends(
            broker, self._subscriptions, self._transactions, self._known, self._receipts, setting.counters, identity=lambda: caller.identity
        )
        self._is_at_rest = False  # nothing is left of what was read
        self._pace: Pace | None = None
        self._end_of_beats: Callable[[], None] | None = None
        self._has_ended = False  # the peer sends no more
        self._is_closed = False
        commands = Commands(self, broker, self._subscriptions, self._acknowledgements, self._transactions, self._known)
        self._handlers: dict[str, Handler] = {
            **commands.handlers(),
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
        receipts = self._receipts
        return len(receipts.pending) >= receipts.most

    @property
    def subscriptions(self) -> int:
        """See ``LineSession``."""
        return len(self._subscriptions)

    @property
    def lag(self) -> int:
        """See ``LineSession``."""
        return self._broker.lag

    def receive(self, data: bytes) -> None:
        """See ``LineSession``."""
        self.heard_at = self._now()
        self._is_at_rest = False
        self._stream.receive_data(data)

    def take(self, data: bytes) -> bytes | None:
        """See ``CallSession``: a whole frame that begins like the last call or another one before, and is as long as that says."""
        if not self._is_at_rest or self._state is not _OPEN:
            return None
        answer = self._requests.take(data)
        if answer is not None:
            self.heard_at = self._now()
            if answer:
                self.has_sent = True
        elif self._known.take(data):
            self.heard_at = self._now()
            self._is_at_rest = not self._receipts.pending
            return b""
        return answer

    def work(self, units: int) -> int:
        """See ``LineSession``."""
        left = units
        known, next_frame = self._known, self._stream.next_frame
        is_full, pending, most = self._line.is_full, self._receipts.pending, self._limits.pending
        while left > 0 and self._state in _READING:
            if not known.is_empty and (used := known.work(left)):
                left -= used
                self._partial_since = 0.0  # what has begun behind them has its own time
                if known.is_dry:
                    self._look_at_rest()
                    break
                continue
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
            self._partial_since = 0.0
            if self._state is _OPEN:
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
        self._end_state()
        if self._end_of_beats is not None:
            self._end_of_beats()
        if self._pace is not None:
            self._pace.close()
        if self._look_who in self._caller.on_change:
            self._caller.on_change.remove(self._look_who)
        self._rpc.close()
        self._broker.close()
        self._subscriptions.clear()
        self._held.clear()

    def _work_off_the_rest(self) -> None:
        """The client has gone: what it sent before is carried out all the same."""
        try:
            while self._state is _State.OPEN and (frame := self._stream.next_frame()) is not None:
                self._carry_out(frame)
        except StompError:
            return

    # Writing.

    def _is_behind(self) -> bool:
        """Whether a client that is sent one frame at a time takes too little."""
        return self._line.is_full() or (self._pace is not None and self._pace.is_full)

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when it takes again."""
        if self._pace is not None and self._pace.is_full:
            self._pace.when_drained(resume)
        else:
            self._line.when_drained(resume)

    def write(self, frame: bytes) -> None:
        """Send a frame, if anything is sent any more."""
        if not self.is_over:
            self.has_sent = True
            self.put(frame)

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
        body = body or _REMEDY
        beside = (("receipt-id", receipt),) if receipt is not None else ()
        kind = ("content-type", "text/plain;charset=utf-8")
        self._write_frame("ERROR", ("message", message), *headers, *beside, kind, body=body.encode())
        self._finish()

    def _end_state(self) -> None:
        self._state, self.is_over = _OVER, True
        self._forget_ways()

    def _finish(self) -> None:
        self._end_state()
        if self._pace is not None:
            self._pace.then(self._line.finish)
        else:
            self._line.finish()
        self._broker.close()

    def _finish_if_done(self) -> None:
        """Close when the client leaves or has gone, and all that is due is said."""
        if self._state is _State.OVER or self._receipts.pending:
            return
        is_done = not self._requests.open and not self.has_more if self._has_ended else self._state is _State.LEAVING
        if is_done:
            self._finish()

    def _answered(self) -> None:
        if self._has_ended:
            self._finish_if_done()

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
        self.version = self._acknowledgements.version = version
        self._may_be_legacy = not self._is_strict and greeting.looks_like_vdsm(frame.command, headers)
        if greeting.shows_modern(frame.command, headers):
            self._is_modern, self._may_be_legacy = True, False
        self._look_who()
        if is_stranger(self._caller):
            self._caller.on_change.append(self._look_who)
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

    def _look_who(self) -> None:
        """Once the peer has said who it is, its frames may be long."""
        self._stream.limits = limits = self._limits.nobody if is_stranger(self._caller) else self._limits.frame
        self._known.set_limit(limits.body_octets)

    def _check_host(self, version: str, headers: Mapping[str, str]) -> None:
        """There is one virtual host, and any name is its name; vdsm's Java client sends what it likes, or none."""
        if self._is_strict and version != "1.0" and "host" not in headers:
            raise StompError("the header host is missing")

    def show_modern(self) -> None:
        """The peer has used something that old clients do not know: from now on it is held to the letter."""
        if self._is_modern:
            return
        self._is_modern, self._may_be_legacy, self.is_legacy = True, False, False
        self._stream.set_rules(version=self.version, is_strict=True)
        self._forget_ways()

    def consider(self, destination: str, headers: Mapping[str, str]) -> None:
        """Whether this is vdsm's Java client after all."""
        if not self._may_be_legacy:
            return
        if "content-type" in headers:
            self._may_be_legacy = self.is_legacy = False
        elif names.is_vdsm(destination) and not self.is_legacy:
            self.is_legacy = True
            if self.pager is not None:
                self.pager.leave()
            self._counters.legacy_peers += 1
            if self._line.is_secure:
                self._pace = Pace(self._line)
                self.put, self.is_full = self._pace.put, self._is_behind
                self._subscriptions.look_at_pace()

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
        if receipt is not None and command != "DISCONNECT":
            self.show_modern()
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

    def _forget_ways(self) -> None:
        """Destinations, or frames, may mean something else from now on."""
        self._known.forget()
        self._requests.forget()

    # SEND.

    def _send(self, frame: Frame) -> Awaitable[None] | None:
        headers = frame.headers
        destination = headers.get("destination")
        if not destination:
            raise StompError("the header destination is missing")
        self.consider(destination, headers)
        return self._sends.send(destination, headers, frame.body)

    # Calls.

    def _request(self, frame: Frame, destination: str) -> int:
        """A call: its answer goes to the client itself, or by the broker to wherever it may send it."""
        headers = frame.headers
        self.consider(destination, headers)
        way = self._requests.find_way(headers)
        if way is None:
            self._sends.ask(headers, frame.body)
            return LATER_UNITS
        if "receipt" not in headers and not self._may_be_legacy:
            self._known.learn(partial(self._requests.call, way))
            self._requests.like_this(way, *self._stream.last_head)
        return self._requests.call(way, frame.body)
