"""Turns of the loop: what one identity sends holds up no other for longer than its share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.transports.connection import Connection
from libvdsm.transports.http import HttpReactor
from libvdsm.transports.rawjson import JsonConnection
from libvdsm.transports.turns import Share, TurnLimits, Turns
from tests.fakes.recording_bridge import serve

LIMITS = TurnLimits(alone=256, shared=48, least=16, calm_s=1.0)


class Loop:
    """Turns by hand: time stands still within each."""

    def __init__(self) -> None:
        self.at = 1.0
        self.ready: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the next turn."""
        self.ready.append(call)

    def turn(self) -> None:
        """The next turn."""
        self.at += 0.001
        ready, self.ready = self.ready, []
        for call in ready:
            call()


class Worker:
    """A connection that has so many messages read."""

    def __init__(self, share: Share, backlog: int) -> None:
        self.share = share
        self.backlog = backlog
        self.worked: list[int] = []

    def arrive(self) -> None:
        """What was read is worked off as far as the share goes, as a reactor does."""
        if self.share.left > 0 or self.share.renew():
            self.share.left -= self.work_off(self.share.left)
        elif self.backlog:
            self.share.defer(self)

    def work_off(self, units: int) -> int:
        """See ``turns.Worker``."""
        done = min(units, self.backlog)
        self.backlog -= done
        self.worked.append(done)
        if self.backlog:
            self.share.defer(self)
        return done


def contended(loop: Loop) -> tuple[Turns, Share, Share]:
    """Two identities, both seen to be busy."""
    turns = Turns(LIMITS, now=lambda: loop.at, call_soon=loop.call_soon)
    flood, polite = turns.share("flood"), turns.share("polite")
    polite.left -= 1
    loop.at += 1
    turns.look(loop.at, flood)
    assert turns.budget == LIMITS.shared
    return turns, flood, polite


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=60))
def test_an_identity_has_one_share_however_many_connections_it_has(backlogs: list[int]) -> None:
    """In no turn do the connections of one identity take more than its share and one least part; all is done in the end."""
    loop = Loop()
    _turns, flood, _polite = contended(loop)
    flood.left = LIMITS.shared
    flood.since = loop.at
    workers = [Worker(flood, backlog) for backlog in backlogs]
    for worker in workers:
        worker.arrive()
    assert sum(sum(worker.worked) for worker in workers) <= LIMITS.shared
    for _turn in range(sum(backlogs)):
        before = sum(sum(worker.worked) for worker in workers)
        loop.turn()
        assert sum(sum(worker.worked) for worker in workers) - before <= LIMITS.shared + LIMITS.least
        if not loop.ready:
            break
    assert not any(worker.backlog for worker in workers)


def test_connections_of_one_identity_take_turns() -> None:
    """A connection with one message waits for no more turns than there are others before it, whatever they have."""
    loop = Loop()
    _turns, flood, _polite = contended(loop)
    flood.left = 0
    flood.since = loop.at
    for _ in range(50):
        Worker(flood, 100_000).arrive()
    late = Worker(flood, 1)
    late.arrive()
    waited = 0
    while late.backlog and waited < 100:
        loop.turn()
        waited += 1
    assert waited <= 51 * LIMITS.least // LIMITS.shared + 1


def test_the_other_identity_waits_for_nobody() -> None:
    """However much one identity has waiting, what another one sends is worked off when it is read."""
    loop = Loop()
    turns, flood, polite = contended(loop)
    for _ in range(50):
        Worker(flood, 1_000_000).arrive()
    for _turn in range(1_000):
        loop.turn()
        ping = Worker(polite, 1)
        ping.arrive()
        assert ping.worked == [1]
    assert turns.budget == LIMITS.shared


def test_whoever_is_alone_has_large_shares_until_somebody_comes() -> None:
    """A second busy identity makes all shares small, and a while after it has gone they are large again."""
    loop = Loop()
    turns, flood, polite = contended(loop)
    loop.at += 1.5
    turns.look(loop.at, flood)
    assert turns.budget == LIMITS.alone
    polite.left -= 1
    loop.at += 0.01
    turns.look(loop.at, flood)
    assert turns.budget == LIMITS.shared


def test_shares_that_nobody_uses_are_forgotten() -> None:
    """Identities come and go."""
    turns = Turns(LIMITS, now=lambda: 0.0, call_soon=lambda _call: None)
    kept = turns.share("kept")
    kept.users = 1
    for number in range(5_000):
        turns.share(f"u{number}")
    assert turns.share("kept") is kept
    assert len(turns._shares) < 2_100


def pings(count: int) -> bytes:
    """As many calls, told apart by their ids."""
    return b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"sum","params":[%d]}\n' % (number, number) for number in range(count))


async def test_a_pipeline_of_one_connection_lets_another_in() -> None:
    """Somebody who sends thousands of calls at once is answered in order, over many turns of the loop, and others between them."""
    async with serve() as served:
        flood, polite = await served.connect(), await served.connect()
        turns = served.tcp.turns
        flood.send(pings(20_000))
        for number in range(3):
            polite.send(pings(1))
            assert json.loads(await polite.line())["result"] == 0, number
        flood.end()
        answers = [json.loads(line) for line in (await flood.rest()).splitlines()]
        flood.close()
        assert [answer["id"] for answer in answers] == list(range(20_000))
        assert turns.turns >= 20_000 // (LIMITS.alone + LIMITS.shared) // 2
        polite.close()


async def test_pipelined_http_requests_are_parsed_piece_by_piece() -> None:
    """Thousands of requests in one read are answered in order, over many turns of the loop."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"sum","params":[1]}\n'
    request = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with serve() as served:
        client = await served.connect()
        client.send(request * 3_000)
        client.end()
        answers = await client.rest()
        client.close()
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == answers.count(b'"result":1}') == 3_000
        assert served.tcp.turns.turns >= 5


class Pipe(asyncio.Transport):
    """A transport that takes all and tells whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def is_reading(self) -> bool:
        """Whether more would come."""
        return self.reading

    def pause_reading(self) -> None:
        """No more comes."""
        self.reading = False

    def resume_reading(self) -> None:
        """More comes."""
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There are none."""

    def get_write_buffer_size(self) -> int:
        """Nothing is kept back."""
        return 0

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True


@pytest.mark.parametrize("road", ("json", "http"))
async def test_who_waits_for_a_turn_is_read_from_no_further(road: str) -> None:
    """A connection that waits keeps one read and a little; all of it is answered over the next turns, and then more is read."""
    body = pings(1)
    head = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    request = body if road == "json" else head + body
    loop = Loop()
    async with serve() as served:
        hub = served.tcp
        hub.turns = Turns(LIMITS, now=lambda: loop.at, call_soon=loop.call_soon)
        caller = Caller(identity="flood", source="certificate", roles=(), rights=Rights())
        connection: Connection
        if road == "json":
            connection = JsonConnection(hub, lambda _sink: served.endpoint.open(caller), lambda _sink: None)
        else:
            connection = HttpReactor(hub, hub._site, caller)
        connection.caller, pipe = caller, Pipe()
        connection.connection_made(pipe)
        count = 0
        while pipe.reading and count < 10_000_000:
            connection.data_received(request * 100)
            count += 100
        assert count * len(request) < 256 * 1024
        for _turn in range(10_000):
            if not loop.ready:
                break
            loop.turn()
        assert pipe.reading
        assert pipe.written.count(b'"result":') == count
        connection.connection_lost(None)
