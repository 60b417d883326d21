"""JSON-RPC 2.0 both ways over one connected stream socket.

Either side calls, answers and notifies; what one side says arrives in the order it was said. Messages are
gathered and written once per loop turn, small ones in one frame, what is said in answer to frames as soon as they are worked
off, and the time limits of pending calls are looked after by one sweep. An answer is handed to whoever follows its ``Reply`` at once.
Bodies stay bytes: parameters and results are spliced, never decoded here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Annotated, cast

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import DeadlineExceeded, MethodNotFound, SubsystemUnavailable
from libvdsm.interfaces.reply import Reply, promise
from libvdsm.ipc import failures
from libvdsm.ipc.frames import LIMIT, FrameError, FrameReader, check, frames

_log = logging.getLogger(__name__)

SWEEP_S = 0.25

#: Answers a request: method, params and meta in; the result's bytes, now or later. Raises ``ApiError``.
RequestHandler = Callable[[str, msgspec.Raw, msgspec.Raw], bytes | Awaitable[bytes]]

#: Hears a notification: method and params.
NoticeHandler = Callable[[str, msgspec.Raw], None]

#: Hears, once, that the peer is gone, and why; never called after ``close``.
LossHandler = Callable[[str], None]


_NOBODY = (None, 0.0, 0.0)  # waits for an answer that nobody asked for, or not any more


class _Message(msgspec.Struct, gc=False):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()
    meta: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_Messages = Annotated[list[_Message], msgspec.Meta(min_length=1)]  # that were said in one turn


def refuse_request(method: str, _params: msgspec.Raw, _meta: msgspec.Raw) -> bytes:
    """The ``RequestHandler`` of a side that is never called."""
    raise MethodNotFound(method=method)


def ignore_notice(_method: str, _params: msgspec.Raw) -> None:
    """The ``NoticeHandler`` of a side that is never told anything."""


def ignore_loss(_reason: str) -> None:
    """The ``LossHandler`` of a side that finds out by itself."""


class Channel(asyncio.Protocol):
    """One end. ``peer`` names the other side in errors. What is said before ``open`` is sent then."""

    def __init__(
        self,
        peer: str,
        *,
        on_request: RequestHandler = refuse_request,
        on_notice: NoticeHandler = ignore_notice,
        on_loss: LossHandler = ignore_loss,
    ) -> None:
        self._peer = peer
        self._on_request = on_request
        self._on_notice = on_notice
        self._on_loss = on_loss
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._decode: Callable[[bytes], _Message | list[_Message]] = msgspec.json.Decoder(_Message | _Messages).decode
        self._transport: asyncio.WriteTransport | None = None
        self._corked: list[bytes] = []
        self._is_receiving = False  # what is said now is written when all that was received is worked off
        self._pending: dict[int, tuple[Reply, float, float]] = {}
        self._answering: set[asyncio.Future[bytes]] = set()
        self._last_id = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._why_closed = ""

    @property
    def is_open(self) -> bool:
        """Whether calls can be sent."""
        return not self._why_closed

    @property
    def pending(self) -> int:
        """Calls without an answer yet."""
        return len(self._pending)

    def serve(self, on_request: RequestHandler) -> None:
        """Answer the peer's requests with ``on_request``; to be said before ``open`` where it was not known earlier."""
        self._on_request = on_request

    async def open(self, stream: socket.socket) -> None:
        """Begin to speak over ``stream`` (connected, now the channel's to close)."""
        stream.setblocking(False)
        await self._loop.create_connection(lambda: self, sock=stream)

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> Reply:
        """Send a request; the reply gives the result's raw JSON or fails with a typed error. Never raises.

        ``params`` and ``meta`` are raw JSON. It fails with ``SubsystemUnavailable`` when the peer is gone
        and with ``DeadlineExceeded`` after ``timeout_s`` (at most ``SWEEP_S`` later). Cancelling it forgets the answer.
        """
        loop = self._loop
        reply = promise(loop)
        if self._why_closed:
            reply.fail(SubsystemUnavailable(subsystem=self._peer, reason=self._why_closed))
            return reply
        id = self._last_id = self._last_id + 1
        try:
            self._send(b'{"jsonrpc":"2.0","id":%d,"method":"%b","params":%b,"meta":%b}' % (id, method.encode(), params, meta))
        except FrameError as failure:
            reply.fail(failures.incident(failure, method))
            return reply
        self._pending[id] = (reply, loop.time() + timeout_s, timeout_s)
        if self._sweeper is None:
            self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        return reply

    def notify(self, method: str, params: bytes) -> None:
        """Tell the peer; ``params`` is raw JSON. In order with calls and answers; silently nothing once the peer is gone."""
        if not self._why_closed:
            self._send(b'{"jsonrpc":"2.0","method":"%b","params":%b}' % (method.encode(), params))

    def close(self, reason: str = "the channel was closed") -> None:
        """End: what is corked is still written, pending calls fail, no handler is called any more. Idempotent."""
        if not self._why_closed:
            self._flush()
            self._on_loss = ignore_loss
            self._end(reason)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=LIMIT)
        if self._why_closed:
            self._transport.close()
        else:
            self._flush()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._is_receiving = True
        try:
            for body in self._reader.receive(data):
                if self._why_closed:
                    return
                told = self._decode(body)
                for message in told if isinstance(told, list) else (told,):
                    if not self._why_closed:
                        self._receive(message)
        except (FrameError, msgspec.MsgspecError, RecursionError) as failure:
            _log.error("%s sent what is no frame: %s", self._peer, failure)
            self._end(f"its bytes made no sense: {failure}")
        finally:
            self._is_receiving = False
            if self._corked:
                self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._end(f"the connection to its process broke: {exc}" if exc else "its process ended")

    # --- inside

    def _send(self, body: bytes) -> None:
        check(body)
        corked = self._corked
        if not corked and not self._is_receiving:
            self._loop.call_soon(self._flush)
        corked.append(body)

    def _flush(self) -> None:
        corked = self._corked
        if corked and self._transport is not None:
            if self._transport.is_closing():  # the peer has gone, and we are about to be told
                corked.clear()
                return
            self._transport.write(frames(corked))
            self._corked = []

    def _receive(self, message: _Message) -> None:
        id, method = message.id, message.method
        if method is not None:
            if id is None:
                self._noticed(method, message.params)
            else:
                self._requested(id, method, message)
            return
        reply, _until, _given = self._pending.pop(id or 0, _NOBODY)
        if reply is None:
            return
        if result := bytes(message.result):
            reply.settle(result)
        else:
            reply.fail(failures.from_bytes(message.error, self._peer))

    def _noticed(self, method: str, params: msgspec.Raw) -> None:
        try:
            self._on_notice(method, params)
        except Exception as failure:  # noqa: BLE001 - the border between two processes
            failures.incident(failure, method)

    def _requested(self, id: int, method: str, message: _Message) -> None:
        try:
            result = self._on_request(method, message.params, message.meta)
        except Exception as failure:  # noqa: BLE001 - the border between two processes
            self._refuse(id, method, failure)
            return
        if isinstance(result, bytes):
            self._answer(id, method, result)
            return
        later = asyncio.ensure_future(result)
        self._answering.add(later)
        later.add_done_callback(lambda done: self._answer_later(id, method, done))

    def _answer_later(self, id: int, method: str, done: asyncio.Future[bytes]) -> None:
        self._answering.discard(done)
        if done.cancelled():
            self._refuse(id, method, asyncio.CancelledError())
        elif (failure := done.exception()) is not None:
            self._refuse(id, method, failure)
        else:
            self._answer(id, method, done.result())

    def _answer(self, id: int, method: str, result: bytes) -> None:
        if self._why_closed:
            return
        try:
            self._send(b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (id, result))
        except FrameError as failure:
            self._refuse(id, method, failure)

    def _refuse(self, id: int, method: str, failure: BaseException) -> None:
        if not self._why_closed:
            self._send(b'{"jsonrpc":"2.0","id":%d,"error":%b}' % (id, failures.to_bytes(failure, method)))

    def _sweep(self) -> None:
        now = self._loop.time()
        late = [(id, found) for id, found in self._pending.items() if found[1] <= now]
        for id, (reply, _until, given) in late:
            del self._pending[id]
            reply.fail(DeadlineExceeded(seconds=given))
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep) if self._pending else None

    def _end(self, reason: str) -> None:
        if self._why_closed:
            return
        self._why_closed = reason
        if self._transport is not None:
            self._transport.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        pending, self._pending = self._pending, {}
        for reply, _until, _given in pending.values():
            reply.fail(self._gone())
        self._on_loss(reason)

    def _gone(self) -> ApiError:
        return SubsystemUnavailable(subsystem=self._peer, reason=self._why_closed)


async def connect(
    stream: socket.socket,
    peer: str,
    *,
    on_request: RequestHandler = refuse_request,
    on_notice: NoticeHandler = ignore_notice,
    on_loss: LossHandler = ignore_loss,
) -> Channel:
    """A channel over ``stream`` (connected, now the channel's to close)."""
    channel = Channel(peer, on_request=on_request, on_notice=on_notice, on_loss=on_loss)
    await channel.open(stream)
    return channel
