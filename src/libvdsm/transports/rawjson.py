"""The reactor of raw JSON-RPC on a stream: messages in, answers and events out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from libvdsm.transports.connection import CHECK_OCTETS, Connection
from libvdsm.wire.jsonstream import Broken, JsonStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.interfaces.caller import Sink
    from libvdsm.interfaces.endpoint import StreamSession
    from libvdsm.transports.connection import Hub


class JsonConnection(Connection):
    """A client that speaks JSON-RPC on a stream. It is the ``Sink`` of its caller's subscriptions."""

    def __init__(self, hub: Hub, open_session: Callable[[Sink], StreamSession], release: Callable[[Sink], None]) -> None:
        super().__init__(hub)
        self._stream = JsonStream(longest=hub.limits.message_octets)
        self._session = open_session(self)
        self._answer = self._session.answer
        self._counters = hub.counters
        self._release = release
        self._pending = 0
        self._is_eof = False
        self._is_dead = False  # the framing is lost: nothing more is read
        self._partial_since = 0.0

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        message = self._stream.take_line(data)
        if message is None:
            self._stream.receive_data(data)
            self._work()
            return
        self._counters.messages += 1
        answer = self._answer(message)
        if not isinstance(answer, bytes):
            self._await(answer)
        elif answer:
            self._out.append(answer)
            self.flush()

    def _await(self, answer: asyncio.Future[bytes]) -> None:
        self._pending += 1
        answer.add_done_callback(self._answered)

    def _work(self) -> None:
        """Answer what has arrived, as long as there is room for answers."""
        stream = self._stream
        for message in stream.events():
            self._counters.messages += 1
            answer = self._answer(message) if isinstance(message, bytes) else self._refuse(message)
            if isinstance(answer, bytes):
                self._out.append(answer)
                self._out_octets += len(answer)
            else:
                self._await(answer)
            if self._out_octets >= CHECK_OCTETS and self.is_full():
                self.flush()
                if self._is_full:
                    return
        self.flush()
        if not stream.is_partial:
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
            self.put(answer)
        if (self._is_eof or self._is_dead) and not self._pending:
            self._finish()

    def eof_received(self) -> bool:
        """See asyncio. Half-closed: every answer that is due is still sent."""
        self._is_eof = True
        if not self._is_full:
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
        self._work()
        if not self._is_full:
            self.resume_reading()

    def deliver(self, delivery: bytes) -> None:
        """Queue one event; see ``Sink``."""
        if not self.is_closing:
            self.hub.counters.events += 1
            self.put(self._session.event(delivery))

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        self._is_eof = True
        self.pause_reading()
        if not self._pending:
            self.close()

    def gone(self) -> None:
        """Let go of calls and subscriptions."""
        self._session.close()
        self._release(self)

    def check_time(self, now: float) -> None:
        """A message that was begun must be finished."""
        if self._partial_since and now - self._partial_since >= self.hub.limits.message_s:
            self._counters.slow_senders += 1
            self._is_dead = True
            self._finish()
