"""The same request over every road gives the same bytes."""

from __future__ import annotations

import json

from tests.conftest import StartVdsmd
from tests.roads import Caller, ask_http, ask_stream

REQUESTS: list[dict[str, object]] = [
    {"method": "Host.ping"},
    {"method": "VM.list", "params": {"fields": ["name", "state"], "limit": 2}},
    {"method": "VM.list", "params": [None, ["name"], 1]},
    {"method": "Schema.discover"},
    {"method": "rpc.discover"},
    {"method": "Host.getCapabilities"},
    {"method": "VM.get", "params": {"vmId": "00000000-0000-4000-8000-000000000000"}},
    {"method": "VM.get", "params": {"vmId": 5}},
    {"method": "VM.fly"},
    {"method": 5},
]


def test_result_bytes_are_the_same(vdsmd: StartVdsmd) -> None:
    """TCP, HTTP and the unix socket, raw and by HTTP, answer alike."""
    daemon = vdsmd(hypervisor="simulator:3")
    assert daemon.port is not None
    tcp = ("127.0.0.1", daemon.port)
    for number, request in enumerate(REQUESTS):
        raw = json.dumps({"jsonrpc": "2.0", "id": number, **request}).encode()
        answers = {ask_stream(tcp, raw), ask_stream(daemon.socket, raw), ask_http(tcp, raw), ask_http(daemon.socket, raw)}
        assert len(answers) == 1, request
        assert answers.pop().endswith(b"}\n")


def test_identity_is_of_the_road(vdsmd: StartVdsmd) -> None:
    """The unix socket knows its peer by the kernel; plain TCP knows nobody."""
    daemon = vdsmd()
    assert daemon.port is not None
    with Caller(daemon.socket) as local, Caller(("127.0.0.1", daemon.port)) as remote:
        assert local.call("Identity.whoAmI")["source"] == "unix"
        assert remote.call("Identity.whoAmI")["source"] == "anonymous"


def test_events_need_a_connection(vdsmd: StartVdsmd) -> None:
    """Over plain HTTP a subscription is a typed error."""
    daemon = vdsmd()
    answer = json.loads(ask_http(daemon.socket, b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe"}'))
    assert answer["error"]["data"]["error"] == "NeedsConnection"
