"""The floors of every server on this loop: a bare echo, and a bare fan-out. Prints their ports."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop


class Echo(asyncio.Protocol):
    """Gives back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._write(data)


class FanOut(asyncio.Protocol):
    """Gives what it gets to all others."""

    def __init__(self, members: list[asyncio.Transport]) -> None:
        self._members = members

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One more."""
        self._own = cast("asyncio.Transport", transport)
        self._members.append(self._own)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """One less."""
        self._members.remove(self._own)

    def data_received(self, data: bytes) -> None:
        """Send it to the others."""
        for member in self._members:
            if member is not self._own:
                member.write(data)


async def serve() -> None:
    """Serve on free loopback ports until killed."""
    members: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    echo = await loop.create_server(Echo, "127.0.0.1", 0)
    fan_out = await loop.create_server(lambda: FanOut(members), "127.0.0.1", 0)
    print(echo.sockets[0].getsockname()[1], fan_out.sockets[0].getsockname()[1], flush=True)
    await echo.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
