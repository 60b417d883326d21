"""The floor of what a process behind the front answers: lines come over TCP, go to an echo in a process of its own, and come back.

Both processes do what cannot be left out: read, write once for all that came in a turn, and know whose an answer is. Prints the port
and the pid of the process behind.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

import uvloop

from echo import Echo


class Behind(Echo):
    """The process behind; it ends when the front has gone."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio."""
        os._exit(0)


class Hop(asyncio.Protocol):
    """The front's side of the process behind: lines in, in their order, and each back to whoever sent it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._corked: list[bytes] = []
        self._askers: deque[Callable[[bytes], None]] = deque()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._write = cast("asyncio.Transport", transport).write

    def ask(self, line: bytes, answer: Callable[[bytes], None]) -> None:
        """Send a line with all others of this turn."""
        if not self._corked:
            self._loop.call_soon(self._flush)
        self._corked.append(line)
        self._askers.append(answer)

    def _flush(self) -> None:
        self._write(b"".join(self._corked))
        self._corked.clear()

    def data_received(self, data: bytes) -> None:
        """Give each line to its asker."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._askers.popleft()(line + b"\n")


class Client(asyncio.Protocol):
    """Whoever asks, one line at a time."""

    def __init__(self, hop: Hop) -> None:
        self._ask = hop.ask

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._ask(data, self._write)


async def serve_behind(stream: socket.socket) -> None:
    """Echo until the front has gone."""
    await asyncio.get_running_loop().create_connection(Behind, sock=stream)
    await asyncio.Event().wait()


async def serve(stream: socket.socket, pid: int) -> None:
    """Serve on a free loopback port until killed."""
    loop = asyncio.get_running_loop()
    _transport, hop = await loop.create_connection(Hop, sock=stream)
    server = await loop.create_server(lambda: Client(hop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], pid, flush=True)
    await server.serve_forever()


def main() -> None:
    """Two processes, joined by a socket pair."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    (theirs if pid else ours).close()
    uvloop.run(serve(ours, pid) if pid else serve_behind(theirs))


if __name__ == "__main__":
    main()
