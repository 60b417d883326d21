"""How often a client is written to: once for all that one turn of the loop has for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from libvdsm.interfaces.endpoint import Line, LineSession
from libvdsm.transports.connection import Connection, Hub
from libvdsm.transports.line import LineConnection
from tests.fakes.recording_bridge import serve


class Recording:
    """A transport that keeps what is written, one entry for each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """See asyncio."""
        self.writes.append(data)

    def is_closing(self) -> bool:
        """See asyncio."""
        return False

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return 0


class Teller:
    """A session that writes what it is told to the line of somebody else, and a word of its own."""

    has_more = False
    is_waiting = False
    subscriptions = 0
    lag = 0

    def __init__(self, line: Line) -> None:
        self.line = line
        self.others: list[Connection] = []
        self.own: Callable[[bytes], bytes] = lambda data: b"(" + data + b")"
        self._data = b""

    def receive(self, data: bytes) -> None:
        """See ``LineSession``."""
        self._data = data

    def work(self, units: int) -> int:
        """See ``LineSession``."""
        del units
        data, self._data = self._data, b""
        if not data:
            return 0
        own = self.own(data)
        if own:
            self.line.put(own)
        for other in self.others:
            other.put(data)
        return 1


class Room:
    """Two that sit at one table."""

    def __init__(self, hub: Hub) -> None:
        self.tellers: list[Teller] = []
        self.connections = [LineConnection(hub, self._open, protocol="test", is_secure=False) for _ in range(2)]
        self.transports = [Recording() for _ in range(2)]
        for connection, transport in zip(self.connections, self.transports, strict=True):
            connection._transport = cast("asyncio.Transport", transport)

    def _open(self, line: Line) -> LineSession:
        teller = Teller(line)
        self.tellers.append(teller)
        return cast("LineSession", teller)


async def turn() -> None:
    """To the end of this turn of the loop."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_whom_nobody_else_tells_anything_is_answered_at_once() -> None:
    async with serve() as served:
        room = Room(served.tcp)
        for _ in range(3):
            room.connections[0].data_received(b"a")
            assert room.transports[0].writes.pop() == b"(a)"
            await turn()
            assert not room.transports[0].writes


async def test_whom_others_tell_something_as_well_is_written_to_once_in_a_turn() -> None:
    async with serve() as served:
        room = Room(served.tcp)
        first, second = room.connections
        room.tellers[0].others, room.tellers[1].others = [second], [first]
        first.data_received(b"a")
        second.data_received(b"b")
        await turn()
        for transport in room.transports:
            transport.writes.clear()
        first.data_received(b"a")
        second.data_received(b"b")
        assert [transport.writes for transport in room.transports] == [[], []]
        await turn()
        assert [transport.writes for transport in room.transports] == [[b"(a)b"], [b"a(b)"]]


async def test_when_the_others_have_fallen_silent_it_is_answered_at_once_again() -> None:
    async with serve() as served:
        room = Room(served.tcp)
        first, second = room.connections
        room.tellers[1].others = [first]
        second.data_received(b"b")
        await turn()
        assert room.transports[0].writes == [b"b"]
        first.data_received(b"a")
        await turn()
        assert room.transports[0].writes == [b"b", b"(a)"]
        first.data_received(b"c")
        assert room.transports[0].writes == [b"b", b"(a)", b"(c)"]


async def test_what_is_left_for_the_end_of_a_turn_is_not_lost_by_what_has_nothing_to_say() -> None:
    async with serve() as served:
        room = Room(served.tcp)
        first, second = room.connections
        room.tellers[0].own = lambda _data: b""
        room.tellers[1].others = [first]
        second.data_received(b"b")
        first.data_received(b"silent")
        await turn()
        assert room.transports[0].writes == [b"b"]
        first.data_received(b"silent")
        await turn()
        assert room.transports[0].writes == [b"b"]
        first.put(b"late")
        await turn()
        assert room.transports[0].writes == [b"b", b"late"]
