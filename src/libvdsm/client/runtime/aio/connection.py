"""Connections for asyncio: a stream on which both sides speak, and calls by HTTP."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from libvdsm.client.runtime import http
from libvdsm.client.runtime.core import Answer, Core, Notification, decode, encode_request, failure, typed
from libvdsm.client.runtime.errors import ClientError, ConnectionLostError, NoAnswerError, NotSentError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.json import Json

_CHUNK = 256 * 1024


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
    """JSON-RPC over a stream: many calls at a time, and events."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_notification: Callable[[Notification], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_notification = on_notification
        self._on_lost = on_lost
        self.core: Core[asyncio.Future[Answer[Any]]] = Core()
        self._open = True
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @property
    def is_open(self) -> bool:
        """See ``Connection``."""
        return self._open

    async def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        future: asyncio.Future[Answer[Any]] = asyncio.get_running_loop().create_future()
        number, data = self.core.request(future, method, params, options)
        try:
            async with asyncio.timeout(limit_s):
                self._writer.write(data)
                answer = await future
        except TimeoutError as error:
            message = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(message) from error
        except OSError as error:
            raise ConnectionLostError(str(error)) from error
        finally:
            self.core.forget(number)
        if answer.failure is not None:
            raise typed(answer.failure)
        return answer.result

    async def close(self) -> None:
        """See ``Connection``."""
        self._end(ConnectionLostError("the client was closed"))
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        reason: ClientError = ConnectionLostError("the daemon has closed the connection")
        try:
            while data := await self._reader.read(_CHUNK):
                for one in self.core.receive(data):
                    self._dispatch(one)
        except OSError as error:
            reason = ConnectionLostError(f"the connection was lost: {error}")
        except ClientError as error:
            reason = error
        self._end(reason)

    def _dispatch(self, one: Answer[asyncio.Future[Answer[Any]]] | Notification) -> None:
        if isinstance(one, Notification):
            self._on_notification(one)
        elif not one.waiter.done():
            one.waiter.set_result(one)

    def _end(self, reason: ClientError) -> None:
        if not self._open:
            return
        self._open = False
        self._writer.close()
        for future in self.core.lost():
            if not future.done():
                future.set_exception(reason)
        self._on_lost()


class HttpConnection:
    """One POST for each call, on connections that are used again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open = True

    @property
    def is_open(self) -> bool:
        """See ``Connection``."""
        return self._open

    async def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        request = http.post(self._address, encode_request(1, method, params, options))
        try:
            async with asyncio.timeout(limit_s):
                body = await self._exchange(request)
        except TimeoutError as error:
            message = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(message) from error
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            message = f"the connection was lost: {error}"
            raise ConnectionLostError(message) from error
        message_ = decode(body)
        failed = failure(message_)
        if failed is not None:
            raise typed(failed)
        return message_["result"]

    async def close(self) -> None:
        """See ``Connection``."""
        self._open = False
        while self._idle:
            self._idle.pop()[1].close()

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = self._idle.pop() if self._idle else await dial(self._address)
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
        return body


async def open_stream(address: Address, path: str, limit_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has become the byte stream of ``path``."""
    request = http.upgrade(address, path)
    async with asyncio.timeout(limit_s):
        reader, writer = await dial(address)
        try:
            writer.write(request)
            await _switched(reader)
        except BaseException:
            writer.close()
            raise
    return reader, writer


async def _switched(reader: asyncio.StreamReader) -> None:
    try:
        head = http.parse_head(await reader.readuntil(http.END_OF_HEAD))
        if head.status == http.SWITCHING:
            return
        body = b"" if head.length is None else await reader.readexactly(head.length)
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        message = f"the connection was lost: {error}"
        raise ConnectionLostError(message) from error
    raise http.refusal(head, body)
