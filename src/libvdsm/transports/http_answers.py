"""What an HTTP connection answers: one thing at a time, at once or when it is there, whole or while it is made."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.reply import Reply
from libvdsm.transports.connection import Connection
from libvdsm.transports.flows import Outflow
from libvdsm.transports.site import refusal as refusal_of
from libvdsm.wire.http.events import Request, Response
from libvdsm.wire.http.frames import encode_head

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.interfaces.bodies import Later
    from libvdsm.interfaces.caller import Sink
    from libvdsm.transports.connection import Hub
    from libvdsm.wire.http.connection import HttpConnection
    from libvdsm.wire.http.events import Refused


def _has_hung_up(transport: asyncio.Transport) -> bool:
    """Whether the peer, which sends no more, does not read either: over a unix socket that can be seen."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return True
    look = select.poll()
    look.register(sock.fileno(), 0)
    return any(event & select.POLLHUP for _descriptor, event in look.poll(0))


class HttpAnswers(Connection):
    """The answering half of ``HttpReactor``, which reads."""

    __slots__ = ("_codec", "_is_eof", "_is_last", "_outflow", "_running")

    _codec: HttpConnection

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.protocol = "http/1.1"
        self._running: tuple[Request, Later | asyncio.Future[bytes] | Outflow] | None = None
        self._outflow: Outflow | None = None  # if that is what is running
        self._is_eof = False
        self._is_last = False

    @property
    def sink(self) -> Sink | None:
        """See ``Connection``: a stream of events has its own."""
        return super().sink if self._outflow is None else self._outflow.sink

    # Of whoever reads.

    def _go_on(self) -> None:
        """An answer was given: go on with what was received behind its request."""
        raise NotImplementedError

    def _has_read_all(self) -> bool:
        """Whether nothing that was received waits for its answer."""
        raise NotImplementedError

    def _stop_body(self) -> None:
        """The body that comes in is wanted no more."""
        raise NotImplementedError

    # One answer.

    def _give(self, request: Request, response: Response | Streamed | Later) -> None:
        if isinstance(response, Response):
            self._respond(request, response)
        elif isinstance(response, Streamed):
            self._stream(request, response)
        else:
            self._await(request, response)

    def _await(self, request: Request, response: Later | asyncio.Future[bytes]) -> None:
        self._running = (request, response)
        if isinstance(response, Reply) and not response.done():
            response.follow = self._answered
        else:
            response.add_done_callback(self._answered)

    def _respond(self, request: Request, response: Response, *, is_last: bool = False) -> None:
        is_persistent = request.is_persistent and not (self._is_last or is_last)
        data = self._codec.send(response, self.hub.date, request, is_persistent)
        self._out.append(data)
        self._out_octets += len(data)
        if not is_persistent:
            self._end()

    def _stream(self, request: Request, streamed: Streamed) -> None:
        """Send the head, and let the body follow while it is made."""
        is_old, length = request.version == "1.0", streamed.length
        has_end = length is not None or not is_old
        is_persistent = request.is_persistent and has_end and not (self._is_last or streamed.is_endless)
        head = encode_head(
            streamed.status,
            streamed.content_type,
            streamed.headers,
            self.hub.date,
            length=length,
            is_persistent=is_persistent,
            version=request.version,
        )
        self._out.append(head)
        self._out_octets += len(head)

        def over() -> None:
            self._loop.call_soon(self._streamed, is_persistent)

        outflow = Outflow(self, streamed, is_chunked=length is None and not is_old, over=over)
        self._running, self._outflow = (request, outflow), outflow
        self._hold_at_most(self.hub.limits.tunnel_octets)
        if request.method == b"HEAD":
            outflow.cancel()
            over()
        else:
            outflow.start()

    def _streamed(self, is_persistent: bool) -> None:
        """All of the body was put."""
        self._running = self._outflow = None
        if self.is_closing:
            return
        self._hold_at_most(self.hub.limits.write_octets)
        if is_persistent and not self._is_last:
            self._go_on()
        else:
            self._end()

    def _hold_at_most(self, octets: int) -> None:
        self._bound = octets
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=octets - 1, low=octets // 4)

    def _answered(self, done: asyncio.Future[Response] | asyncio.Future[Response | Streamed] | asyncio.Future[bytes]) -> None:
        running, self._running = self._running, None
        if running is None or done.cancelled() or self.is_closing:
            return
        result = done.result()
        self._give(running[0], Response(200, result) if isinstance(result, bytes) else result)
        self._go_on()

    # Ends.

    def _refuse(self, refused: Refused) -> None:
        self._out.append(self._codec.send(refusal_of(refused.status, refused.reason), self.hub.date))
        self._end()

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served; see ``Connection``."""
        self._out.append(self._codec.send(refusal_of(429, refusal.message, data=refusal.data()), self.hub.date))
        self.linger()

    def _end(self) -> None:
        """The last answer is given."""
        self._stop_body()
        if self._is_eof:
            self.close()
        else:
            self.linger()

    def eof_received(self) -> bool:
        """See asyncio. Half-closed: every answer that is due is still sent."""
        self._is_eof = True
        has_gone = self._running is not None and self._transport is not None and _has_hung_up(self._transport)
        if has_gone or (self._outflow is not None and self._outflow.is_endless):
            self.close()
        if self.is_lingering or (self._running is None and self._has_read_all()):
            self.close()
        return self._half_closes

    def shut_down(self) -> None:
        """The daemon is going down: the answer that is due is the last one."""
        self._is_last = True
        if self._running is None:
            self.close()
        elif self._outflow is not None and self._outflow.is_endless:
            self._outflow.end()

    def gone(self) -> None:
        """Let go of the calls."""
        running, self._running = self._running, None
        if running is not None:
            running[1].cancel()
        self._outflow = None
        self._stop_body()
