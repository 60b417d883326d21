"""Many TLS clients that say one word and then nothing: a program, because they have their own descriptors and time.

Arguments: port, number. Each line on stdin is a command: ``again`` closes all and connects all at once; the end of stdin ends.
After each round it prints the seconds that the round took and how many had to try more than once.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from typing import cast

import uvloop

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'
_TRIES = 20
#: So many at a time in the first round; all at once in every other.
_CALM = 200


class Idle(asyncio.Protocol):
    """One client; ``answered`` is set by the first answer."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(PING)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if not self.answered.done() and data.endswith(b"\n"):
            self.answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError())


async def connect(port: int, context: ssl.SSLContext, gate: asyncio.Semaphore) -> tuple[Idle, int]:
    """A client that was answered, and how often it tried; whoever is refused comes back later."""
    for attempt in range(1, _TRIES + 1):
        try:
            async with gate:
                _transport, idle = await asyncio.get_running_loop().create_connection(
                    Idle, "127.0.0.1", port, ssl=context, ssl_handshake_timeout=120
                )
                await idle.answered
        except OSError:
            await asyncio.sleep(0.2 * attempt)
        else:
            return idle, attempt
    msg = "was never answered"
    raise TimeoutError(msg)


async def main(port: int, number: int) -> None:
    """Connect, and again as often as asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    idle: list[Idle] = []
    gate = asyncio.Semaphore(_CALM)
    while True:
        begin = time.monotonic()
        for each in idle:
            if each.transport is not None:
                each.transport.abort()
        made = await asyncio.gather(*(connect(port, context, gate) for _ in range(number)))
        gate = asyncio.Semaphore(number)
        idle = [each for each, _attempts in made]
        print(time.monotonic() - begin, sum(attempts > 1 for _each, attempts in made), flush=True)  # noqa: T201 - a program
        line = await asyncio.to_thread(sys.stdin.readline)
        if line.strip() != "again":
            return


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
