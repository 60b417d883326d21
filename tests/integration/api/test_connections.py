"""Connection.list and Connection.close at a real daemon."""

from __future__ import annotations

import pytest

from tests.conftest import StartVdsmd
from tests.roads import Caller


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
