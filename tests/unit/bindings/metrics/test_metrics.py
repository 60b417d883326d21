"""Figures for monitoring: names by rule, text that any scraper reads, kept text, rights, and the loop left free."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from time import thread_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import libvdsm
from libvdsm import schema
from libvdsm.base.errors import ApiError
from libvdsm.bindings.amqp.config import AmqpCounters
from libvdsm.bindings.jsonrpc.endpoint import JsonRpcCounters
from libvdsm.bindings.metrics.endpoint import MetricsEndpoint
from libvdsm.bindings.metrics.machines import Machines
from libvdsm.bindings.metrics.names import GROWING, SchemaType, find_groups
from libvdsm.bindings.metrics.sources import (
    CallFigures,
    ConnectionFigures,
    Depth,
    HostFigures,
    MessagingFigures,
    ProcessFigures,
    QueueFigures,
)
from libvdsm.bindings.metrics.text import Family, Group, labels
from libvdsm.bindings.stomp.config import StompCounters
from libvdsm.broker.exchange import ExchangeCounters
from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.transports.config import Counters
from libvdsm.wire.http.events import Request, Response

_SAMPLE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
TYPES = msgspec.json.decode((Path(schema.__file__).parent / "compiled/native.json").read_bytes(), type=dict[str, msgspec.Raw])["types"]
GROUPS = find_groups(msgspec.json.decode(TYPES, type=dict[str, SchemaType]), "VmStats")
READER = Caller(identity="user:r", source="token", roles=(), rights=Rights(everywhere=frozenset({"metrics.read", "vm.read"})))


@dataclass
class Vm:
    """A machine."""

    id: str = "6f1fca2e"
    name: str = "web"
    project: str = "default"
    state: str = "running"
    stats: bytes = b"{}"


def stats(number: int = 0, disks: int = 2, nics: int = 2, **more: object) -> bytes:
    """Encoded statistics."""
    at = {"sampledAt": "2026-01-01T00:00:00Z"}
    told = {
        "vmId": "x",
        "state": "running",
        "cpu": at | {"time": 1.5 + number, "usedPercent": 3.25, "vcpus": 2},
        "memory": at | {"current": 1 << 30, "maximum": 1 << 31, "resident": 1 << 29, "available": 1 << 29, "unused": 1 << 20},
        "disks": [
            at
            | {"id": f"ua-disk{n}", "readBytes": 1 << 50, "writtenBytes": 2, "readRequests": 3, "writeRequests": 4}
            | {"capacity": 5, "allocation": 6}
            for n in range(disks)
        ],
        "nics": [
            at | {"id": f"ua-nic{n}", "receivedBytes": 1, "sentBytes": 2, "receivedPackets": 3, "sentPackets": 4} for n in range(nics)
        ],
    }
    return json.dumps(told | more).encode()


def read(text: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples by name; fails on whatever the format does not allow."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    current, kinds = "", {}
    assert not text or text.endswith(b"\n")
    for line in text.decode().splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in found, "a family stands together"
            found[current] = []
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            kinds[name] = kind
        else:
            sample = _SAMPLE.fullmatch(line)
            assert sample is not None, line
            assert sample.group(1) == current
            marks = dict(_LABEL.findall(sample.group(2) or ""))
            assert all(marks != other for other, _ in found[current]), "no two samples are the same"
            found[current].append((marks, float(sample.group(3))))
    assert all(name.endswith("_total") is (kind == "counter") for name, kind in kinds.items())
    assert all(found.values())
    return found


def make(*vms: Vm, sees: Callable[[Caller], Callable[[object], bool]] = lambda _caller: lambda _vm: True) -> Machines:
    """Their figures."""
    return Machines(GROUPS, lambda: vms, sees)


def test_names_are_derived_from_the_schema() -> None:
    """Type, member, unit; what only grows is a counter; the help is the schema's own."""
    families = {figure.family.name: figure.family for group in GROUPS for figure in group.figures}
    assert {name for name in families if "_cpu_" in name} == {
        "libvdsm_vm_cpu_time_seconds_total",
        "libvdsm_vm_cpu_used_percent",
        "libvdsm_vm_cpu_vcpus",
    }
    assert "libvdsm_vm_disk_read_bytes_total" in families
    assert "libvdsm_vm_memory_resident_bytes" in families
    assert families["libvdsm_vm_cpu_vcpus"] == Family("libvdsm_vm_cpu_vcpus", "gauge", "Virtual processors it has now.")


def test_all_that_is_said_to_grow_is_there() -> None:
    """A figure that is renamed in the schema is noticed."""
    types = msgspec.json.decode(TYPES, type=dict[str, SchemaType])
    assert {f"{name}.{field.name}" for name, type in types.items() for field in type.fields} >= GROWING


def test_a_machine_s_figures_are_all_told() -> None:
    """One sample for each figure, with the names of what it is of."""
    vm = Vm(stats=stats())
    told = read(b"".join(make(vm).pieces(READER)))
    whose = {"vm": vm.id, "name": "web", "project": "default"}
    assert told["libvdsm_vm_cpu_time_seconds_total"] == [(whose, 1.5)]
    assert told["libvdsm_vm_state"] == [(whose | {"state": "running"}, 1)]
    assert told["libvdsm_vm_disk_read_bytes_total"] == [(whose | {"disk": f"ua-disk{n}"}, float(1 << 50)) for n in range(2)]
    assert len(told) == 1 + sum(len(group.figures) for group in GROUPS)


def test_what_is_not_fresh_is_not_told() -> None:
    """An old figure would pass for a new one; what is absent is absent."""
    old = {"sampledAt": "2026-01-01T00:00:00Z", "notRefreshed": {"error": "X", "reason": "y"}, "time": 1, "usedPercent": 1, "vcpus": 1}
    told = read(b"".join(make(Vm(stats=stats(cpu=old, disks=0, nics=0))).pieces(READER)))
    assert not any("_cpu_" in name for name in told)
    assert "libvdsm_vm_memory_current_bytes" in told
    assert set(read(b"".join(make(Vm(state="stopped", stats=b"")).pieces(READER)))) == {"libvdsm_vm_state"}


@given(name=st.text(max_size=30), project=st.text(max_size=5))
def test_no_name_breaks_the_text(name: str, project: str) -> None:
    """Whatever a machine is called, there is one line a sample and the name is within its quotes."""
    group = Group(Family("x", "gauge", f"help {name}"), [(labels({"name": name, "project": project}), 1)])
    text = b"".join(group.pieces()).decode()
    lines = text.split("\n")
    assert len(lines) == 4
    assert _SAMPLE.fullmatch(lines[2]) is not None or "\\u" in lines[2]


def test_what_was_not_sampled_anew_is_not_written_anew() -> None:
    """The text of a machine is kept until its figures, its name or its state change; that of those that are gone is not."""
    vms = [Vm(id="a", stats=stats()), Vm(id="b", stats=stats())]
    machines = Machines(GROUPS, lambda: vms, lambda _caller: lambda _vm: True)
    first = b"".join(machines.pieces(READER))
    assert b"".join(machines.pieces(READER)) == first
    assert machines.renewed == 2
    vms[0].stats = stats(number=1)
    assert b"".join(machines.pieces(READER)) != first
    vms[1].name = "other"
    assert b'name="other"' in b"".join(machines.pieces(READER))
    assert machines.renewed == 4
    del vms[0]
    assert b'vm="a"' not in b"".join(machines.pieces(READER))
    assert list(machines._kept) == ["b"]


def test_only_machines_that_the_caller_may_see_are_told() -> None:
    """The rule is the getter's."""
    vms = (Vm(id="a", stats=stats()), Vm(id="b", project="secret", stats=stats()))
    machines = Machines(GROUPS, lambda: vms, lambda caller: lambda vm: vm.project == "default" or caller is READER)
    other = Caller(identity="user:o", source="token", roles=(), rights=READER.rights)
    assert b"secret" in b"".join(machines.pieces(READER))
    assert b"secret" not in b"".join(machines.pieces(other))


def test_the_daemon_s_own_figures() -> None:
    """Calls and errors by name, connections by protocol, queues, parts, the process."""

    @dataclass
    class Open:
        protocol: str

        def unsent_octets(self) -> int:
            return 10

        def behind(self) -> tuple[int, int]:
            return 1, len(self.protocol)

    calls = JsonRpcCounters(calls=5, errors=2)
    calls.by_error.update(["ObjectNotFound", "ObjectNotFound", "InvalidParams"])
    conditions: list[Mapping[str, object]] = [{"name": "virt", "state": "running", "restarts": 2}, {"name": "host", "state": "held"}]
    host = find_groups(msgspec.json.decode(TYPES, type=dict[str, SchemaType]), "HostStats")
    sources = (
        ProcessFigures(version="1", api_version="1.0"),
        CallFigures(calls),
        ConnectionFigures(
            lambda: [Open("json"), Open("json"), Open("stomp/1.2")],
            lambda: [("main", {"accepted": 3}), ("main", {"accepted": 4, "evicted": 0})],
            lambda: 7,
        ),
        MessagingFigures(lambda: [("stomp", {"dropped_answers": 7}), ("amqp", {"dropped_answers": 0})]),
        QueueFigures(lambda _caller: [Depth("orders", "web", 3, 1, 300)]),
        HostFigures(
            conditions=lambda: conditions,
            machines=lambda: [Vm(), Vm(), Vm(state="stopped")],
            groups=host,
            stats=lambda: {"cpu": b'{"usedPercent":12.5,"load1":0.5}', "memory": b'{"total":10,"notRefreshed":{}}'},
        ),
    )
    endpoint = MetricsEndpoint(sources, make(), lambda _caller, _refusal: None)
    told = read(b"".join(endpoint.pieces(READER)))
    assert told["libvdsm_calls_total"] == [({}, 5)]
    assert told["libvdsm_errors_total"] == [({"error": "InvalidParams"}, 1), ({"error": "ObjectNotFound"}, 2)]
    assert told["libvdsm_connections"] == [({"protocol": "json"}, 2), ({"protocol": "stomp/1.2"}, 1)]
    assert told["libvdsm_listener_events_total"] == [
        ({"listener": "main", "event": "accepted"}, 7),
        ({"listener": "main", "event": "evicted"}, 0),
    ]
    assert told["libvdsm_unsent_bytes"] == [({"protocol": "json"}, 20), ({"protocol": "stomp/1.2"}, 10)]
    assert told["libvdsm_subscription_lag"] == [({}, len("stomp/1.2"))]
    assert told["libvdsm_messaging_events_total"] == [
        ({"protocol": "stomp", "event": "dropped_answers"}, 7),
        ({"protocol": "amqp", "event": "dropped_answers"}, 0),
    ]
    assert told["libvdsm_queue_waiting_messages"] == [({"queue": "orders", "project": "web"}, 3)]
    assert told["libvdsm_subsystem_restarts_total"] == [({"subsystem": "virt"}, 2), ({"subsystem": "host"}, 0)]
    assert told["libvdsm_vms"] == [({"state": "running"}, 2), ({"state": "stopped"}, 1)]
    assert told["libvdsm_host_cpu_used_percent"] == [({}, 12.5)]
    assert not any("host_memory" in name for name in told)
    assert told["libvdsm_process_resident_memory_bytes"][0][1] > 1 << 20


def ask(endpoint: MetricsEndpoint, caller: Caller, method: bytes = b"GET", **headers: str) -> Response | Streamed:
    """The answer to a request."""
    return endpoint.open(caller).handle(
        Request(method, b"/metrics", {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()})
    )


@pytest.mark.parametrize("counters", (JsonRpcCounters, Counters, StompCounters, AmqpCounters, ExchangeCounters))
def test_what_is_counted_is_counted_somewhere(counters: type) -> None:
    """A counter that nobody adds to would say for ever that nothing has happened."""
    sources = "".join(path.read_text() for path in Path(libvdsm.__file__).parent.rglob("*.py"))
    names = [each.name for each in fields(counters) if each.type == "int"]
    assert names
    assert [name for name in names if re.search(rf"counters[.]{name} [+]?= ", sources) is None] == []


def test_half_a_character_does_not_break_the_text() -> None:
    """Names may come from elsewhere than JSON; a scraper reads all of it or nothing, and knows three escapes."""
    text = b"".join(make(Vm(id="1", name="a\ud800b", stats=stats())).pieces(READER))
    assert b"\\u" not in text
    assert b'name="a?b"' in text
    assert b"".join(Group(Family("x", "gauge", "h"), [(labels({"queue": "\udcff"}), 1)]).pieces()).endswith(b'x{queue="?"} 1\n')


def test_they_are_for_who_may_read_them() -> None:
    """metrics.read, for everything: in one project is not enough; a refusal is told to whoever records it."""
    refused: list[ApiError] = []
    endpoint = MetricsEndpoint((), make(), lambda _caller, refusal: refused.append(refusal))
    somewhere = Rights(projects={"web": frozenset({"metrics.read"})})
    for rights in (Rights(), somewhere):
        answer = ask(endpoint, Caller(identity="user:x", source="token", roles=(), rights=rights))
        assert isinstance(answer, Response)
        assert answer.status == 403
    only = replace_caller(READER, frozenset({"Certificate.enrol"}))
    assert isinstance(ask(endpoint, only), Response)
    assert [refusal.name for refusal in refused] == ["PermissionDenied"] * 3
    post = ask(endpoint, READER, b"POST")
    assert isinstance(post, Response)
    assert post.status == 405
    assert isinstance(ask(endpoint, READER), Streamed)


def replace_caller(caller: Caller, only: frozenset[str]) -> Caller:
    """The same, who may call these verbs alone."""
    return Caller(identity=caller.identity, source=caller.source, roles=(), rights=caller.rights, only=only)


class Writer:
    """Takes a body; full after every so many octets, until the next turn."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.parts: list[bytes] = []
        self.over = asyncio.Event()
        self._room = self._left = room

    def write(self, data: bytes) -> None:
        self.parts.append(data)
        self._left -= len(data)

    def is_full(self) -> bool:
        return self._left <= 0

    def when_drained(self, resume: Callable[[], None]) -> None:
        self._left = self._room
        asyncio.get_running_loop().call_soon(resume)

    def end(self) -> None:
        self.over.set()

    def fail(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("coding", ("", "gzip"))
def test_30000_samples_do_not_hold_the_loop(coding: str) -> None:
    """No turn of the loop takes 5 ms of processor time for it, the first time (all text is made) and then."""
    vms = tuple(Vm(id=f"{n:08}", name=f"vm-{n}", stats=stats(number=n, disks=2)) for n in range(1_000))
    endpoint = MetricsEndpoint((), make(*vms), lambda _caller, _refusal: None)
    longest = 0.0

    async def scrape() -> bytes:
        nonlocal longest
        answer = ask(endpoint, READER, accept_encoding=coding)
        assert isinstance(answer, Streamed)
        writer = Writer()
        body = answer.body
        make_more = body._make  # type: ignore[attr-defined]

        def timed() -> None:
            nonlocal longest
            before = thread_time()
            make_more()
            longest = max(longest, thread_time() - before)

        body._make = timed  # type: ignore[attr-defined]
        body.start(writer)
        await writer.over.wait()
        return b"".join(writer.parts)

    gc.collect()
    gc.disable()  # a collection of what the test suite has made is not ours
    try:
        texts = [asyncio.run(scrape()) for _ in range(2)]
    finally:
        gc.enable()
    assert texts[0] == texts[1]
    text = zlib.decompress(texts[0], wbits=31) if coding else texts[0]
    assert text.count(b"\n") - 2 * (1 + sum(len(group.figures) for group in GROUPS)) == 29_000
    assert longest < 0.005, f"{longest * 1000:.1f} ms"


def test_a_slow_reader_is_not_written_for() -> None:
    """While there is no room nothing is made."""
    made = 0

    def source(_caller: Caller) -> Iterator[Group]:
        nonlocal made
        for number in range(100):
            made += 1
            yield Group(Family(f"x{number}", "gauge", "h"), [("", 1)])

    async def scrape() -> None:
        endpoint = MetricsEndpoint((source,), make(), lambda _caller, _refusal: None)
        answer = ask(endpoint, READER)
        assert isinstance(answer, Streamed)
        writer = Writer(room=1)
        answer.body.start(writer)
        assert made == 1
        await writer.over.wait()
        assert made == 100
        assert len(read(b"".join(writer.parts))) == 100

    asyncio.run(scrape())
