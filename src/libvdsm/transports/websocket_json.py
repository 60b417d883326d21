"""JSON-RPC over a WebSocket: one call or batch in a message, one answer or event in a message.

Calls may come as text or as binary; answers and events are text. The octets of an answer are those of every other road.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from libvdsm.interfaces.reply import Reply
from libvdsm.transports.rawjson import USUAL_OCTETS
from libvdsm.transports.turns import LATER_UNITS, UNIT_BITS
from libvdsm.transports.websocket import WebSocketReactor
from libvdsm.wire.websocket.events import Code
from libvdsm.wire.websocket.frames import encode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from libvdsm.base.errors import ApiError
    from libvdsm.interfaces.caller import Sink
    from libvdsm.interfaces.endpoint import StreamSession
    from libvdsm.transports.connection import Hub
    from libvdsm.wire.websocket.events import Message


class JsonWebSocket(WebSocketReactor):
    """A client that speaks JSON-RPC. It is the ``Sink`` of its caller's subscriptions."""

    def __init__(self, hub: Hub, open_session: Callable[[Sink], StreamSession], release: Callable[[Sink], None]) -> None:
        super().__init__(hub)
        self.protocol = "websocket/jsonrpc"
        self._session = open_session(self)
        self._answer = self._session.answer
        self._take = self._session.take
        self._release = release
        self._pending = 0

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        share = self._share
        if share.left > 0 and len(data) <= USUAL_OCTETS and not (self._is_waiting or self._is_full or self._is_last or self._has_closed):
            message = self._codec.take(data)
            if message is not None:
                self._heard_at = 0.0
                self.received_octets += len(data)
                self.calls += 1
                self.hub.counters.messages += 1
                answer = self._take(message)
                if answer is None:
                    answer = self._answer(message)
                share.left -= 1
                if not isinstance(answer, bytes):
                    share.left -= LATER_UNITS
                    self._await(answer)
                elif answer:
                    self._give(answer)
                return
        super().data_received(data)

    def _give(self, answer: bytes) -> None:
        """The only answer that is due: nothing would be written with it."""
        frame = encode_text(answer)
        transport = self._transport
        if len(frame) <= USUAL_OCTETS and not (self._out or self.is_closing or transport is None or transport.is_closing()):
            self.sent_octets += len(frame)
            transport.write(frame)
        else:
            self._share.left -= len(frame) >> UNIT_BITS
            self.put_frame(frame)
            self.flush()

    def take(self, message: Message, units: int) -> int:
        """See ``WebSocketReactor``."""
        del units
        self.calls += 1
        self.hub.counters.messages += 1
        data = message.data
        answer = self._take(data) if len(data) <= USUAL_OCTETS else None
        if answer is None:
            answer = self._answer(data)
        if not isinstance(answer, bytes):
            self._await(answer)
            return LATER_UNITS
        if answer:
            frame = encode_text(answer)
            self._out.append(frame)
            self._out_octets += len(frame)
        return 0

    def _await(self, answer: asyncio.Future[bytes]) -> None:
        self._pending += 1
        if isinstance(answer, Reply) and not answer.done():
            answer.follow = self._answered
        else:
            answer.add_done_callback(self._answered)

    def _answered(self, done: asyncio.Future[bytes]) -> None:
        self._pending -= 1
        if done.cancelled():
            return
        answer = done.result()
        if answer:
            if self._pending or self.is_lingering:
                self.put_frame(encode_text(answer))
            else:
                self._give(answer)
        if self._is_last and not self._pending:
            self.conclude(Code.GOING_AWAY, "the daemon stops")

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        self._is_last = True
        if not self._pending:
            super().shut_down()

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served: the reason also in the words of the protocol; see ``Connection``."""
        self.put_frame(encode_text(self._session.decline(refusal)))
        super().turn_away(refusal)

    def deliver(self, delivery: bytes) -> None:
        """Queue one event; see ``Sink``."""
        if not self.is_closing:
            self.hub.counters.events += 1
            self.put_frame(encode_text(self._session.event(delivery)))

    def page(self, deliveries: Iterable[bytes]) -> bytes:
        """See ``PageSink``."""
        event = self._session.event
        return b"".join(encode_text(event(each)) for each in deliveries)

    def count_events(self, count: int) -> None:
        """See ``PageSink``."""
        self.hub.counters.events += count

    def deliver_page(self, page: bytes, count: int) -> None:
        """See ``PageSink``."""
        if not self.is_closing:
            self.hub.counters.events += count
            self.put_frame(page)

    def gone(self) -> None:
        """Let go of calls and subscriptions; what a batch still has to do makes no more of them."""
        self._session.close()
        if self.caller is not None:
            self.caller.sink = None
        self._release(self)
