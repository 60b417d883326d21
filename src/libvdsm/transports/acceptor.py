"""Takes connections from a listening socket, and pauses when descriptors run out.

Accepting waits for nothing but the next client: what a connection still has to prove is proved elsewhere. When hardly a
descriptor is left, the listener rests and looks again a little later; the last ones are kept for who needs them more
(the local socket, files, new workers).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

#: The most connections that are taken in one turn of the loop.
_BATCH: Final = 64
#: How long accepting rests.
PAUSE_S: Final = 0.1
#: Of all descriptors this part, and at most so many, is left for others.
_SHARE: Final = 8
_MOST_KEPT: Final = 32
_NONE_LEFT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: accept(2): the new connection was broken already, or its network is; the next one may be well.
_GONE: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.EPERM,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
    }
)


class Acceptor:
    """Accepts from ``sock``; ``take`` is given each connection, non-blocking, and the peer's address."""

    def __init__(self, sock: socket.socket, take: Callable[[socket.socket, object], None], *, name: str, keeps_free: bool) -> None:
        """``keeps_free``: whether it leaves the last descriptors to others."""
        self._sock = sock
        self._take = take
        self._name = name
        self._keeps_free = keeps_free
        self._resume: asyncio.TimerHandle | None = None
        self._is_open = False
        self.pauses = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to accept."""
        self._loop = loop
        self._sock.setblocking(False)
        self._is_open = True
        loop.add_reader(self._sock.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _accept(self) -> None:
        """Take what waits."""
        for _ in range(_BATCH):
            if self._keeps_free and not self._has_room():
                self._pause("hardly a descriptor is left")
                return
            try:
                taken, address = self._sock.accept()
            except BlockingIOError:
                break
            except OSError as failure:
                if failure.errno in _NONE_LEFT:
                    self._pause(failure.strerror or str(failure))
                    return
                if failure.errno not in _GONE:
                    raise
                continue
            taken.setblocking(False)
            self._take(taken, address)
        if self._resume is not None:
            self._resume = None
            _log.warning("%s: accepts again", self._name)

    def _has_room(self) -> bool:
        """Whether a connection would leave enough descriptors to others: the lowest free one tells."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        try:
            lowest = os.dup(self._sock.fileno())
        except OSError:
            return False
        os.close(lowest)
        return lowest < limit - min(_MOST_KEPT, limit // _SHARE)

    def _pause(self, reason: str) -> None:
        """Rest: the kernel keeps who comes meanwhile."""
        if self._resume is None:
            self.pauses += 1
            _log.warning("%s: accepting pauses: %s", self._name, reason)
        self._loop.remove_reader(self._sock.fileno())
        self._resume = self._loop.call_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._sock.fileno(), self._accept)
