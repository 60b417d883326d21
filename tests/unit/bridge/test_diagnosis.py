"""A diagnosis tells what works and what does not, whoever answers; and nothing bad without a reason and a remedy."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.base.errors import ApiError
from libvdsm.bridge import findings
from libvdsm.bridge.diagnosis import DiagnosisService, Look
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import HypervisorUnavailable, SubsystemUnavailable
from libvdsm.interfaces.generated.types import Acceleration, Diagnosis, Finding, FindingState, HostCapabilities, HostDiagnoseParams
from libvdsm.interfaces.messages import ReportTls, SeenCertificate
from libvdsm.interfaces.store import StoreHealth
from libvdsm.inventory.inventory import Inventory
from libvdsm.journal.memory import MemoryDocuments, MemoryJournal
from libvdsm.journal.recorder import Recorder
from libvdsm.schema import load_api

EXAMPLE = load_api().methods["Host.getCapabilities"].examples[0].result
SIMULATOR = msgspec.convert(EXAMPLE, HostCapabilities)
DAY = 86_400
NOW = ManualClock().time()


def changed(**members: object) -> HostCapabilities:
    return msgspec.structs.replace(SIMULATOR, hypervisor="QEMU", **members)


def states(found: Iterator[Finding]) -> dict[str, str]:
    listed = list(found)
    for finding in listed:
        assert finding.state in ("ok", "unknown") or (finding.reason and finding.remedy), finding
    return {finding.id: finding.state.value for finding in listed}


@pytest.mark.parametrize(
    ("can", "acceleration"),
    (
        (SIMULATOR, "ok"),
        (changed(acceleration=Acceleration.KVM, acceleration_reason=None), "ok"),
        (changed(acceleration=Acceleration.TCG, acceleration_reason="KVM was tried and hung"), "limited"),
        (changed(acceleration=Acceleration.NONE), "missing"),
    ),
)
def test_acceleration_is_told_with_what_was_tried(can: HostCapabilities, acceleration: str) -> None:
    """Slow is limited; not at all is missing; a simulator needs none."""
    assert states(findings.of_capabilities(can))["hypervisor.acceleration"] == acceleration
    if acceleration == "limited":
        [finding] = (each for each in findings.of_capabilities(can) if each.state == "limited")
        assert finding.reason == "KVM was tried and hung"


def test_a_hypervisor_without_uefi_is_limited() -> None:
    assert states(findings.of_capabilities(changed(firmwares=["bios"])))["hypervisor.firmware"] == "limited"


def test_a_hypervisor_that_does_not_answer_is_missing_and_the_rest_unknown() -> None:
    """Nothing is guessed."""
    found = states(findings.of_no_capabilities("it hangs"))
    assert found.pop("hypervisor.reach") == "missing"
    assert set(found.values()) == {"unknown"}
    assert set(found) | {"hypervisor.reach"} == set(states(findings.of_capabilities(SIMULATOR)))


@pytest.mark.parametrize(
    ("state", "told"), (("ready", "ok"), ("starting", "limited"), ("degraded", "limited"), ("unavailable", "missing"), ("held", "missing"))
)
def test_each_part_of_the_daemon_has_its_condition(state: str, told: str) -> None:
    """With how often it was restarted."""
    finding = findings.of_subsystem({"name": "virt", "state": state, "reason": "so", "restarts": 3})
    assert states(iter((finding,))) == {"daemon.virt": told}
    assert "3 times" in finding.summary


@pytest.mark.parametrize(
    ("finding", "state"),
    (
        (findings.of_user(54321), "ok"),
        (findings.of_user(0), "limited"),
        (findings.of_open_files(20_000), "ok"),
        (findings.of_open_files(math.inf), "ok"),
        (findings.of_open_files(1024), "limited"),
        (findings.of_listening([], "/run/vdsmd.sock"), "ok"),
        (findings.of_listening([findings.Listening("TCP [::]:54321", is_tls=True)], "/run/vdsmd.sock"), "ok"),
        (findings.of_listening([findings.Listening("TCP 127.0.0.1:54321", is_tls=False)], "/run/vdsmd.sock"), "limited"),
        (findings.of_room(10 * 2**30, 100 * 2**30), "ok"),
        (findings.of_room(10 * 2**20, 100 * 2**30), "limited"),
        (findings.of_certificate("server", 31 * DAY, 0), "ok"),
        (findings.of_certificate("server", 29 * DAY, 0), "limited"),
        (findings.of_certificate("ca", 29 * DAY, 0), "limited"),
        (findings.of_certificate("server", 29 * DAY, 30 * DAY), "missing"),
    ),
)
def test_what_the_process_sees_of_itself(finding: Finding, state: str) -> None:
    """Each has its line between well and not."""
    assert list(states(iter((finding,))).values()) == [state]


@pytest.mark.parametrize(
    ("health", "told"),
    (
        (StoreHealth("ok", octets=2**20), {"state.store": "ok"}),
        (StoreHealth("full", "no space left"), {"state.store": "missing"}),
        (StoreHealth("failed", "input/output error"), {"state.store": "missing"}),
        (StoreHealth("ok", quarantined=2), {"state.store": "ok", "state.records": "limited"}),
    ),
)
def test_the_state_is_told_as_it_is(health: StoreHealth, told: dict[str, str]) -> None:
    assert states(findings.of_store(health)) == told


class Port:
    """A worker that answers one thing."""

    def __init__(self, name: str, answer: object) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[str] = []

    def call(self, method: str, _params: bytes, _meta: bytes, _timeout_s: float) -> asyncio.Future[bytes]:
        self.asked.append(method)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if isinstance(self.answer, ApiError):
            future.set_exception(self.answer)
        else:
            future.set_result(msgspec.json.encode(self.answer))
        return future

    def is_up(self) -> bool:
        return True

    def reason(self) -> str:
        return ""


class HealthyStore:
    """A store of which only the health is asked."""

    def health(self) -> StoreHealth:
        return StoreHealth("ok")


def service(virt: object, host: object, **looks: Look) -> DiagnosisService:
    clock = ManualClock()
    recorder = Recorder(MemoryJournal(), clock)
    inventory = Inventory(recorder=recorder, documents=MemoryDocuments(), clock=clock, host={})
    inventory.condition("virt", "ready", None)
    inventory.condition("host", "ready", None)
    store: Any = HealthyStore()
    ports = {"virt": Port("virt", virt), "host": Port("host", host)}
    return DiagnosisService(inventory=inventory, ports=ports, store=store, clock=clock, looks=looks)


async def diagnose(asked: DiagnosisService) -> dict[str, str]:
    caller = Caller(identity="ada", source="unix", roles=(), rights=Rights())
    answer: dict[str, Any] = json.loads(await asked.host_diagnose(caller, HostDiagnoseParams()))
    found = answer["items"]
    assert [each["id"] for each in found] == sorted({each["id"] for each in found})
    return {each["id"]: each["state"] for each in found}


KERNEL = Diagnosis(items=[Finding(id="host.kvm", state=FindingState.OK, summary="It is there.")])


async def test_all_that_is_found_is_one_list_in_the_order_of_ids() -> None:
    """Of the hypervisor, the kernel, the daemon's parts, the state and the process."""
    found = await diagnose(service(SIMULATOR, KERNEL, user=lambda: iter((findings.of_user(1),))))
    assert set(found.values()) == {"ok"}
    assert {id.partition(".")[0] for id in found} == {"daemon", "host", "hypervisor", "state"}


async def test_who_does_not_answer_is_a_finding() -> None:
    """The others are told all the same."""
    found = await diagnose(service(HypervisorUnavailable(reason="it hangs"), SubsystemUnavailable(subsystem="host", reason="killed")))
    assert (found["hypervisor.reach"], found["host.kernel"], found["daemon.virt"]) == ("missing", "unknown", "ok")


async def test_a_look_that_fails_is_unknown() -> None:
    """Such as at a file system that is gone."""

    def fails() -> Iterator[Finding]:
        raise OSError(5, "Input/output error")

    asked = service(SIMULATOR, KERNEL, **{"state.room": fails})
    assert (await diagnose(asked))["state.room"] == "unknown"


async def test_of_two_generations_of_keys_the_newer_counts() -> None:
    """While clients change over, the older may end."""
    asked = service(SIMULATOR, KERNEL)
    seen = [
        SeenCertificate(kind=kind, fingerprint="f", subject="s", serial="1", names=[], notBefore=0, notAfter=until)
        for kind, until in (("ca", NOW + 100 * DAY), ("ca", 0.0), ("server", 0.0))
    ]
    asked.keys_seen(ReportTls(generation="2", certificate="", key="", clientCas="", ca="", seen=seen))
    found = await diagnose(asked)
    assert (found["tls.ca"], found["tls.server"]) == ("ok", "missing")
