"""A proxy between a client and a daemon that does to the bytes what a bad network does: TCP on the client's side, TCP or unix behind.

``Chaos`` says what: octets may come one by one, late, or only up to a place, where the line is cut, half-closed or goes
silent. It runs in a thread of its own, so that blocking clients can be tested. Standard library only.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

Behind: TypeAlias = Path | tuple[str, int]


class End(Enum):
    """What happens at the place where a direction ends."""

    CUT = "cut"  # both sides are reset
    HALF_CLOSE = "half-close"  # no more comes this way, and the receiver is told so
    BLACKHOLE = "blackhole"  # no more comes this way, and nobody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What becomes of the bytes of one direction."""

    piece: int = 65536  # octets that are passed on at a time
    delay_s: float = 0.0  # before each piece
    until: int | None = None  # octets that are passed on at all; after 0 the way ends when the first one comes
    end: End = End.CUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Both directions."""

    to_daemon: Way = field(default_factory=Way)
    to_client: Way = field(default_factory=Way)


class _Link:
    """One connection through the proxy."""

    def __init__(self, chaos: Chaos, near: tuple[asyncio.StreamReader, asyncio.StreamWriter], behind: Behind) -> None:
        self._chaos = chaos
        self._near = near
        self._behind = behind

    async def run(self) -> None:
        if isinstance(self._behind, Path):
            far = await asyncio.open_unix_connection(str(self._behind))
        else:
            far = await asyncio.open_connection(*self._behind)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(self._near[0], far[1], self._chaos.to_daemon))
                group.create_task(self._pass_on(far[0], self._near[1], self._chaos.to_client))
        except* (_CutError, OSError):
            pass
        finally:
            for _reader, writer in (self._near, far):
                _reset(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        left = way.until
        if left == 0:
            await reader.read(1)
        while left is None or left > 0:
            data = await reader.read(way.piece if left is None else min(way.piece, left))
            if not data:
                writer.write_eof()
                return
            if way.delay_s:
                await asyncio.sleep(way.delay_s)
            writer.write(data)
            await writer.drain()
            left = None if left is None else left - len(data)
        if way.end is End.CUT:
            raise _CutError
        if way.end is End.HALF_CLOSE:
            writer.write_eof()
        while await reader.read(65536):  # swallowed
            pass
        if way.end is End.BLACKHOLE:
            await asyncio.Event().wait()


class _CutError(Exception):
    """The line is cut."""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def chaos(behind: Behind, how: Chaos) -> Iterator[tuple[str, int]]:
    """The address of a proxy to ``behind``; all its connections end with it."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, tuple[str, int]]] = []
    started = threading.Event()

    async def serve() -> None:
        links: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(_Link(how, (reader, writer), behind).run())
            links.add(task)
            task.add_done_callback(links.discard)

        stop = asyncio.Event()
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        ready.append((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[:2]))
        started.set()
        await stop.wait()
        server.close()
        for task in tuple(links):
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="chaos")
    thread.start()
    started.wait(60)
    loop, stop, address = ready[0]
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
