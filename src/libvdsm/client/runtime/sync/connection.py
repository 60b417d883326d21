"""Connections for threads: a stream with one reading thread, and calls by HTTP."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from libvdsm.client.runtime import http
from libvdsm.client.runtime.core import Answer, Core, Notification, encode_request, typed
from libvdsm.client.runtime.errors import ClientError, ConnectionLostError, NoAnswerError, NotSentError, ProtocolError, UntrustedError
from libvdsm.client.runtime.sync.tls import TlsSocket, send_until, tunnelled
from libvdsm.client.runtime.wire import make_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.login import Login

_CHUNK = 256 * 1024
_PIECE = 64 * 1024
_SOON_S = 0.5
#: Of a client without signs of life: seconds of one wait for the network, and for what is sent without a call.
_TURN_S = 5.0
Link: TypeAlias = socket.socket | TlsSocket
_Waiter: TypeAlias = "Future[Answer[Any]]"


class Connection(Protocol):
    """What carries calls; safe to use from many threads."""

    @property
    def is_open(self) -> bool:
        """Whether a call can be tried on it."""
        ...

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """The raw result; raises ``ApiError`` or ``TransportError``."""
        ...

    def close(self) -> None:
        """End it; waiting calls fail."""
        ...

    def abandon(self) -> None:
        """It is another process's: close what this one has of it, and say nothing."""
        ...


def dial(address: Address, timeout_s: float) -> Link:
    """A fresh connection to the daemon."""
    context = None if address.tls is None else address.tls.context()
    try:
        if address.path is None:
            plain = socket.create_connection((address.host, address.port), timeout_s)
            if context is None or address.tls is None:
                return plain
            return TlsSocket(plain, context, address.tls.server_name or address.host)
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(timeout_s)
            found.connect(address.path)
        except BaseException:
            found.close()
            raise
    except ssl.SSLCertVerificationError as error:
        message = f"{address.url} is not to be trusted: {error.verify_message}"
        raise UntrustedError(message) from error
    except OSError as error:
        message = f"cannot connect to {address.url}: {error}"
        raise NotSentError(message) from error
    return found


class StreamConnection:
    """JSON-RPC over a stream, on any wire: many calls at a time, and events.

    One thread reads; between reads it also gives and asks for signs of life, so there is no other.
    """

    def __init__(
        self,
        sock: Link,
        core: Core[_Waiter],
        *,
        beat_s: float,
        on_notification: Callable[[Notification], None],
        on_lost: Callable[[ClientError], None],
    ) -> None:
        self._turn_s = beat_s / 4 if beat_s else _TURN_S
        sock.settimeout(self._turn_s)
        self._socket = sock
        self._beat_s = beat_s
        self._on_notification = on_notification
        self._on_lost = on_lost
        self._has_begun = False  # else its end is a failure of ``open`` and nobody else's matter
        self.core = core
        self._lock = threading.Lock()  # guards core and is_ending; taken after _sending if both are needed
        self._sending = threading.Lock()  # keeps requests whole, and in the order in which the wire made them
        self._open = True
        self.is_ending = False  # nothing more can be sent
        self._unsaid = b""  # guarded by _lock
        self._ready: Future[None] = Future()
        self._reading = threading.Thread(target=self._read, name="libvdsm-client", daemon=True)
        self._reading.start()

    @classmethod
    def open(
        cls,
        address: Address,
        login: Login,
        limit_s: float,
        *,
        beat_s: float,
        on_notification: Callable[[Notification], None],
        on_lost: Callable[[ClientError], None],
    ) -> StreamConnection:
        """Connect, greet and log in; raises ``NotSentError`` or, when that is refused, ``ApiError``."""
        deadline = time.monotonic() + limit_s
        token = login.token()
        sock = dial(address, limit_s)
        core: Core[_Waiter] = Core(make_wire(address, token=token, beat_s=beat_s), beat_s=beat_s, now=time.monotonic())
        made = cls(sock, core, beat_s=beat_s, on_notification=on_notification, on_lost=on_lost)
        try:
            made._greet(deadline)
            if token is not None and address.road != "stomp":
                made.call("Identity.login", {"token": token}, {}, max(0.001, deadline - time.monotonic()))
        except (ConnectionLostError, NoAnswerError, TimeoutError, OSError) as error:
            made.close()
            message = f"cannot connect to {address.url}: {str(error) or 'it does not answer'}"
            raise NotSentError(message) from error
        except BaseException:
            made.close()
            raise
        made._has_begun = True
        return made

    @property
    def is_open(self) -> bool:
        """See ``Connection``. It is until all who follow it know of its end: another comes after that."""
        return self._open

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        deadline = time.monotonic() + limit_s
        future: _Waiter = Future()
        number = self._send(future, method, params, options, deadline)
        try:
            answer = future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            message = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(message) from error
        finally:
            with self._lock:
                self.core.forget(number)
        if answer.failure is not None:
            raise typed(answer.failure)
        return answer.result

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Ask, and leave the answer to itself; if somebody else sends for long, he sends this as well."""
        with self._lock:
            if self.is_ending:
                return
            self._unsaid += self.core.request(Future(), method, params, {})[1]
        try:
            self._flush()
        except OSError as error:
            self._end(ConnectionLostError(f"the connection was lost: {error}"))

    def close(self) -> None:
        """See ``Connection``."""
        if not self.is_ending and self._sending.acquire(blocking=False):
            try:
                with suppress(OSError):
                    self._put(self.core.wire.goodbye())
            finally:
                self._sending.release()
        self._end(ConnectionLostError("the client was closed"))
        if self._reading is not threading.current_thread():
            self._reading.join()

    def abandon(self) -> None:
        """See ``Connection``."""
        self.is_ending, self._open = True, False
        self._socket.close()

    def _greet(self, deadline: float) -> None:
        with self._sending:
            self._put(self.core.wire.hello(), deadline)
        if not self.core.wire.is_ready:
            self._ready.result(max(0.001, deadline - time.monotonic()))

    def _send(self, future: _Waiter, method: str, params: Mapping[str, Any], options: Mapping[str, Any], deadline: float) -> int:
        if not self._sending.acquire(timeout=max(0.0, deadline - time.monotonic())):
            message = f"{method} could not be sent in time: another call is being sent"
            raise NotSentError(message)
        try:
            with self._lock:
                if self.is_ending:
                    message = "the connection is closed"
                    raise NotSentError(message)
                number, data = self.core.request(future, method, params, options)
            self._put(data, deadline)
        except OSError as error:
            reason = ConnectionLostError(f"the connection was lost: {error}")
            self._end(reason)
            raise reason from error
        finally:
            self._sending.release()
        return number

    def _read(self) -> None:
        reason: ClientError = ConnectionLostError("the daemon has closed the connection")
        try:
            while not self.is_ending and self._receive():
                pass
        except OSError as error:
            reason = ConnectionLostError(f"the connection was lost: {error}")
        except ClientError as error:
            reason = error
        except Exception as error:  # noqa: BLE001 - the top of a connection's reading: who waits must learn of its end
            reason = ProtocolError(f"what the daemon has said cannot be understood: {error!r}")
        self._end(reason)
        self._socket.close()

    def _receive(self) -> bool:
        """One read and what follows from it; false at the end."""
        data: bytes | None = None
        with suppress(TimeoutError):
            data = self._socket.recv(_CHUNK)
        if data == b"":
            return False
        now = time.monotonic()
        with self._lock:
            received = [] if data is None else self.core.receive(data, now)
            self._unsaid += self.core.wire.outgoing() + self.core.tick(now)
        for one in received:
            self._dispatch(one)
        if self._unsaid:
            self._flush()
        if self.core.wire.is_ready and not self._ready.done():
            with suppress(InvalidStateError):  # it ends at this very moment
                self._ready.set_result(None)
        return True

    def _flush(self) -> None:
        if self._sending.acquire(timeout=_SOON_S):  # who sends for longer says it himself
            try:
                self._put(b"")
            finally:
                self._sending.release()

    def _put(self, data: bytes, deadline: float | None = None) -> None:
        """Send, behind what is due already: a call over STOMP needs the subscription to its answer. Whoever calls this has ``_sending``.

        That the daemon takes nothing for a while is no failure before the deadline; whether it lives, the reading thread finds out.
        """
        with self._lock:
            data, self._unsaid = self._unsaid + data, b""
        until = time.monotonic() + self._turn_s if deadline is None else deadline
        sock = self._socket
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            if isinstance(sock, TlsSocket):
                sock.send_until(piece, until)
            else:
                send_until(sock, piece, until)

    def _dispatch(self, one: Answer[_Waiter] | Notification) -> None:
        if isinstance(one, Notification):
            self._on_notification(one)
        else:
            one.waiter.set_result(one)

    def _end(self, reason: ClientError) -> None:
        """End it once. Who follows it is told first, and who waits for an answer last: he may connect anew at once."""
        with self._lock:
            if self.is_ending:
                return
            self.is_ending = True
            waiting = self.core.lost()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            if self._has_begun:
                self._on_lost(reason)
        finally:
            self._open = False
            with suppress(InvalidStateError):
                self._ready.set_exception(reason)
            for future in waiting:
                future.set_exception(reason)


class HttpConnection:
    """One POST for each call, on connections that are used again."""

    def __init__(self, address: Address, login: Login) -> None:
        self._address = address
        self._login = login
        self._idle: list[Link] = []
        self._open = True

    @property
    def is_open(self) -> bool:
        """See ``Connection``."""
        return self._open

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], limit_s: float) -> Json:
        """See ``Connection``."""
        request = http.post(self._address, encode_request(1, method, params, options), self._login.token())
        try:
            head, body = self._exchange(request, limit_s)
        except TimeoutError as error:
            text = f"no answer to {method} within {limit_s:g} s"
            raise NoAnswerError(text) from error
        except (OSError, ConnectionLostError) as error:
            self._drop_idle()  # the daemon has gone, and all that was connected with it
            text = f"the connection was lost: {error}"
            raise ConnectionLostError(text) from error
        return http.answer(head, body)

    def close(self) -> None:
        """See ``Connection``."""
        self._open = False
        self._drop_idle()

    def abandon(self) -> None:
        """See ``Connection``."""
        self.close()

    def _drop_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _exchange(self, request: bytes, limit_s: float) -> tuple[http.Head, bytes]:
        try:
            sock = self._idle.pop()
        except IndexError:
            sock = dial(self._address, limit_s)
        keep = False
        try:
            sock.settimeout(limit_s)
            sock.sendall(request)
            head = read_head(sock)
            body = read_body(sock, head)
            keep = head.keeps_alive and self._open
        finally:
            if keep:
                self._idle.append(sock)
            else:
                sock.close()
        return head, body


def read_head(sock: Link) -> http.Head:
    """The head of an answer; not one byte behind it is taken."""
    found = bytearray()
    while not found.endswith(http.END_OF_HEAD):
        seen = sock.recv(http.MAX_HEAD - len(found), socket.MSG_PEEK)
        if not seen:
            message = "the daemon has closed the connection"
            raise ConnectionLostError(message)
        # The end may lie across two reads.
        joined = bytes(found[-3:]) + seen
        end = joined.find(http.END_OF_HEAD)
        take = len(seen) if end < 0 else end + len(http.END_OF_HEAD) - min(3, len(found))
        found += sock.recv(take)
    return http.parse_head(bytes(found))


def read_body(sock: Link, head: http.Head) -> bytes:
    """What follows the head."""
    left = head.length
    parts: list[bytes] = []
    while left is None or left > 0:
        part = sock.recv(_CHUNK if left is None else min(left, _CHUNK))
        if not part and left is None:
            break
        if not part:
            message = "the daemon has closed the connection"
            raise ConnectionLostError(message)
        parts.append(part)
        left = None if left is None else left - len(part)
    return b"".join(parts)


def open_stream(address: Address, path: str, limit_s: float, token: str | None = None) -> socket.socket:
    """A connection that has become the byte stream of ``path``; blocking, and the caller's to close."""
    request = http.upgrade(address, path, token)
    sock = dial(address, limit_s)
    try:
        sock.sendall(request)
        _switched(sock)
        sock.settimeout(None)
    except OSError as error:
        sock.close()
        message = f"the connection was lost: {error}"
        raise ConnectionLostError(message) from error
    except BaseException:
        sock.close()
        raise
    return tunnelled(sock) if isinstance(sock, TlsSocket) else sock


def _switched(sock: Link) -> None:
    head = read_head(sock)
    if head.status != http.SWITCHING:
        raise http.refusal(head, b"" if head.length is None else read_body(sock, head))
