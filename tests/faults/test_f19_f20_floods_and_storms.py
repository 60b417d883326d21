"""F-19 and F-20 at a real daemon: floods of subscriptions leave nothing, storms of events reach everybody in order and hold no command up."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from tests.conftest import StartVdsmd
from tests.faults.caller import calling
from tests.faults.followers import DOORS, Follower
from tests.faults.test_f18_never_reads import records
from tests.faults.test_f23_idle_connections import rss_kib
from tests.faults.test_nothing_is_left import await_alone, figure
from tests.roads import connect

PATIENCE_S = 60.0
#: A hundred thousand in all, over three protocols.
FLOOD = 33_334
CHUNK = 500
#: Of memory, for what the allocator keeps; each flood alone would need several times that if something of each stayed.
ROOM_MIB = 24
QUOTA = 20
STORM = 2_000
MACHINES = 50


def json_flood(number: int) -> bytes:
    """Subscribed and left."""
    calls = (("Event.subscribe", {"topics": [f"vm.{number}"], "subscriptionId": "s"}), ("Event.unsubscribe", {"subscriptionId": "s"}))
    return b"".join(
        json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": params}).encode() + b"\n" for name, params in calls
    )


def stomp_flood(number: int) -> bytes:
    """The same; every one has a receipt, so that somebody answers."""
    destination = (b"/topic/vm.#", b"/topic/news.*", b"/topic/news.%d" % number)[number % 3]
    return b"SUBSCRIBE\nid:s\ndestination:%b\n\n\0UNSUBSCRIBE\nid:s\nreceipt:%d\n\n\0" % (destination, number)


def amqp_flood(number: int) -> bytes:
    """The same by links, each of which is answered twice."""
    source = p.Source(f"/topic/news.{number}" if number % 2 else "/topic/vm.#")
    attach = p.Attach(f"link-{number}", 0, role=True, source=source, target=p.Target())
    return encode_frame(0, attach) + encode_frame(0, p.Detach(0, True))


_GREETING = b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0"
_OPENING = AMQP_HEADER + encode_frame(0, p.Open("flood")) + encode_frame(0, p.Begin(None, 0, 1_000, 1_000))
FLOODS: dict[str, tuple[bytes, Callable[[int], bytes], bytes, int]] = {
    "json": (b"", json_flood, b'"jsonrpc"', 2),
    "stomp": (_GREETING, stomp_flood, b"RECEIPT\n", 1),
    "amqp": (_OPENING, amqp_flood, b"\x00\x53\x16", 1),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("protocol", FLOODS)
def test_f19_floods_of_subscriptions_leave_nothing(vdsmd: StartVdsmd, protocol: str) -> None:
    """All are answered, memory stays, others are served; afterwards there is no subscription."""
    daemon = vdsmd(hypervisor="simulator:1", verify=False)
    first, one, answer, answers = FLOODS[protocol]
    with calling(daemon) as local:
        level = 0
        with connect(daemon.socket) as stream:
            stream.settimeout(PATIENCE_S)
            stream.sendall(first)
            for begin in range(0, FLOOD, CHUNK):
                stream.sendall(b"".join(map(one, range(begin, begin + CHUNK))))
                heard = 0
                rest = b""
                while heard < answers * CHUNK:
                    data = stream.recv(1 << 18)
                    assert data, rest[-300:]
                    rest += data
                    heard += rest.count(answer)
                    rest = rest[rest.rfind(answer) + len(answer) :] if answer in rest else rest
                assert local.call("Host.ping") == {"pong": True}
                level = level or rss_kib(daemon.front)
        assert rss_kib(daemon.front) - level < ROOM_MIB * 1024
        await_alone(local)
        assert figure(daemon.socket, "libvdsm_event_subscriptions") == 0
    assert "Traceback" not in daemon.log


def test_f19_a_connection_and_an_identity_have_so_many_and_no_more(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Over the quota of the identity it is said so, typed, on whichever connection; what ended is free again."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[limits]\nsubscriptions = {QUOTA}\n")
    daemon = vdsmd("--config", str(file), hypervisor="simulator:1")
    assert daemon.port is not None
    call = b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe","params":{"topics":["#"]}}\n'

    def subscribe(stream: socket.socket, times: int) -> list[bytes]:
        reader = stream.makefile("rb")
        stream.sendall(call * times)
        return [reader.readline() for _ in range(times)]

    with calling(daemon) as local:
        for _ in range(2):
            with ExitStack() as opened:
                two = [opened.enter_context(connect(("127.0.0.1", daemon.port))) for _ in range(2)]
                told = subscribe(two[0], QUOTA - 5) + subscribe(two[1], 10)
                assert [b"LimitExceeded" in each for each in told] == [False] * QUOTA + [True] * 5
                assert local.call("Event.subscribe", {"topics": ["#"]})["resume"]  # somebody else's quota is his own
            await_alone(local)


@pytest.mark.timeout(300)
def test_f20_a_storm_reaches_everybody_in_order_and_holds_no_command_up(vdsmd: StartVdsmd) -> None:
    """Thousands of changes of fifty machines, as fast as they can be made: each door tells each of them once, in order, and calls are answered."""
    daemon = vdsmd(hypervisor=f"simulator:{MACHINES}")
    assert daemon.port is not None
    with calling(daemon) as local, ExitStack() as opened, connect(daemon.socket) as storm:
        local.await_(lambda: local.condition("virt") == "ready" and len(local.states()) == MACHINES, "all machines are seen")
        ids = sorted(local.states())
        begin = local.call("Event.read", {"topics": ["vm.#"]})["resume"]
        followers = {name: opened.enter_context(Follower(door, daemon.port, daemon.socket)) for name, door in DOORS.items()}
        for each in followers.values():
            each.await_begun()
        reader = storm.makefile("rb")
        storm.settimeout(PATIENCE_S)
        for number in range(0, STORM, MACHINES):
            calls = (
                {"jsonrpc": "2.0", "id": place, "method": "VM.update", "params": {"vmId": id, "config": {"metadata": {"n": str(number)}}}}
                for place, id in enumerate(ids)
            )
            storm.sendall(b"".join(json.dumps(call).encode() + b"\n" for call in calls))
            for _ in ids:
                assert b'"result"' in reader.readline()
            assert local.call("Host.ping") == {"pong": True}
        told = records(local, begin)
        assert len(told) >= STORM
        assert told == sorted(set(told))
        for name, each in followers.items():
            each.await_record(told[-1])
            heard = each.sequences()
            assert heard == told[told.index(heard[0]) :], name
            assert len(heard) >= STORM, name
