"""Who goes leaves nothing behind, whatever was under way: no subscription, no count, no descriptor."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.conftest import StartVdsmd
from tests.fakes import websocket_peer
from tests.faults.caller import Caller, calling
from tests.roads import connect

PATIENCE_S = 30.0
#: More than a batch carries out side by side.
WAITING = 20


def figure(daemon_socket: Path, name: str, **labels: str) -> int:
    """One of ``/metrics``, over all samples that have these labels."""
    with connect(daemon_socket) as stream, stream.makefile("rb") as reader:
        stream.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = reader.read().decode()
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\d+)$", text, re.MULTILINE)
    assert found, text
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(int(value) for told, value in found if all(each in told for each in wanted))


def batch() -> bytes:
    """Calls that wait, as many as are carried out at a time and more; behind them one that subscribes."""
    waiting = {"jsonrpc": "2.0", "id": 1, "method": "Event.read", "params": {"timeout": 30}}
    subscribing = {"jsonrpc": "2.0", "id": 2, "method": "Event.subscribe", "params": {"topics": ["#"]}}
    return json.dumps([*[waiting] * WAITING, *[subscribing] * 3]).encode()


def await_alone(local: Caller) -> None:
    """Nobody but the one who looks."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := local.call("Connection.list", {})["items"]) > 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def await_calls(local: Caller) -> None:
    """Somebody's batch has been begun."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(each["calls"] and each["address"] != "unix" for each in local.call("Connection.list", {})["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("road", ("json", "websocket"))
def test_what_a_batch_has_still_to_do_subscribes_nobody_who_is_gone(vdsmd: StartVdsmd, road: str) -> None:
    """The line is cut while the first calls of a batch wait: the others are begun, and a subscription would be for ever."""
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    with calling(daemon) as local:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_S) as stream:
                if road == "websocket":
                    stream.sendall(websocket_peer.hello())
                    assert stream.recv(65536).startswith(b"HTTP/1.1 101 ")
                    stream.sendall(websocket_peer.frame(websocket_peer.TEXT, batch()))
                else:
                    stream.sendall(batch() + b"\n")
                await_calls(local)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await_alone(local)
        for _ in range(5):
            local.call("Host.ping")
        assert figure(daemon.socket, "libvdsm_event_subscriptions") == 0
        with connect(("127.0.0.1", daemon.port)) as stream, stream.makefile("rb") as reader:  # and that it is counted at all
            stream.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe","params":{"topics":["#"]}}\n')
            assert b'"resume"' in reader.readline()
            assert figure(daemon.socket, "libvdsm_event_subscriptions") == 1
