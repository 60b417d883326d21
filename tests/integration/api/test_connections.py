"""Connection.list and Connection.close at a real daemon."""

from __future__ import annotations

import pytest

from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from libvdsm.wire.amqp.performatives import Open
from tests.conftest import StartVdsmd
from tests.roads import Caller, connect


def read_all(caller: Caller) -> None:
    """What was told before the end may still come."""
    while caller.read():
        pass


def test_somebody_looks_who_is_there_and_ends_another_connection(vdsmd: StartVdsmd) -> None:
    """The other one's calls, octets and subscriptions are told; he is closed at once, and the deed is recorded."""
    daemon = vdsmd(hypervisor="simulator:1")
    with Caller(daemon.socket) as caller, Caller(daemon.socket) as other:
        caller.call("Host.ping")
        other.call("Host.ping")
        other.call("Event.subscribe", {"topics": ["vm.#"]})
        own, his = caller.call("Connection.list")["items"]
        assert (his["protocol"], his["address"], his["source"], his["calls"], his["subscriptions"]) == ("json", "unix", "unix", 2, 1)
        assert his["receivedOctets"] > 0
        assert his["sentOctets"] > 0
        assert "cipher" not in his
        assert caller.call("Connection.list", {"filter": {"protocol": "http"}}) == {"items": []}
        assert caller.call("Plan.check", {"method": "Connection.close", "params": {"connectionId": his["id"]}})["possible"]
        caller.call("Connection.close", {"connectionId": his["id"]})
        with pytest.raises(AssertionError, match="closed the connection"):
            read_all(other)
        assert [each["id"] for each in caller.call("Connection.list")["items"]] == [own["id"]]
        refusal = caller.answer("Connection.close", {"connectionId": his["id"]})["error"]["data"]
        assert (refusal["error"], refusal["params"]) == ("ObjectNotFound", {"type": "connection", "id": his["id"]})
        told = caller.call("Audit.list", {"filter": {"method": "Connection.close"}})["items"]
        assert {(each["outcome"], each["object"]["id"]) for each in told} >= {("done", his["id"])}
        assert caller.call("Connection.close", {"connectionId": own["id"]}) == {}
        with pytest.raises(AssertionError, match="closed the connection"):
            read_all(caller)


@pytest.mark.parametrize(
    ("name", "version", "greeting"),
    (
        ("stomp", "1.1", b"CONNECT\naccept-version:1.1\nhost:x\n\n\0"),
        ("amqp", "1.0", AMQP_HEADER + encode_frame(0, Open("here"))),
        ("http", "1.1", b"GET /docs/openrpc.json HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ),
)
def test_who_speaks_a_protocol_is_found_by_its_name(vdsmd: StartVdsmd, name: str, version: str, greeting: bytes) -> None:
    """Of whatever version."""
    daemon = vdsmd(hypervisor="simulator:1")
    with Caller(daemon.socket) as caller, connect(daemon.socket) as other:
        other.sendall(greeting)
        assert other.recv(100)
        (found,) = caller.call("Connection.list", {"filter": {"protocol": name}})["items"]
        assert found["protocol"] == f"{name}/{version}"


def test_a_stream_of_events_is_a_subscription_of_its_connection(vdsmd: StartVdsmd) -> None:
    """One that does not read is behind by what was not told; a connection that only asks has none."""
    daemon = vdsmd(hypervisor="simulator:1")
    with Caller(daemon.socket) as caller, connect(daemon.socket) as stream:
        stream.sendall(b"GET /events?topics=vm.%23 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(20).startswith(b"HTTP/1.1 200")
        (found,) = caller.call("Connection.list", {"filter": {"protocol": "http"}})["items"]
        assert (found["subscriptions"], found["lag"]) == (1, 0)
        vm = caller.call("VM.list")["items"][0]["id"]
        for number in range(2_000):
            caller.call("VM.update", {"vmId": vm, "config": {"metadata": {"note": f"{number}" + "x" * 4000}}})
            (found,) = caller.call("Connection.list", {"filter": {"protocol": "http"}})["items"]
            if found["lag"] and found["bufferedOctets"]:
                break
        else:
            pytest.fail(f"what is not read is not behind: {found}")
