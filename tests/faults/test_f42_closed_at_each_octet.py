"""F-42: the peer closes at each octet of a call. Nothing spins afterwards, and no descriptor is left."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

import pytest

from tests.conftest import StartVdsmd
from tests.faults.caller import calling
from tests.faults.test_f24_descriptors_run_out import await_descriptors, open_descriptors
from tests.lab.own_time import await_rest
from tests.roads import connect

CALL = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'
CALLS = {
    "json": CALL,
    "http": b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 46\r\n\r\n" + CALL,
    "stomp": b"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n\n\0SEND\ndestination:/topic/a\nreceipt:1\n\nx\0",
    "websocket": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x80\0\0\0\0",
    "amqp": b"AMQP\x03\x01\x00\x00\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x41\xd0\x00\x00\x00\x00",
    "tls": b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a" + b"\x03\x03" + bytes(40),
}


@pytest.mark.parametrize("protocol", CALLS)
def test_f42_the_peer_closes_at_each_octet_of_a_call(vdsmd: StartVdsmd, protocol: str) -> None:
    """With an end of file, half-closed or not, and with a reset; over TCP and the unix socket."""
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    with calling(daemon) as local:
        assert local.call("Host.ping", {}) == {"pong": True}
        opened = open_descriptors(daemon.front)
        for road in (("127.0.0.1", daemon.port), daemon.socket):
            for octets in range(len(CALLS[protocol]) + 1):
                for how in ("close", "half", "reset"):
                    with connect(road) as stream:
                        stream.sendall(CALLS[protocol][:octets])
                        _leave(stream, how)
        assert local.call("Host.ping", {}) == {"pong": True}
        await_descriptors(daemon, opened)
        local.await_(lambda: len(local.call("Connection.list", {})["items"]) == 1, "nobody else is connected")
        await_rest(daemon.front, 0.05)
    assert [line for line in daemon.log.splitlines() if "Traceback" in line] == []


def _leave(stream: socket.socket, how: str) -> None:
    if how == "half":
        with suppress(OSError):  # the daemon was quicker, and has reset it
            stream.shutdown(socket.SHUT_WR)
    elif how == "reset":
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
