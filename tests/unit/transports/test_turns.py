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
from tests.fakes.recording_bridge import Served, serve

LIMITS = TurnLimits(alone=256, beside=96, shared=48, at_once=48, least=16, calm_s=1.0)


class Loop:
    """Turns by hand: time stands still within each."""

    def __init__(self) -> None:
        self.at = 1.0
        self.worked_s = 0.0  # what ``clock`` tells
        self.ready: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the next turn."""
        self.ready.append(call)

    def clock(self) -> float:
        """How long things took, all in all."""
        return self.worked_s

    def turn(self) -> None:
        """The next turn."""
        self.at += 0.001
        ready, self.ready = self.ready, []
        for call in ready:
            call()


class Worker:
    """A connection that has so many messages read, each of which takes so long."""

    def __init__(self, share: Share, backlog: int, *, loop: Loop | None = None, message_s: float = 0.0) -> None:
        self.share = share
        self.backlog = backlog
        self.loop = loop or Loop()
        self.message_s = message_s
        self.took_s = 0.0
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
        self.took_s += done * self.message_s
        self.loop.worked_s += done * self.message_s
        self.worked.append(done)
        if self.backlog:
            self.share.defer(self)
        return done


class Indivisible(Worker):
    """One message of it takes longer than a share."""

    def work_off(self, units: int) -> int:
        """One and no more."""
        return super().work_off(min(units, 1))


class Broken(Worker):
    """It has a fault."""

    def work_off(self, units: int) -> int:
        """Fails."""
        raise RuntimeError


def contended(loop: Loop) -> tuple[Turns, Share, Share]:
    """Two identities, both seen to be busy."""
    turns = Turns(LIMITS, now=lambda: loop.at, call_soon=loop.call_soon, clock=loop.clock)
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


def test_whoever_is_connected_and_silent_makes_turns_shorter() -> None:
    """The first thing that somebody says after a while does not wait for a turn as long as nobody would mind."""
    loop = Loop()
    turns = Turns(LIMITS, now=lambda: loop.at, call_soon=loop.call_soon, clock=loop.clock)
    flood, silent = turns.share("flood"), turns.share("silent")
    seen = []
    for users in (0, 1, 0):
        silent.users = users
        loop.at += 0.01
        turns.look(loop.at, flood)
        seen.append((turns.budget, turns.slice_s, turns.is_shared))
    alone, beside = (LIMITS.alone, LIMITS.alone_s, False), (LIMITS.beside, LIMITS.beside_s, False)
    assert seen == [alone, beside, alone]


def test_what_is_done_as_it_is_read_is_little_beside_others() -> None:
    """Of fifty connections that each ask once, a few are answered at once and the others in the next turns, none of them never."""
    loop = Loop()
    limits = TurnLimits()
    turns = Turns(limits, now=lambda: loop.at, call_soon=loop.call_soon, clock=loop.clock)
    flood, polite = turns.share("flood"), turns.share("polite")
    polite.left -= 1
    turns.look(loop.at, flood)
    assert turns.is_shared
    workers = [Worker(flood, 1) for _ in range(50)]
    for worker in workers:
        worker.arrive()
    assert sum(not worker.backlog for worker in workers) <= 2 * limits.at_once
    ping = Worker(polite, 1)
    ping.arrive()
    assert ping.worked == [1]
    needed = 0
    while any(worker.backlog for worker in workers):
        assert loop.ready
        before = sum(not worker.backlog for worker in workers)
        loop.turn()
        assert sum(not worker.backlog for worker in workers) - before <= limits.shared
        needed += 1
    assert needed <= 50 // limits.shared + 1
    assert not loop.ready


def test_a_turn_ends_when_its_time_is_up() -> None:
    """However few units are used: no message is begun after the time, and whoever was not served is the first of the next turn."""
    loop = Loop()
    turns, flood, _polite = contended(loop)
    flood.left, flood.since = 0, loop.at
    workers = [Worker(flood, 1, loop=loop, message_s=0.4 * turns.slice_s) for _ in range(30)]
    for worker in workers:
        worker.arrive()
    served = []
    for _turn in range(10):
        loop.turn()
        served.append([number for number, worker in enumerate(workers) if not worker.backlog])
    assert served == [list(range(3 * turn)) for turn in range(1, 11)]
    assert not loop.ready


def test_what_took_longer_than_a_share_is_owed_to_those_who_wait() -> None:
    """One whose messages take forty shares of time each has no more of the time than one whose messages are short."""
    loop = Loop()
    turns, flood, polite = contended(loop)
    flood.left = polite.left = 0
    flood.since = polite.since = loop.at
    long = Indivisible(flood, 1_000, loop=loop, message_s=40 * turns.slice_s)
    short = Worker(polite, 1_000_000, loop=loop, message_s=0.1 * turns.slice_s)
    long.arrive()
    short.arrive()
    for _turn in range(2_000):
        loop.turn()
    assert long.backlog
    assert short.backlog
    assert abs(long.took_s - short.took_s) <= 41 * turns.slice_s


def test_nothing_is_owed_to_nobody() -> None:
    """While nobody else waits, no turn is passed over; and what is owed has a bound."""
    loop = Loop()
    turns, flood, polite = contended(loop)
    flood.left, flood.since = 0, loop.at
    slow = Indivisible(flood, 3, loop=loop, message_s=1.0)
    slow.arrive()
    loop.turn()
    loop.turn()
    assert slow.backlog == 1
    assert flood.owes_s == LIMITS.owed_s
    polite.left, polite.since = 0, loop.at
    Worker(polite, 1_000_000, loop=loop, message_s=turns.slice_s).arrive()
    waited = 0
    while slow.backlog:
        loop.turn()
        waited += 1
    assert waited <= LIMITS.owed_s / turns.slice_s + 2


def test_a_worker_that_fails_holds_up_nobody() -> None:
    """The loop is told, and everybody else has his turn all the same."""
    loop = Loop()
    _turns, flood, polite = contended(loop)
    flood.left = polite.left = 0
    flood.since = polite.since = loop.at
    broken, sound = Broken(flood, 1), Worker(flood, 1)
    flood.defer(broken)
    sound.arrive()
    other = Worker(polite, 1)
    other.arrive()
    with pytest.raises(RuntimeError):
        loop.turn()
    loop.turn()
    assert (sound.backlog, other.backlog) == (0, 0)
    assert not loop.ready


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
        self.has_closed = False
        self.protocol: asyncio.BaseProtocol | None = None  # if it has changed
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.has_closed

    def abort(self) -> None:
        """It is gone."""
        self.has_closed = True

    close = abort

    def is_reading(self) -> bool:
        """Whether more would come."""
        return self.reading

    def pause_reading(self) -> None:
        """No more comes."""
        self.reading = False

    def resume_reading(self) -> None:
        """More comes."""
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told."""
        assert not self.reading
        self.protocol = protocol

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
        hub.turns = Turns(LIMITS, now=lambda: loop.at, call_soon=loop.call_soon, clock=loop.clock)
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


class Place:
    """Connections of any identity on a hub whose turns are made by hand."""

    def __init__(self, served: Served, road: str, loop: Loop) -> None:
        self.served = served
        self.road = road
        self.hub = served.tcp
        self.hub.turns = Turns(now=lambda: loop.at, call_soon=loop.call_soon, clock=loop.clock)
        self.request = pings(1)
        if road == "http":
            head = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self.request = head % len(self.request) + self.request

    def connect(self, identity: str) -> tuple[Connection, Pipe]:
        """A connection of somebody."""
        caller = Caller(identity=identity, source="certificate", roles=(), rights=Rights())
        connection: Connection
        if self.road == "json":
            connection = JsonConnection(self.hub, lambda _sink: self.served.endpoint.open(caller), lambda _sink: None)
        else:
            connection = HttpReactor(self.hub, self.hub._site, caller)
        connection.caller, pipe = caller, Pipe()
        connection.connection_made(pipe)
        return connection, pipe


def answered(pipe: Pipe) -> int:
    """How many answers were written."""
    return pipe.written.count(b'"result":')


@pytest.mark.parametrize("road", ("json", "http"))
async def test_whoever_goes_on_while_it_waits_is_not_read_beside_others(road: str) -> None:
    """Fifty connections that never stop sending are each read twice and then no more, until it is their turn; all have theirs."""
    loop = Loop()
    async with serve() as served:
        place = Place(served, road, loop)
        polite, polite_pipe = place.connect("polite")
        flood = [place.connect("flood") for _ in range(50)]
        polite.data_received(place.request)
        loop.at += 0.01
        turns = place.hub.turns
        turns.look(loop.at, turns.share("flood"))
        assert turns.is_shared
        sent = [0] * len(flood)
        for turn in range(400):
            reads = 0
            for number, (connection, pipe) in enumerate(flood):
                if pipe.reading:
                    connection.data_received(place.request)
                    sent[number] += 1
                    reads += 1
            assert turn < 2 or reads <= 2 * (turns.limits.shared + turns.limits.at_once)  # those who had their turn, and as much again
            before = answered(polite_pipe)
            polite.data_received(place.request)
            assert answered(polite_pipe) == before + 1
            loop.turn()
        assert min(answered(pipe) for _connection, pipe in flood) >= 400 // 50
        for _turn in range(400):
            loop.turn()
        assert all(pipe.reading for _connection, pipe in flood)
        assert [answered(pipe) for _connection, pipe in flood] == sent
        for connection, _pipe in (*flood, (polite, polite_pipe)):
            connection.connection_lost(None)


@pytest.mark.parametrize("road", ("json", "http"))
async def test_whoever_is_alone_is_read_while_it_waits(road: str) -> None:
    """Nobody is to be spared, so nobody pays for it."""
    loop = Loop()
    async with serve() as served:
        place = Place(served, road, loop)
        connection, pipe = place.connect("flood")
        connection.data_received(place.request * 300)
        assert answered(pipe) < 300
        for _read in range(5):
            connection.data_received(place.request)
            assert pipe.reading
        while loop.ready:
            loop.turn()
        assert answered(pipe) == 305
        connection.connection_lost(None)


@pytest.mark.parametrize("road", ("json", "http"))
async def test_a_connection_that_goes_while_it_waits_is_forgotten(road: str) -> None:
    """Nothing of it is done, and the others of its identity go on."""
    loop = Loop()
    async with serve() as served:
        place = Place(served, road, loop)
        turns = place.hub.turns
        polite, _polite_pipe = place.connect("polite")
        polite.data_received(place.request)
        gone, gone_pipe = place.connect("flood")
        stays, stays_pipe = place.connect("flood")
        loop.at += 0.01
        turns.look(loop.at, turns.share("flood"))
        for connection in (gone, stays):
            connection.data_received(place.request * 200)
            connection.data_received(place.request)
        assert (gone_pipe.reading, stays_pipe.reading) == (False, False)
        assert isinstance(stays_pipe.protocol, asyncio.BufferedProtocol)  # from now on little is read at a time
        assert len(stays_pipe.protocol.get_buffer(-1)) <= 64 * 1024  # type: ignore[arg-type]
        before = answered(gone_pipe)
        gone.abort()
        gone.connection_lost(None)
        while loop.ready:
            loop.turn()
        assert answered(gone_pipe) == before
        assert answered(stays_pipe) == 201
        assert stays_pipe.reading
        assert not turns.share("flood").waiting
        assert turns.share("flood").users == 1
        stays.connection_lost(None)
        polite.connection_lost(None)
