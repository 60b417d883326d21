"""Connections for asyncio: a stream on which both sides speak, and calls by HTTP."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from libvdsm.client.runtime import http
from libvdsm.client.runtime.core import Answer, Core, Notification, encode_request, typed
from libvdsm.client.runtime.errors import ClientError, ConnectionLostError, NoAnswerError, NotSentError, ProtocolError, UntrustedError
from libvdsm.client.runtime.wire import make_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.login import Login

_CHUNK = 256 * 1024
#: Seconds for what is still to be sent when a client is closed.
_GOODBYE_S = 2.0
#: Connections for calls by HTTP at a time.
_MOST_HTTP = 64


class Connection(Protocol):
    """What carries calls."""

    @property
    def is_open(self) -> bool:
        """Whether a call can be tried on it."""
        ...

    async def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """The raw result; raises ``ApiError`` or ``TransportError``."""
        ...

    async def close(self) -> None:
        """End it; waiting calls fail."""
        ...


async def dial(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A fresh connection to the daemon."""
    tls = address.tls
    context = None if tls is None else tls.context()
    try:
        if address.path is not None:
            return await asyncio.open_unix_connection(address.path, limit=http.MAX_HEAD)
        if tls is None:
            return await asyncio.open_connection(address.host, address.port, limit=http.MAX_HEAD)
        name = tls.server_name or address.host
        return await asyncio.open_connection(address.host, address.port, limit=http.MAX_HEAD, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        message = f"{address.url} is not to be trusted: {error.verify_message}"
        raise UntrustedError(message) from error
    except OSError as error:
        message = f"cannot connect to {address.url}: {error}"
        raise NotSentError(message) from error


class StreamConnection:
    """JSON-RPC over a stream, on any wire: many calls at a time, and events."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        core: Core[asyncio.Future[Answer[Any]]],
        *,
        beat_s: float,
        on_notification: Callable[[Notification], None],
        on_lost: Callable[[ClientError], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_notification = on_notification
        self._on_lost = on_lost
        self._has_begun = False  # else its end is a failure of ``open`` and nobody else's matter
        self.core = core
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._beat_s = beat_s
        self._beating: asyncio.TimerHandle | None = None
        self._writer.write(core.wire.hello())
        if core.wire.is_ready:
            self._ready.set_result(None)
        self._reading = self._loop.create_task(self._read())
        self._beat()

    @classmethod
    async def open(
        cls,
        address: Address,
        login: Login,
        *,
        beat_s: float,
        on_notification: Callable[[Notification], None],
        on_lost: Callable[[ClientError], None],
    ) -> StreamConnection:
        """Connect, greet and log in; raises ``NotSentError`` or, when that is refused, ``ApiError``. The caller bounds the time."""
        token = login.token()
        reader, writer = await dial(address)
        core: Core[asyncio.Future[Answer[Any]]] = Core(
            make_wire(address, token=token, beat_s=beat_s), beat_s=beat_s, now=asyncio.get_running_loop().time()
        )
        made = cls(reader, writer, core, beat_s=beat_s, on_notification=on_notification, on_lost=on_lost)
        try:
            await made._ready
            if token is not None and address.road != "stomp":
                await made.call("Identity.login", {"token": token}, {}, beat_s or http.LOGIN_S)
        except (ConnectionLostError, NoAnswerError) as error:
            await made.close()
            message = f"cannot connect to {address.url}: {error}"
            raise NotSentError(message) from error
        except BaseException:
            await made.close()
            raise
        made._has_begun = True
        return made

    @property
    def is_open(self) -> bool:
        """See ``Connection``."""
        return self._open

    async def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        if not self._open:
            message = "the connection is closed"
            raise NotSentError(message)
        future: asyncio.Future[Answer[Any]] = self._loop.create_future()
        number, data = self.core.request(future, method, params, options)
        try:
            async with asyncio.timeout(limit_s):
                self._writer.write(data)
                await self._writer.drain()
                answer = await future
        except TimeoutError as error:
            message = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(message) from error
        except OSError as error:
            message = f"the connection was lost: {error}"
            raise ConnectionLostError(message) from error
        finally:
            self.core.forget(number)
            if future.done() and not future.cancelled():
                future.exception()  # that nobody asks for it any more is no accident
        if answer.failure is not None:
            raise typed(answer.failure)
        return answer.result

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Ask, and leave the answer to itself."""
        if self._open:
            future: asyncio.Future[Answer[Any]] = self._loop.create_future()
            future.add_done_callback(look_at)
            self._writer.write(self.core.request(future, method, params, {})[1])

    async def close(self) -> None:
        """See ``Connection``."""
        if self._open:
            with suppress(OSError):
                self._writer.write(self.core.wire.goodbye())
        self._end(ConnectionLostError("the client was closed"), is_polite=True)
        self._reading.cancel()
        await asyncio.wait([self._reading])
        try:
            with suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_GOODBYE_S):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()  # of which nothing is left to do if it has closed

    async def _read(self) -> None:
        reason: ClientError = ConnectionLostError("the daemon has closed the connection")
        core = self.core
        try:
            while data := await self._reader.read(_CHUNK):
                for one in core.receive(data, self._loop.time()):
                    self._dispatch(one)
                if said := core.wire.outgoing():
                    self._writer.write(said)
                if core.wire.is_ready and not self._ready.done():
                    self._ready.set_result(None)
        except OSError as error:
            reason = ConnectionLostError(f"the connection was lost: {error}")
        except ClientError as error:
            reason = error
        except Exception as error:  # noqa: BLE001 - the top of a connection's reading: who waits must learn of its end
            reason = ProtocolError(f"what the daemon has said cannot be understood: {error!r}")
        self._end(reason)

    def _dispatch(self, one: Answer[asyncio.Future[Answer[Any]]] | Notification) -> None:
        if isinstance(one, Notification):
            self._on_notification(one)
        elif not one.waiter.done():
            one.waiter.set_result(one)

    def _beat(self) -> None:
        if not self._beat_s:
            return
        try:
            if said := self.core.tick(self._loop.time()):
                self._writer.write(said)
        except ConnectionLostError as error:
            self._end(error)
        else:
            self._beating = self._loop.call_later(self._beat_s / 4, self._beat)

    def _end(self, reason: ClientError, *, is_polite: bool = False) -> None:
        """End it once. Unless that is ``is_polite`` what is not sent will not be, so that nobody waits for it."""
        if not self._open:
            return
        self._open = False
        if self._beating is not None:
            self._beating.cancel()
        if is_polite:
            self._writer.close()
        else:
            self._writer.transport.abort()
        if not self._ready.done():
            self._ready.set_exception(reason)
            self._ready.exception()
        if self._has_begun:
            self._on_lost(reason)
        for future in self.core.lost():
            if not future.done():
                future.set_exception(reason)


class HttpConnection:
    """One POST for each call, on connections that are used again."""

    def __init__(self, address: Address, login: Login) -> None:
        self._address = address
        self._login = login
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(_MOST_HTTP)
        self._open = True

    @property
    def is_open(self) -> bool:
        """See ``Connection``."""
        return self._open

    async def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        request = http.post(self._address, encode_request(1, method, params, options), self._login.token())
        try:
            async with asyncio.timeout(limit_s), self._slots:
                head, body = await self._exchange(request)
        except TimeoutError as error:
            message = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(message) from error
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            self._drop_idle()  # the daemon has gone, and all that was connected with it
            message = f"the connection was lost: {error}"
            raise ConnectionLostError(message) from error
        return http.answer(head, body)

    async def close(self) -> None:
        """See ``Connection``."""
        self._open = False
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    async def _exchange(self, request: bytes) -> tuple[http.Head, bytes]:
        reader, writer = await self._take()
        keep = False
        try:
            writer.write(request)
            await writer.drain()
            head = http.parse_head(await reader.readuntil(http.END_OF_HEAD))
            body = await reader.read() if head.length is None else await reader.readexactly(head.length)
            keep = head.keeps_alive and self._open
        finally:
            if keep:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return head, body

    async def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await dial(self._address)


async def open_stream(
    address: Address, path: str, limit_s: float, token: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has become the byte stream of ``path``."""
    request = http.upgrade(address, path, token)
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await dial(address)
            try:
                writer.write(request)
                await _switched(reader)
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        message = f"no answer to the request for {address.url} within {limit_s:g} s"
        raise NoAnswerError(message) from error
    return reader, writer


async def _switched(reader: asyncio.StreamReader) -> None:
    try:
        head = http.parse_head(await reader.readuntil(http.END_OF_HEAD))
        if head.status == http.SWITCHING:
            return
        body = b"" if head.length is None else await reader.readexactly(head.length)
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        if isinstance(error, TimeoutError):
            raise
        message = f"the connection was lost: {error}"
        raise ConnectionLostError(message) from error
    raise http.refusal(head, body)


def look_at(done: asyncio.Future[Any]) -> None:
    """That nobody waits for what has failed any more is no accident."""
    if not done.cancelled():
        done.exception()
