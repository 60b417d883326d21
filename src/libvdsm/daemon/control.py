"""What supervisor and front tell each other, over a socket pair of whole messages that also passes descriptors.

Standard library only. To the front: ``attach`` (with the two ends of a worker's ipc), ``held``, ``degraded``.
To the supervisor: ``ready``. An end of file tells either that the other is gone.
"""

from __future__ import annotations

import json
import socket
from collections import deque
from dataclasses import asdict, dataclass

_LIMIT = 4096
_DESCRIPTORS = 2


@dataclass(frozen=True, slots=True)
class Notice:
    """One message; unused members stay empty."""

    what: str  # attach | held | degraded | ready
    name: str = ""
    reason: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """A notice with the descriptors that came along; now the receiver's to close."""

    notice: Notice
    descriptors: tuple[int, ...]


class ControlEnd:
    """One end; never blocks. What the peer does not take yet waits here."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._waiting: deque[tuple[bytes, list[socket.socket]]] = deque()

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Two sockets for the two ends."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def fileno(self) -> int:
        """To be polled for reading, and for writing while ``has_waiting``."""
        return self._end.fileno()

    @property
    def has_waiting(self) -> bool:
        """Whether ``flush`` has something to do."""
        return bool(self._waiting)

    def send(self, notice: Notice, streams: list[socket.socket] | None = None) -> None:
        """Send; ``streams`` are closed here afterwards. Silently nothing if the peer is gone."""
        self._waiting.append((json.dumps(asdict(notice)).encode()[:_LIMIT], streams or []))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the peer takes it."""
        while self._waiting:
            data, streams = self._waiting[0]
            try:
                socket.send_fds(self._end, [data], [stream.fileno() for stream in streams])
            except BlockingIOError:
                return
            except OSError:
                pass
            self._waiting.popleft()
            _close(streams)

    def receive(self) -> Received | None:
        """The next message, ``None`` at the end of file; raises ``BlockingIOError`` when there is none yet."""
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self._end, _LIMIT, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None
        return Received(Notice(**json.loads(data)), tuple(descriptors)) if data else None

    def close(self) -> None:
        """Close, with what still waits."""
        for _data, streams in self._waiting:
            _close(streams)
        self._waiting.clear()
        self._end.close()


def _close(streams: list[socket.socket]) -> None:
    for stream in streams:
        stream.close()
