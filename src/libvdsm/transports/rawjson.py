"""The reactor of raw JSON-RPC on a stream: messages in, answers and events out."""

from __future__ import annotations

import asyncio
from time import perf_counter as clock
from typing import TYPE_CHECKING

from libvdsm.interfaces.caller import is_stranger
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.interfaces.reply import Reply
from libvdsm.transports.connection import CHECK_OCTETS, Connection
from libvdsm.transports.turns import LATER_UNITS, UNIT_BITS
from libvdsm.wire.jsonstream import Broken, JsonStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from libvdsm.base.errors import ApiError
    from libvdsm.interfaces.caller import Sink
    from libvdsm.interfaces.endpoint import StreamSession
    from libvdsm.transports.connection import Hub


#: A message or an answer of so many octets is a usual one.
USUAL_OCTETS = 4_096


class JsonConnection(Connection):
    """A client that speaks JSON-RPC on a stream. It is the ``Sink`` of its caller's subscriptions."""

    __slots__ = (
        "_answer",
        "_counters",
        "_is_dead",
        "_is_eof",
        "_is_fresh",
        "_is_last",
        "_partial_since",
        "_pending",
        "_release",
        "_session",
        "_stranger_since",
        "_stream",
        "_take",
    )

    def __init__(self, hub: Hub, open_session: Callable[[Sink], StreamSession], release: Callable[[Sink], None]) -> None:
        super().__init__(hub)
        self.protocol = "json"
        self._stream = JsonStream(longest=hub.limits.message_octets)
        self._session = open_session(self)
        self._answer = self._session.answer
        self._take = self._session.take
        self._counters = hub.counters
        self._release = release
        self._pending = 0
        self._is_fresh = True  # nothing is left of what was read before
        self._is_eof = False
        self._is_last = False  # nothing more is begun
        self._is_dead = False  # the framing is lost: nothing more is read
        self._stranger_since: float | None = hub.now()  # until it is known who it is
        self._partial_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio. Whoever has proved nothing must be brief until he has."""
        caller = self.caller
        if caller is not None and is_stranger(caller):
            self._stream.longest = min(self.hub.limits.login_octets, self.hub.limits.message_octets)
            caller.on_change.append(self._heed_change)
        super().connection_made(transport)

    def _heed_change(self) -> None:
        if not is_stranger(self.caller):
            self._stream.longest = self.hub.limits.message_octets

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        share = self._share
        self.received_octets += len(data)
        if self._is_fresh and share.left > 0 and len(data) <= USUAL_OCTETS:
            answer = self._take(data)
            if answer is not None:
                share.left -= 1
                self.calls += 1
                self._counters.messages += 1
                if not isinstance(answer, bytes):
                    self._await(answer)
                    share.left -= LATER_UNITS
                elif len(answer) <= USUAL_OCTETS and not self._out and self._transport is not None:
                    self.sent_octets += len(answer)
                    self._transport.write(answer)
                else:
                    share.left -= len(answer) >> UNIT_BITS
                    self._out.append(answer)
                    self.flush()
                return
        if self._is_dead:
            return
        self._stream.receive_data(data)
        self._is_fresh = False
        if not self._is_waiting:
            self._work(share.left if share.left > 0 or share.renew() else 0)
        elif self._stream.has_much or self.hub.turns.is_shared:
            self.hold_off()

    def _await(self, answer: asyncio.Future[bytes]) -> None:
        self._pending += 1
        if isinstance(answer, Reply) and not answer.done():
            answer.follow = self._answered
        else:
            answer.add_done_callback(self._answered)

    def go_on(self, units: int) -> int:
        """See ``Connection``."""
        if self._is_last:
            self._rest(is_partial=False)
            return 0
        used = self._work(units)
        if not (self._is_waiting or self._is_full or self._is_eof):
            self.resume_reading()
        return used

    def _work(self, units: int) -> int:
        """Answer what has arrived, as long as there is room for answers and it is this connection's turn."""
        stream, out = self._stream, self._out
        left, until = units, clock() + self.hub.turns.slice_s
        count = 0
        while left > 0:
            line = stream.next_line()
            answer = self._take(line) if line is not None and len(line) <= USUAL_OCTETS else None
            if answer is not None:
                stream.pass_line()
            else:
                answer = self._answer_next()
                if answer is None:
                    break
            left -= 1
            count += 1
            if isinstance(answer, bytes):
                out.append(answer)
                self._out_octets += len(answer)
                left -= len(answer) >> UNIT_BITS
            else:
                self._await(answer)
                left -= LATER_UNITS
            if self._out_octets >= CHECK_OCTETS and self.is_full():
                self.flush()
                if self._is_full:
                    break
            if clock() >= until:
                break
        used = units - left
        self._partial_since = 0.0 if count else self._partial_since  # what has begun behind them has its own time
        self.calls += count
        self._counters.messages += count
        self._share.left -= used
        self.flush()
        if self._is_full:
            return used
        if stream.has_more:
            self._put_off()
        else:
            self._rest(is_partial=stream.is_partial)
        return used

    def _answer_next(self) -> bytes | asyncio.Future[bytes] | None:
        """The answer to the next message, whatever it is; ``None`` if there is none yet."""
        message = next(self._stream.events(), None)
        if message is None:
            return None
        return self._answer(message) if isinstance(message, bytes) else self._refuse(message)

    def _put_off(self) -> None:
        """There is more, and this connection has had its part of this turn."""
        self.wait_for_turn()
        if self._stream.has_much:
            self.hold_off()

    def _rest(self, *, is_partial: bool) -> None:
        """All that was read is worked off."""
        self._is_fresh = not is_partial and not self._is_dead
        if not is_partial:
            self._partial_since = 0.0
        elif not self._partial_since:
            self._partial_since = self.hub.now()
        if self._is_dead or self._is_eof:
            self._finish()

    def _refuse(self, broken: Broken) -> bytes:
        self._is_dead = self._is_dead or broken.is_fatal
        return self._session.refuse(broken.reason)

    def _answered(self, done: asyncio.Future[bytes]) -> None:
        self._pending -= 1
        if done.cancelled():
            return
        answer = done.result()
        if answer:
            transport = self._transport
            if self._pending or self._out or self.is_closing or self.is_lingering or transport is None or transport.is_closing():
                self.put(answer)
            else:  # the only one that is due: nothing would be written with it
                self.sent_octets += len(answer)
                transport.write(answer)
        if (self._is_eof or self._is_dead) and not self._pending and not self._is_waiting:
            self._finish()

    def eof_received(self) -> bool:
        """See asyncio. Half-closed: every answer that is due is still sent."""
        self._is_eof = True
        if not self._is_full and not self._is_waiting:
            self._finish()
        return self._half_closes

    def _finish(self) -> None:
        """Nothing more is read: close when every answer that is due is given."""
        broken = self._stream.receive_eof()
        if broken is not None:
            self._out.append(self._session.refuse(broken.reason))
        if self._pending:
            return
        if self._is_eof:
            self.close()
        else:
            self.linger()

    def drained(self) -> None:
        """There is room again: go on with what was received before more is read."""
        if not self._is_waiting:
            self.wait_for_turn()

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served; see ``Connection``."""
        self._is_dead, self._is_fresh = True, False
        self.put(self._session.decline(refusal))
        self.linger()

    def deliver(self, delivery: bytes) -> None:
        """Queue one event; see ``Sink``."""
        if not self.is_closing:
            self.hub.counters.events += 1
            self.put(self._session.event(delivery))

    def page(self, deliveries: Iterable[bytes]) -> bytes:
        """See ``PageSink``."""
        return b"".join(map(self._session.event, deliveries))

    def count_events(self, count: int) -> None:
        """See ``PageSink``."""
        self.hub.counters.events += count

    def deliver_page(self, page: bytes, count: int) -> None:
        """See ``PageSink``: written at once if nothing is to go before it, since nothing would be written with it."""
        if self.is_closing:
            return
        self.hub.counters.events += count
        transport = self._transport
        if self._out or self.is_lingering or transport is None or transport.is_closing():
            self.put(page)
        else:
            self.sent_octets += len(page)
            transport.write(page)

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        self._is_eof = self._is_last = True
        self.pause_reading()
        if not self._pending:
            self.close()

    def gone(self) -> None:
        """Let go of calls and subscriptions; what a batch still has to do makes no more of them."""
        self._session.close()
        if self.caller is not None:
            self.caller.sink = None
        self._release(self)

    def check_time(self, now: float) -> None:
        """A message that was begun must be finished, and a stranger must say who he is, whatever else he says."""
        if self._partial_since and now - self._partial_since >= self.hub.limits.message_s:
            self._counters.slow_senders += 1
            self._is_dead = True
            self._finish()
        elif self._stranger_since is not None and not self._is_dead:
            self._look_who(now - self._stranger_since)

    def _look_who(self, waited_s: float) -> None:
        if not is_stranger(self.caller):
            self._stranger_since = None
        elif waited_s >= self.hub.limits.login_s and not self._pending:
            self._counters.detect_timeouts += 1
            self.turn_away(NotAuthenticated(reason="nobody logged in"))
