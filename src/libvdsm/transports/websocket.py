"""What all WebSockets share: messages one by one in their turn, pings, the last words of both sides, and the clock.

A sub-protocol is a subclass that says what a message means: ``websocket_json``, ``websocket_line``. The upgrade that
leads here is decided in ``websocket_upgrade``.
"""

from __future__ import annotations

from time import perf_counter as clock
from typing import TYPE_CHECKING

from libvdsm.interfaces.caller import is_stranger
from libvdsm.transports.connection import CHECK_OCTETS, Connection
from libvdsm.transports.turns import UNIT_BITS
from libvdsm.wire.websocket.connection import WebSocketConnection
from libvdsm.wire.websocket.events import Broken, Close, Code, Message, Ping, Pong
from libvdsm.wire.websocket.frames import encode

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.transports.connection import Hub
    from libvdsm.wire.websocket.events import Event

#: Asked by the sweep; no answer is kept, only that something came.
_PING = encode(Ping(b""))


class WebSocketReactor(Connection):
    """A client that speaks a sub-protocol over a WebSocket."""

    __slots__ = (
        "_codec",
        "_has_closed",
        "_heard_at",
        "_is_eof",
        "_is_last",
        "_is_stranger",
        "_partial_since",
        "_since",
        "_was_asked",
    )

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.protocol = "websocket"
        self.heart_beat_s = hub.limits.beat_s
        self._codec = WebSocketConnection(hub.limits.login_octets)
        self._since = self._heard_at = hub.now()
        self._partial_since = 0.0
        self._was_asked = False  # whether the peer is still there
        self._is_stranger = True  # until it is looked at
        self._is_eof = False
        self._is_last = False  # nothing more is begun
        self._has_closed = False  # our last word is said

    # Reading.

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._heard_at = 0.0
        if self.is_lingering or self.is_closing or self._is_last:
            return
        self.received_octets += len(data)
        if self._is_stranger:
            self._look_who()
        self._codec.receive_data(data)
        share = self._share
        if not (self._is_waiting or self._is_full or self.is_held()):
            self._work(share.left if share.left > 0 or share.renew() else 0)
        elif self._codec.has_much or (self._is_waiting and self.hub.turns.is_shared):
            self.hold_off()

    def _look_who(self) -> None:
        """Once the peer has said who it is, its messages may be long."""
        self._is_stranger = is_stranger(self.caller)
        if not self._is_stranger:
            self._codec.longest = self.hub.limits.message_octets

    def is_held(self) -> bool:
        """Whether the sub-protocol takes nothing more before it says so."""
        return False

    def go_on(self, units: int) -> int:
        """See ``Connection``."""
        used = 0 if self._is_last else self._work(units)
        if not (self._is_waiting or self._is_full or self.is_held()):
            self.resume_reading()
        return used

    def _work(self, units: int) -> int:
        """Take what has arrived, as long as there is room for answers and it is this connection's turn."""
        left, until = units, clock() + self.hub.turns.slice_s
        was_corked, self._is_corked = self._is_corked, True  # what is put now is written below
        while left > 0 and not (self.is_closing or self.is_lingering or self.is_held()):
            left -= self.go_on_with(left)
            event = self._codec.next_event() if left > 0 and not (self.has_left() or self.is_held()) else None
            if event is None:
                break
            before = self._out_octets
            if isinstance(event, Message):
                self._partial_since = 0.0  # what has begun behind it has its own time
                left -= 1 + self.take(event, left)
            else:
                left -= 1 + self._heed(event)
            left -= max(self._out_octets - before, 0) >> UNIT_BITS
            if self._out_octets >= CHECK_OCTETS and self.is_full():
                self.flush()
                if self._is_full:
                    break
            if clock() >= until:
                break
        self._share.left -= units - left
        self.uncork(was_corked=was_corked)
        if not (self._is_full or self.is_closing or self.is_lingering):
            self._rest()
        return units - left

    def go_on_with(self, units: int) -> int:
        """Work off what an earlier message left undone; answers how many units it took."""
        del units
        return 0

    def has_left(self) -> bool:
        """Whether an earlier message left something that can be worked off."""
        return False

    def take(self, message: Message, units: int) -> int:
        """Answer one message; answers how many units more than one it took."""
        raise NotImplementedError

    def _rest(self) -> None:
        """There is nothing more, or others have their turn."""
        if self.is_held():
            if self._codec.has_much:
                self.pause_reading()
        elif self._codec.has_more or self.has_left():
            self.wait_for_turn()
            if self._codec.has_much:
                self.hold_off()
            return
        elif self._is_eof:
            self.ended()
        if not self._codec.is_partial:
            self._partial_since = 0.0
        elif not self._partial_since:
            self._partial_since = self.hub.now()

    def _heed(self, event: Event) -> int:
        if isinstance(event, Ping):
            self.put_frame(encode(Pong(event.data)))
        elif isinstance(event, Close):
            # RFC 6455, 5.5.1: the answer is the code that was given.
            self.conclude(event.code, "")
        elif isinstance(event, Broken):
            self.conclude(event.code, event.reason)
        return 0

    # Writing.

    def put_frame(self, frame: bytes) -> None:
        """Send a frame at the end of this turn of the loop."""
        Connection.put(self, frame)

    # Ends.

    def conclude(self, code: int | None, reason: str) -> None:
        """Say the last word, and let the peer read it; what it still sends is not looked at."""
        if self._has_closed or self.is_closing or self.is_lingering:
            return
        self._say_close(code, reason)
        if self._is_eof:
            Connection.close(self)
        else:
            self.linger()

    def _say_close(self, code: int | None, reason: str) -> None:
        if not self._has_closed:
            self._has_closed = True
            self.put_frame(encode(Close(code, reason)))

    def close(self) -> None:
        """See ``Connection``; a peer that was told nothing yet is told that its session is over."""
        if not (self.is_closing or self.is_lingering):
            self._say_close(Code.POLICY, "the session is over")
        super().close()

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served; see ``Connection``."""
        self.conclude(Code.TRY_AGAIN, refusal.message)

    def ended(self) -> None:
        """The peer sends no more, and all that it sent is worked off."""
        self._say_close(Code.GOING_AWAY, "")
        Connection.close(self)

    def eof_received(self) -> bool:
        """See asyncio. A WebSocket has no half that could end: without a last word the peer is gone (RFC 6455, 7.1.5)."""
        self._is_eof = True
        if self.is_lingering:
            Connection.close(self)
        elif not (self._is_full or self._is_waiting):
            self._rest()
        return self._half_closes

    def drained(self) -> None:
        """There is room again: go on with what was received before more is read."""
        if not self._is_waiting:
            self.wait_for_turn()

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        self._is_last = True
        self.conclude(Code.GOING_AWAY, "the daemon stops")

    # The clock.

    def sweep(self, now: float) -> None:
        """See ``Connection``; who does not read is told why, should he ever read on."""
        if self.is_closing and self._close_at and now < self._close_at + self.hub.limits.full_s:
            return  # it was told, and may still read on for a while
        if self._is_full and not self.is_closing and now - self._full_since >= self.hub.limits.full_s:
            self.hub.counters.slow_readers += 1
            self._say_close(Code.TRY_AGAIN, "what was sent was not read")
            Connection.close(self)
            self._close_at -= self.hub.limits.full_s  # it has had that time
            return
        super().sweep(now)

    def check_time(self, now: float) -> None:
        """A message that was begun must be finished, strangers must say who they are, and everybody must be there."""
        limits = self.hub.limits
        if self._is_stranger:
            self._look_who()
        if self._partial_since and now - self._partial_since >= limits.message_s:
            self.hub.counters.slow_senders += 1
            self.conclude(Code.POLICY, "the rest of the message did not come in time")
        elif self._is_stranger and self.logs_in_late(now - self._since):
            self.hub.counters.detect_timeouts += 1
            self.conclude(Code.POLICY, "nobody logged in")
        else:
            self._listen(now)

    def logs_in_late(self, waited_s: float) -> bool:
        """Whether a stranger has had time enough."""
        return waited_s >= self.hub.limits.login_s

    def _listen(self, now: float) -> None:
        """Whoever was silent for a beat is asked, and has another one to answer."""
        is_heard = self._transport is not None and self._transport.is_reading()
        if not (self._heard_at and is_heard):
            self._heard_at, self._was_asked = now, False
        elif now - self._heard_at >= 2 * self.hub.limits.beat_s:
            self.hub.counters.idle_closed += 1
            self.abort()
        elif not self._was_asked and now - self._heard_at >= self.hub.limits.beat_s:
            self._was_asked = True
            self.put_frame(_PING)
