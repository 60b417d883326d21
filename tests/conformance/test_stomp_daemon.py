"""STOMP over real connections to a real daemon: what a codec and a session alone cannot show. The numbers are the checklist's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import SERVER_COMMANDS, Frame
from libvdsm.wire.stomp.frames import encode
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.own_time import OwnTime

GREETING = b"STOMP\naccept-version:1.2\nhost:here\n\n\0"


class Client:
    """A client on a socket."""

    def __init__(self, daemon: VdsmdProcess, road: str = "tcp", *, greets: bool = True) -> None:
        if road == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(daemon.socket))
        else:
            assert daemon.port is not None
            self.sock = socket.create_connection(("127.0.0.1", daemon.port))
        self.sock.settimeout(60)
        self.stream = StompStream(commands=SERVER_COMMANDS)
        self.stream.set_rules(version="1.2", is_strict=True)
        self.is_over = False
        if greets:
            self.raw(GREETING)
            assert self.frame().command == "CONNECTED"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def send(self, command: str, *headers: tuple[str, str], body: bytes = b"") -> None:
        """Send a frame."""
        self.raw(encode(command, headers, body))

    def frame(self) -> Frame:
        """The next frame."""
        while (found := self.stream.next_frame()) is None:
            data = self.sock.recv(65536)
            assert data, "the connection ended"
            self.stream.receive_data(data)
        return found

    def rest(self) -> bytes:
        """All until the end."""
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self.sock.recv(65536):
                found += data
        return found

    def receipt(self, command: str, *headers: tuple[str, str], body: bytes = b"") -> Frame:
        """Send a frame and wait for what is said to it."""
        self.send(command, *headers, ("receipt", "r"), body=body)
        return self.frame()

    def call(self, method: str, **params: object) -> object:
        """The result of a call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        self.send("SEND", ("destination", "/exchange/requests"), ("reply-to", "/temp-queue/calls"), body=body)
        answer = json.loads(self.frame().body)
        assert "result" in answer, answer
        return answer["result"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """A daemon for all of these tests."""
    started = start_vdsmd(tmp_path_factory.mktemp("stomp"))
    yield started
    started.stop()


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def make_queue(client: Client, name: str) -> None:
    """A durable queue."""
    client.call("Queue.create", name=name)


@pytest.mark.parametrize("road", ("tcp", "unix"))
def test_st_040_calls_and_events_over_every_road(daemon: VdsmdProcess, road: str) -> None:
    with Client(daemon, road) as client:
        items = client.call("VM.list")
        assert isinstance(items, dict)
        vm = items["items"][0]["id"]
        client.send("SUBSCRIBE", ("destination", f"/topic/vm.{vm}"), ("id", "v"), ("snapshot", "true"))
        event = client.frame()
        assert (event.headers["subscription"], json.loads(event.body)["object"]["id"]) == ("v", vm)
        assert event.headers["resume"]


@pytest.mark.parametrize("cut", range(1, len(GREETING)))
def test_st_024_the_first_frame_may_come_in_any_pieces(daemon: VdsmdProcess, cut: int) -> None:
    with Client(daemon, greets=False) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.raw(GREETING[:cut])
        client.raw(GREETING[cut:])
        assert client.frame().command == "CONNECTED"


def test_st_053_144_an_error_arrives_while_the_client_still_sends(daemon: VdsmdProcess) -> None:
    with Client(daemon, greets=False) as client:
        client.raw(b"CONNECT\naccept-version:9\n\n\0")
        with contextlib.suppress(OSError):
            for _ in range(50):
                client.raw(b"SEND\ndestination:/queue/a\n\n" + b"x" * 10_000 + b"\0")
        said = client.rest()
        assert said.startswith(b"ERROR\n")
        assert b"version:1.0,1.1,1.2" in said.replace(b"\\c", b":")
        assert said.count(b"\0") == 1


def test_st_034_144_147_a_body_that_is_too_long_is_the_end(daemon: VdsmdProcess) -> None:
    with Client(daemon) as client:
        client.raw(b"SEND\ndestination:/queue/a\nreceipt:r\ncontent-length:99999999\n\n")
        error = client.frame()
        assert (error.command, error.headers["receipt-id"]) == ("ERROR", "r")
        assert client.rest() == b""


def test_st_065_a_client_that_promised_to_live_and_does_not_is_dropped(daemon: VdsmdProcess) -> None:
    with Client(daemon, greets=False) as client:
        began, clock = time.monotonic(), OwnTime(lambda: (daemon.front,))
        client.raw(b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:1000,1000\n\n\0")
        assert client.frame().headers["heart-beat"] == "1000,1000"
        said = client.rest()
        assert time.monotonic() - began >= 1.5
        assert clock.seconds() < 3.0
        assert set(said) == {ord("\n")}


def test_st_063_beats_come_in_time_from_a_daemon_at_work(daemon: VdsmdProcess) -> None:
    with Client(daemon, greets=False) as client, Client(daemon) as other:
        client.raw(b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,1000\n\n\0")
        client.frame()
        for _ in range(4):
            clock = OwnTime(lambda: (daemon.front,))
            for _ in range(20):
                other.call("VM.list")
            assert set(client.sock.recv(10)) == {ord("\n")}
            assert clock.seconds() < 1.5  # a second, and what a busy machine adds


def test_st_084_132_137_what_has_its_receipt_survives_kill_9_and_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """Killed among transactions that follow each other, wherever in one of them that may be."""
    daemon = start_vdsmd(tmp_path)
    queue = ("destination", "/queue/kept")
    try:
        with Client(daemon) as client:
            make_queue(client, "kept")
            for number in range(5):
                assert client.receipt("SEND", queue, body=b"%d" % number).command == "RECEIPT"
            transactions = b""
            for number in range(100):
                name = ("transaction", f"t{number}")
                steps = [encode("SEND", [queue, name], b"%d %d" % (number, step)) for step in range(20)]
                transactions += encode("BEGIN", [name]) + b"".join(steps) + encode("COMMIT", [name, ("receipt", name[1])])
            client.raw(transactions)
            done = [client.frame().headers["receipt-id"] for _ in range(10)]
            assert done == [f"t{number}" for number in range(10)]
            os.kill(daemon.front, signal.SIGKILL)
        daemon.stop()
        daemon = start_vdsmd(tmp_path)
        with Client(daemon) as client:
            assert client.receipt("SEND", queue, body=b"end").command == "RECEIPT"  # behind all that is there
            client.send("SUBSCRIBE", queue, ("id", "1"))
            found = list(iter(lambda: client.frame().body, b"end"))
            kept = (len(found) - 5) // 20
            assert kept >= len(done)
            assert found == [b"0", b"1", b"2", b"3", b"4", *(b"%d %d" % (number, step) for number in range(kept) for step in range(20))]
    finally:
        daemon.stop()


def test_st_118_135_a_lost_client_s_messages_go_to_another_in_order(daemon: VdsmdProcess) -> None:
    with Client(daemon) as owner:
        make_queue(owner, "shared")
        for number in range(3):
            owner.receipt("SEND", ("destination", "/queue/shared"), body=b"%d" % number)
        with Client(daemon) as first:
            first.send("SUBSCRIBE", ("destination", "/queue/shared"), ("id", "1"), ("ack", "client"))
            given = [first.frame() for _ in range(3)]
            first.send("BEGIN", ("transaction", "t"))
            first.receipt("ACK", ("id", given[2].headers["ack"]), ("transaction", "t"))
        owner.send("SUBSCRIBE", ("destination", "/queue/shared"), ("id", "1"), ("ack", "client"))
        again = [owner.frame() for _ in range(3)]
        assert [frame.body for frame in again] == [b"0", b"1", b"2"]
        assert all(frame.headers.get("redelivered") == "true" for frame in again)


def test_st_148_149_a_thousand_clients_that_connect_send_and_go(daemon: VdsmdProcess) -> None:
    with Client(daemon) as owner:
        make_queue(owner, "many")
        before = descriptors(daemon.front)
        message = encode("SEND", [("destination", "/queue/many")], b"x")
        for number in range(1_000):
            with Client(daemon, greets=False) as client:
                client.raw(GREETING + message)
                if number % 2:
                    client.frame()  # else it is gone before it is greeted
        owner.send("SUBSCRIBE", ("destination", "/queue/many"), ("id", "1"))
        assert [owner.frame().body for _ in range(1_000)] == [b"x"] * 1_000
        owner.send("UNSUBSCRIBE", ("id", "1"))
        deadline = time.monotonic() + 60
        while descriptors(daemon.front) > before + 5 and time.monotonic() < deadline:
            owner.call("Host.ping")
        assert descriptors(daemon.front) <= before + 5


def test_jr_073_answers_are_correlated_and_forged_reply_addresses_refused(daemon: VdsmdProcess) -> None:
    with Client(daemon) as victim, Client(daemon) as forger:
        make_queue(victim, "meeting")
        forger.send("SUBSCRIBE", ("destination", "/queue/meeting"), ("id", "m"))
        victim.receipt("SEND", ("destination", "/queue/meeting"), ("reply-to", "/temp-queue/private"), body=b"x")
        private = forger.frame().headers["reply-to"]
        assert private.startswith("/temp-queue/")
        body = b'{"jsonrpc":"2.0","id":7,"method":"Host.ping"}'
        for number in range(3):
            forger.send(
                "SEND", ("destination", "/exchange/requests"), ("reply-to", "/temp-queue/own"), ("correlation-id", f"c{number}"), body=body
            )
        assert [forger.frame().headers["correlation-id"] for _ in range(3)] == ["c0", "c1", "c2"]
        error = forger.receipt("SEND", ("destination", "/exchange/requests"), ("reply-to", private), body=body)
        assert (error.command, error.headers["error"]) == ("ERROR", "PermissionDenied")
        victim.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            victim.frame()


SMOKE = """
import json, sys, stomp
class Seen(stomp.ConnectionListener):
    def __init__(self): self.answers = []
    def on_message(self, frame): self.answers.append(frame)
    def on_error(self, frame): print("ERROR", frame.headers, frame.body); sys.exit(1)
import time
connection = stomp.Connection12([("127.0.0.1", int(sys.argv[1]))], heartbeats=(20000, 20000))
seen = Seen()
connection.set_listener("", seen)
connection.connect(wait=True)
connection.subscribe("/topic/vm.#", id="v", headers={"snapshot": "true"})
connection.subscribe("/temp-queue/answers", id="a")
call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "VM.list"})
connection.send("/exchange/requests", call, content_type="application/json", headers={"reply-to": "/temp-queue/answers", "correlation-id": "c:1"})
until = time.monotonic() + 45
while len(seen.answers) < 4 and time.monotonic() < until: time.sleep(0.01)
connection.disconnect(receipt="bye")
(answer,) = [each for each in seen.answers if each.headers["subscription"] == "a"]
assert answer.headers["correlation-id"] == "c:1", answer.headers
print(len(json.loads(answer.body)["result"]["items"]), len(seen.answers))
"""


def test_a_foreign_client_lists_and_follows(daemon: VdsmdProcess) -> None:
    """With stomp.py, as its own process: its threads are none of ours."""
    pytest.importorskip("stomp")
    run = subprocess.run([sys.executable, "-c", SMOKE, str(daemon.port)], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "3 4"), run.stdout + run.stderr
