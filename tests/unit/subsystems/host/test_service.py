"""The host subsystem: what it reports, and when."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.generated.types import HostInfo
from libvdsm.interfaces.messages import Cause, Observed, ReportTls
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.host.config import HostConfig
from libvdsm.subsystems.host.doctor import Faculties
from libvdsm.subsystems.host.driver import CpuTimes, HostFacts, Memory, Sample
from libvdsm.subsystems.host.load import DRIVERS, build
from libvdsm.subsystems.host.service import HostSubsystem
from tests.unit.subsystems.host.test_plan import FACTS


class Heard:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []
        self.figures: list[dict[str, dict[str, object]]] = []
        self.anything = asyncio.Event()

    def snapshot(self, type: str, objects: Sequence[Observed], cause: Cause) -> None:
        assert type == "host"
        self.said.append(("snapshot", json.loads(bytes(objects[0].document))))

    def changed(self, type: str, observed: Observed, cause: Cause) -> None:
        self.said.append(("changed", json.loads(bytes(observed.document))))

    def removed(self, type: str, id: str, cause: Cause) -> None:
        raise AssertionError("the host is never gone")

    def desired(self, type: str, id: str, generation: int, document: bytes) -> None:
        raise AssertionError("nothing is desired of the host")

    def tls(self, told: ReportTls) -> None:
        raise AssertionError("a host without keys tells of none")

    def stats(self, type: str, items: Sequence[tuple[str, bytes]]) -> None:
        assert type == "host"
        self.figures.append(json.loads(items[0][1]))
        self.anything.set()

    def condition(self, state: str, reason: str | None = None) -> None:
        self.said.append((state, reason))

    def offer(self, ticket: str, identity: str, stream: socket.socket, expires_s: float, *, address: str = "", vm: str = "") -> None:
        raise AssertionError("the host has no consoles")


class FakeHost:
    """A host that says what it is told to."""

    def __init__(self) -> None:
        self.now = FACTS
        self.busy = 0.0
        self.trouble: Exception | None = None

    def facts(self) -> HostFacts:
        return self.now

    def sample(self) -> Sample:
        if self.trouble is not None:
            raise self.trouble
        self.busy += 1.0
        memory = Memory(total=100, available=60, swap_total=10, swap_free=5)
        return Sample(cpu=CpuTimes(self.busy, 3 * self.busy), load=(1.0, 2.0, 3.0), memory=memory)

    def faculties(self) -> Faculties:
        raise AssertionError("nobody asks for a diagnosis here")


class Room:
    """The subsystem with a host and a reporter of the test's."""

    def __init__(self) -> None:
        self.host, self.heard, self.clock = FakeHost(), Heard(), ManualClock()
        self.service = HostSubsystem(HostConfig(first_sample_s=0.001, stats_interval_s=0.001), self.host, self.heard, self.clock)


def test_the_host_is_reported_once_with_all_that_is_known_of_it() -> None:
    room = Room()
    room.service.look()
    assert len(room.heard.said) == 1, "who is ready has figures"
    room.service.look()
    (kind, document), ready = room.heard.said
    assert kind == "snapshot"
    assert ready == ("ready", None)
    assert isinstance(document, dict)
    assert document["bootedAt"] == "1970-01-01T00:16:40.000Z"
    assert "cpuModel" not in document
    assert set(document) < {field.encode_name for field in msgspec.structs.fields(HostInfo)}


def test_what_changes_is_reported_as_a_change() -> None:
    room = Room()
    room.service.look()
    room.host.now = replace(FACTS, hostname="renamed", cpus=4)
    room.service.look()
    kind, document = room.heard.said[1]
    assert kind == "changed"
    assert isinstance(document, dict)
    assert (document["hostname"], document["cpus"]) == ("renamed", 4)


def test_figures_come_with_the_second_look() -> None:
    room = Room()
    room.service.look()
    assert room.heard.figures == []
    room.clock.advance(2)
    room.service.look()
    (figures,) = room.heard.figures
    assert figures["cpu"] == {"sampledAt": "2026-01-01T00:00:02.000Z", "usedPercent": 25.0, "load1": 1.0, "load5": 2.0, "load15": 3.0}
    assert figures["memory"] == {"sampledAt": "2026-01-01T00:00:02.000Z", "total": 100, "available": 60, "swapTotal": 10, "swapFree": 5}


def test_figures_that_cannot_be_had_keep_their_time_and_say_why() -> None:
    room = Room()
    room.service.look()
    room.service.look()
    room.clock.advance(2)
    room.host.trouble = OSError("no \x07file")
    room.service.look()
    figures = room.heard.figures[-1]
    assert figures["cpu"]["sampledAt"] == "2026-01-01T00:00:00.000Z"
    assert figures["cpu"]["notRefreshed"] == {"error": "SubsystemUnavailable", "reason": "no  file"}
    assert "notRefreshed" in figures["memory"]
    room.host.trouble = None
    room.service.look()
    assert room.heard.said[-2:] == [("degraded", "no  file"), ("ready", None)]
    assert "notRefreshed" not in room.heard.figures[-1]["cpu"]


def test_it_looks_again_and_again_until_it_is_stopped() -> None:
    async def live() -> Room:
        room = Room()
        await room.service.start()
        for _ in range(3):
            room.heard.anything.clear()
            await asyncio.wait_for(room.heard.anything.wait(), 60)
        await room.service.stop()
        await room.service.stop()
        count = len(room.heard.figures)
        await asyncio.sleep(0)
        assert len(room.heard.figures) == count
        return room

    assert asyncio.run(live()).heard.said[0][0] == "snapshot"


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_every_driver_tells_all_that_the_schema_wants(driver: str) -> None:
    heard, clock = Heard(), ManualClock()
    service = build(HostConfig(driver=driver), heard, clock)  # type: ignore[arg-type]
    service.look()
    clock.advance(2)
    service.look()
    kind, document = heard.said[0]
    assert kind == "snapshot"
    assert isinstance(document, dict)
    assert document["cpus"] >= 1
    assert document["memory"] >= heard.figures[0]["memory"]["available"]
    assert all(document[name] for name in ("hostname", "operatingSystem", "kernel", "architecture"))


@pytest.mark.parametrize("wrong", ({"stats_interval_s": 0}, {"first_sample_s": -1}))
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        HostConfig(**wrong)  # type: ignore[arg-type]


def test_it_has_no_verbs_that_could_be_interrupted_or_checked() -> None:
    async def scenario() -> None:
        host = HostSubsystem(HostConfig(), FakeHost(), Heard(), ManualClock())
        context = WorkContext(method="Host.ping", operation_id="op", identity="me", deadline=0.0)
        assert (await host.recover(context, msgspec.defstruct("Nothing", [])())).outcome == "unknown"
        assert (await host.check(context, msgspec.defstruct("Nothing", [])())).reasons == []

    asyncio.run(scenario())
