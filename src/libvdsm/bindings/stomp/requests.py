"""One connection's calls: what is sent to ``/exchange/requests``, and the answers, which go back on the connection itself if they may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from libvdsm.bindings.stomp import names
from libvdsm.bindings.stomp.calls import read_options
from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.messaging import Ack
from libvdsm.interfaces.reply import Reply

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.config import StompCounters
    from libvdsm.bindings.stomp.consumer import StompConsumer
    from libvdsm.bindings.stomp.session import StompSession
    from libvdsm.bindings.stomp.subscriptions import Subscriptions
    from libvdsm.interfaces.endpoint import StreamSession

#: Units of a call whose answer comes later, and octets of an answer that count as one more unit: as the transports' turns have them.
LATER_UNITS: Final = 4
_UNIT_BITS: Final = 12


@dataclass(frozen=True, slots=True)
class Way:
    """Where answers to calls with the same headers go."""

    consumer: StompConsumer | None
    tail: bytes  # of an answer's head, behind its number
    options: bytes | None


@dataclass(frozen=True, slots=True)
class _Hot:
    """What a call begins with that is like the one before."""

    way: Way
    consumer: StompConsumer
    start: bytes  # up to its body
    length: int | None  # of its body, if that is told


class Requests:
    """Calls that are answered to whoever makes them."""

    def __init__(
        self,
        session: StompSession,
        rpc: StreamSession,
        subscriptions: Subscriptions,
        counters: StompCounters,
        *,
        settled: Callable[[], None],
    ) -> None:
        """``settled`` is called after every answer that came later."""
        self.open = 0  # whose answers are awaited
        self._session = session
        self._rpc = rpc
        self._take = rpc.take
        self._subscriptions = subscriptions
        self._counters = counters
        self._settled = settled
        self._replies = 0
        self._hot: _Hot | None = None

    def take(self, data: bytes) -> bytes | None:
        """See ``CallSession``: a whole frame that begins like the last call, and is as long as that says."""
        hot = self._hot
        if hot is None or not data.startswith(hot.start):
            return None
        start, end = len(hot.start), len(data) - 1
        if data[end] or (data.find(0, start) != end if hot.length is None else end != start + hot.length):
            return None
        answer = self._take(data[start:end])
        if answer is None:
            return None
        self._counters.requests += 1
        if isinstance(answer, bytes):
            if not answer:
                return b""
            self._replies += 1
            return hot.consumer.reply(self._replies, hot.way.tail, answer)
        self._follow(hot.way, answer)
        return b""

    def like_this(self, way: Way, head: bytes, length: int | None) -> None:
        """The next call may begin like this one."""
        self._hot = None if way.options is not None or way.consumer is None else _Hot(way, way.consumer, head + b"\n\n", length)

    def forget(self) -> None:
        """Destinations may mean something else."""
        self._hot = None

    def call(self, way: Way, body: bytes) -> int:
        """Have it answered; answers how many units that took beside its frame's own."""
        self._counters.requests += 1
        answer = self._take(body) if way.options is None else None
        if answer is None:
            answer = self._rpc.answer(body, way.options)
        if isinstance(answer, bytes):
            if answer:
                self._reply(way, answer)
            return len(answer) >> _UNIT_BITS
        self._follow(way, answer)
        return LATER_UNITS

    def find_way(self, headers: Mapping[str, str]) -> Way | None:
        """Where the answer goes; ``None`` if not to this very client. Raises ``InvalidParams``."""
        own = self._subscriptions.own
        reply_to = headers.get("reply-to")
        if reply_to is None:
            consumer = own.get(names.RESPONSES)
        elif names.is_own(reply_to):
            if reply_to.startswith(names.TEMPORARY):
                self._subscriptions.reply_queue(reply_to)
            consumer = own.get(reply_to)
            if consumer is None and names.is_generated(reply_to):
                return None
            if consumer is None:
                raise InvalidParams(path="$.reply-to", reason="nobody is subscribed to it")
            if consumer.ack is not Ack.AUTO:
                return None
        else:
            return None
        correlation = headers.get("correlation-id")
        tail = b"\n" if correlation is None else f"\ncorrelation-id:{self._session.escape(correlation)}\n".encode()
        return Way(consumer, tail + b"content-length:", read_options(headers))

    def _follow(self, way: Way, answer: asyncio.Future[bytes]) -> None:
        """Send an answer when it comes."""
        self.open += 1

        def settle(done: asyncio.Future[bytes]) -> None:
            self.open -= 1
            if not done.cancelled() and (late := done.result()):
                self._reply(way, late)
            self._settled()

        if isinstance(answer, Reply) and not answer.done():
            answer.follow = settle
        else:
            answer.add_done_callback(settle)

    def _reply(self, way: Way, answer: bytes) -> None:
        consumer = way.consumer
        if consumer is None or consumer.is_over or self._session.is_over:
            self._counters.dropped_answers += 1
            return
        self._replies += 1
        self._session.write(consumer.reply(self._replies, way.tail, answer))
