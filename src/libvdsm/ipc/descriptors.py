"""Open files across the border: a second socket pair passes them one by one under a token.

What they are for is said on the channel; token and descriptor may arrive in either order. Whatever is not
claimed, or claimed and never arrives, is forgotten after ``patience_s``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

TOKEN = 8
UNCLAIMED_LIMIT = 256
PATIENCE_S = 10.0

#: Takes the socket that was claimed.
Taker = Callable[[socket.socket], None]


def side_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a new side channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class DescriptorSide:
    """One end; belongs to the running loop. ``end`` is now its own to close."""

    def __init__(self, end: socket.socket, *, patience_s: float = PATIENCE_S) -> None:
        end.setblocking(False)
        self._end = end
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._outgoing: deque[tuple[int, socket.socket]] = deque()
        self._arrived: dict[int, tuple[int, float]] = {}
        self._claimed: dict[int, tuple[Taker, float]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._last_token = 0
        self._loop.add_reader(end.fileno(), self._receive)

    def send(self, stream: socket.socket) -> int:
        """Send ``stream``, which is closed here afterwards; answers its token. Never blocks, never raises."""
        self._last_token += 1
        if self._end.fileno() < 0:
            stream.close()
            return self._last_token
        self._outgoing.append((self._last_token, stream))
        if len(self._outgoing) == 1:
            self._send_waiting()
        return self._last_token

    def claim(self, token: int, taker: Taker) -> None:
        """Give the descriptor under ``token`` to ``taker``: at once, or when it arrives."""
        found = self._arrived.pop(token, None)
        if found is not None:
            taker(_as_socket(found[0]))
        elif self._end.fileno() >= 0:
            self._claimed[token] = (taker, self._loop.time() + self._patience_s)
            self._look_after()

    @property
    def unclaimed(self) -> int:
        """Descriptors that arrived and nobody has asked for."""
        return len(self._arrived)

    def close(self) -> None:
        """Close the end and every descriptor that waits. Idempotent."""
        if self._end.fileno() < 0:
            return
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for _token, stream in self._outgoing:
            stream.close()
        for descriptor, _until in self._arrived.values():
            os.close(descriptor)
        self._outgoing.clear()
        self._arrived.clear()
        self._claimed.clear()

    def _send_waiting(self) -> None:
        while self._outgoing:
            token, stream = self._outgoing[0]
            try:
                socket.send_fds(self._end, [token.to_bytes(TOKEN, "big")], [stream.fileno()])
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._send_waiting)
                return
            except OSError as failure:
                _log.warning("descriptor %d could not be sent: %s", token, failure)
            self._outgoing.popleft()
            stream.close()
        self._loop.remove_writer(self._end.fileno())

    def _receive(self) -> None:
        try:
            data, descriptors, flags, _address = socket.recv_fds(self._end, TOKEN, 4, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as failure:
            _log.warning("the side channel broke: %s", failure)
            data, descriptors, flags = b"", [], 0
        if not data:
            _close_all(descriptors)
            self._loop.remove_reader(self._end.fileno())
            return
        if len(data) != TOKEN or len(descriptors) != 1 or flags & socket.MSG_CTRUNC:
            _log.warning("the side channel carried %d octets and %d descriptors; they are dropped", len(data), len(descriptors))
            _close_all(descriptors)
            return
        self._keep(int.from_bytes(data, "big"), descriptors[0])

    def _keep(self, token: int, descriptor: int) -> None:
        claimed = self._claimed.pop(token, None)
        if claimed is not None:
            claimed[0](_as_socket(descriptor))
        elif token in self._arrived or len(self._arrived) >= UNCLAIMED_LIMIT:
            _log.warning("descriptor %d is one too many; it is closed", token)
            os.close(descriptor)
        else:
            self._arrived[token] = (descriptor, self._loop.time() + self._patience_s)
            self._look_after()

    def _look_after(self) -> None:
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._patience_s / 4, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        for token in [token for token, (_descriptor, until) in self._arrived.items() if until <= now]:
            os.close(self._arrived.pop(token)[0])
            _log.warning("descriptor %d was never claimed; it is closed", token)
        for token in [token for token, (_taker, until) in self._claimed.items() if until <= now]:
            del self._claimed[token]
            _log.warning("descriptor %d was announced and never came", token)
        self._sweeper = None
        if self._arrived or self._claimed:
            self._look_after()


def _as_socket(descriptor: int) -> socket.socket:
    stream = socket.socket(fileno=descriptor)
    stream.setblocking(False)
    return stream


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
