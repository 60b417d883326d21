"""What a host offers is judged: nothing bad without a reason and a remedy, and ids that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.generated.types import Diagnosis, Finding
from libvdsm.subsystems.host.config import HostConfig
from libvdsm.subsystems.host.doctor import Device, Faculties, judge
from libvdsm.subsystems.host.drivers.linux import LinuxHost, clock_state
from libvdsm.subsystems.host.load import build
from tests.unit.subsystems.host.test_service import Heard

OPEN = Device(is_there=True, is_open=True)
SHUT = Device(is_there=True, is_open=False)
GONE = Device(is_there=False, is_open=False)
ALL = Faculties(
    kvm=OPEN,
    has_virtualization=True,
    nests=True,
    vhost_net=OPEN,
    has_bridge=True,
    cgroup=2,
    huge_pages=0,
    free_huge_pages=0,
    huge_page_bytes=2**21,
    is_clock_synchronised=True,
)


def found(seen: Faculties) -> dict[str, Finding]:
    return {finding.id: finding for finding in judge(seen)}


def test_a_host_that_lacks_nothing_is_well() -> None:
    """And every finding has its place in the order of ids."""
    findings = judge(ALL)
    assert {finding.state for finding in findings} == {"ok"}
    assert [f.id for f in findings] == sorted(f.id for f in findings)
    assert {f.id for f in findings} == {
        "host.bridge",
        "host.cgroup",
        "host.clock",
        "host.hugePages",
        "host.kvm",
        "host.nesting",
        "host.vhostNet",
    }


@pytest.mark.parametrize(
    ("seen", "id", "state", "words"),
    (
        (replace(ALL, kvm=SHUT), "host.kvm", "missing", "group kvm"),
        (replace(ALL, kvm=GONE), "host.kvm", "missing", "module kvm_intel"),
        (replace(ALL, kvm=GONE, has_virtualization=None), "host.kvm", "missing", "module kvm_intel"),
        (replace(ALL, kvm=GONE, has_virtualization=False), "host.kvm", "missing", "firmware"),
        (replace(ALL, vhost_net=GONE), "host.vhostNet", "limited", "vhost_net"),
        (replace(ALL, has_bridge=False), "host.bridge", "limited", "bridge"),
        (replace(ALL, cgroup=1), "host.cgroup", "limited", "version 2"),
        (replace(ALL, cgroup=0), "host.cgroup", "limited", "version 2"),
        (replace(ALL, is_clock_synchronised=False), "host.clock", "limited", "chrony"),
    ),
)
def test_what_lacks_has_its_reason_and_its_remedy(seen: Faculties, id: str, state: str, words: str) -> None:
    """And nothing else is worse for it."""
    finding = found(seen)[id]
    assert finding.state == state
    assert finding.reason
    assert words in (finding.remedy or "")
    assert {each.id: each for each in judge(ALL) if each.id != id} == {name: each for name, each in found(seen).items() if name != id}


def test_what_cannot_be_told_is_not_guessed() -> None:
    """It is said to be unknown, or not said."""
    seen = found(replace(ALL, is_clock_synchronised=None, nests=None, has_bridge=None))
    assert seen["host.clock"].state == "unknown"
    assert not {"host.nesting", "host.bridge"} & set(seen)


def test_huge_pages_are_counted() -> None:
    assert found(replace(ALL, huge_pages=8, free_huge_pages=3))["host.hugePages"].summary == "3 of 8 huge pages of 2 MiB are free."


def test_linux_shows_it_in_files(tmp_path: Path) -> None:
    """Without a right, and without a command."""
    for name, text in {
        "proc/meminfo": "MemTotal: 16 kB\nHugePages_Total:       4\nHugePages_Free:        1\nHugepagesize:       2048 kB\n",
        "proc/cpuinfo": "flags\t\t: fpu vme svm\n",
        "sys/module/kvm_amd/parameters/nested": "1\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io\n",
        "sys/module/bridge/refcnt": "0\n",
        "dev/kvm": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert LinuxHost(tmp_path, lambda: 0).faculties() == replace(ALL, vhost_net=GONE, huge_pages=4, free_huge_pages=1)


def test_an_empty_linux_is_no_error(tmp_path: Path) -> None:
    """A container shows little."""
    seen = LinuxHost(tmp_path, lambda: None).faculties()
    assert (seen.kvm, seen.has_virtualization, seen.nests, seen.cgroup, seen.is_clock_synchronised) == (GONE, None, None, 0, None)
    assert LinuxHost(tmp_path, lambda: 5).faculties().is_clock_synchronised is False


def test_the_clock_of_this_very_host_can_be_asked() -> None:
    """adjtimex(2) is everybody's to read; it sets nothing."""
    assert clock_state() in range(6)


async def test_the_front_is_answered_a_diagnosis() -> None:
    """By an internal message; of a host that is not there nothing is pretended."""
    subsystem = build(HostConfig(driver="simulated"), Heard(), ManualClock())
    answer = msgspec.json.decode(await subsystem.internal["host.diagnose"](b"{}"), type=Diagnosis)
    assert [(finding.id, finding.state) for finding in answer.items] == [("host.kernel", "ok")]
