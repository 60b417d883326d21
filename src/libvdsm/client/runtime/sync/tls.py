"""TLS over a blocking socket that one thread reads while others write.

OpenSSL's connection may be used by one thread at a time, so nobody waits for the network while holding it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from math import ceil
from typing import Final

from libvdsm.client.runtime.tls import heed_ends

_CHUNK: Final = 256 * 1024
#: OpenSSL's word for an end without a word; older Pythons have no class of its own for it.
_CUT: Final = "UNEXPECTED_EOF_WHILE_READING"


def send_until(sock: socket.socket, data: bytes, until: float) -> None:
    """Send all of it, in turns of the socket's own timeout, the last of them shorter; raises ``TimeoutError`` (it is an ``OSError``)."""
    left, turn_s = memoryview(data), sock.gettimeout() or 0.0
    while True:
        left_s = until - time.monotonic()
        if left_s >= turn_s or _has_room(sock, left_s):
            with contextlib.suppress(TimeoutError):
                left = left[sock.send(left) :]
        if not left:
            return
        if time.monotonic() >= until:
            message = "the daemon takes nothing more"
            raise TimeoutError(message)


def _has_room(sock: socket.socket, seconds: float) -> bool:
    """Whether something can be sent before so many are over."""
    poll = select.poll()
    try:
        poll.register(sock, select.POLLOUT)
    except ValueError as error:  # another thread has closed it
        raise ConnectionAbortedError(str(error)) from error
    return bool(poll.poll(max(0, ceil(seconds * 1000))))


class TlsSocket:
    """As much of a socket as the client uses."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_name: str) -> None:
        """Shakes hands; raises ``OSError`` (``ssl.SSLError`` is one). The socket is closed if that fails."""
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        heed_ends(context)
        self._link = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._using = threading.Lock()  # guards the three above; never held while the network is waited for ...
        self._sending = threading.Lock()  # ... but this one is, so that records leave in their order; taken before the other
        self._peeked = b""
        try:
            self._shake_hands()
        except BaseException:
            sock.close()
            raise

    def _shake_hands(self) -> None:
        while True:
            try:
                self._link.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()
                raise
            else:
                self._flush()
                return

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """Up to ``limit`` octets, empty at the end; ``MSG_PEEK`` leaves them to be read again."""
        data = self._peeked[:limit] or self._read(limit)
        if flags & socket.MSG_PEEK:
            self._peeked = self._peeked or data
        else:
            self._peeked = self._peeked[len(data) :]
        return data

    def _read(self, limit: int) -> bytes:
        while True:
            try:
                with self._using:
                    return self._link.read(limit)
            except ssl.SSLWantReadError:
                self._flush()  # an answer to what was read, such as to an update of keys
                self._receive()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                if not (isinstance(error, ssl.SSLEOFError) or error.reason == _CUT):
                    raise
                message = "the peer ended the connection without saying so"
                raise ConnectionResetError(message) from error

    def _receive(self) -> None:
        data = self._socket.recv(_CHUNK)
        with self._using:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        with self._sending:
            with self._using:
                self._link.write(data)
                records = self._outgoing.read()
            self._socket.sendall(records)

    def send_until(self, data: bytes, until: float) -> None:
        """The same, with time beyond one wait for the network."""
        with self._sending:
            with self._using:
                self._link.write(data)
                records = self._outgoing.read()
            send_until(self._socket, records, until)

    def _flush(self) -> None:
        if self._sending.acquire(blocking=False):  # who reads does not wait for who sends; it is tried again at the next read
            try:
                with self._using:
                    records = self._outgoing.read()
                if records:
                    self._socket.sendall(records)
            finally:
                self._sending.release()

    def settimeout(self, seconds: float | None) -> None:
        """How long one wait for the network may be."""
        self._socket.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """Say goodbye as far as that goes without waiting, and end both ways; who reads in another thread sees the end."""
        with contextlib.suppress(OSError, ValueError), self._using:
            self._link.unwrap()
        if self._sending.acquire(blocking=False):
            try:
                with self._using:
                    records = self._outgoing.read()
                with contextlib.suppress(OSError):
                    self._socket.send(records, socket.MSG_DONTWAIT)
            finally:
                self._sending.release()
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def tunnelled(link: TlsSocket) -> socket.socket:
    """A plain socket whose bytes go over ``link``, both ways, until either ends; for callers that wait by descriptor."""
    near, far = socket.socketpair()
    last = threading.Semaphore(1)  # who does not get it is the last, and closes

    def copy(source: socket.socket | TlsSocket, sink: socket.socket | TlsSocket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                sink.sendall(data)
        for end in (source, sink):  # which ends the other direction
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if not last.acquire(blocking=False):
            source.close()
            sink.close()

    threading.Thread(target=copy, args=(far, link), name="libvdsm-tls-out", daemon=True).start()
    threading.Thread(target=copy, args=(link, far), name="libvdsm-tls-in", daemon=True).start()
    return near
