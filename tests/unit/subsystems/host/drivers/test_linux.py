"""The Linux host, by files that a test has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.subsystems.host.drivers.linux import LinuxHost
from tests.unit.subsystems.host.test_plan import MACHINE_ID, MEMINFO, STAT, UUID

FILES = {
    "proc/stat": STAT,
    "proc/meminfo": MEMINFO,
    "proc/loadavg": "0.50 1.25 2.00 1/123 4567\n",
    "proc/cpuinfo": "model name\t: Some CPU\n",
    "proc/sys/kernel/hostname": "host.example\n",
    "proc/sys/kernel/osrelease": "6.1.0-test\n",
    "sys/class/dmi/id/product_uuid": UUID + "\n",
    "etc/machine-id": MACHINE_ID + "\n",
    "etc/os-release": 'PRETTY_NAME="Test Linux 1"\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_everything_is_read_from_files(root: Path) -> None:
    facts = LinuxHost(root).facts()
    assert (facts.id, facts.hostname, facts.operating_system, facts.kernel) == (UUID, "host.example", "Test Linux 1", "6.1.0-test")
    assert (facts.cpu_model, facts.cpus, facts.memory_bytes, facts.booted_at) == ("Some CPU", 2, 16 << 20, 1_700_000_000.0)
    sample = LinuxHost(root).sample()
    assert sample.load == (0.5, 1.25, 2.0)
    assert sample.memory.available == 8 << 20


def test_changes_are_seen(root: Path) -> None:
    host = LinuxHost(root)
    before = host.facts()
    (root / "proc/sys/kernel/hostname").write_text("renamed\n", encoding="utf-8")
    (root / "proc/stat").write_text(STAT.replace("cpu2 50 10 15 400 20 3 2 0 30 0\n", ""), encoding="utf-8")
    after = host.facts()
    assert (after.id, after.hostname, after.cpus) == (before.id, "renamed", 1)


def test_what_is_not_ours_to_read_is_done_without(root: Path) -> None:
    for name in ("sys/class/dmi/id/product_uuid", "etc/os-release", "proc/cpuinfo"):
        (root / name).unlink()
    facts = LinuxHost(root).facts()
    assert facts.id != UUID
    assert (facts.operating_system, facts.cpu_model) == ("Linux", None)


def test_what_cannot_be_done_without_is_missed(root: Path) -> None:
    (root / "proc/stat").unlink()
    with pytest.raises(OSError, match="stat"):
        LinuxHost(root).facts()


def test_hostile_text_is_made_fit(root: Path) -> None:
    (root / "proc/sys/kernel/hostname").write_bytes(b"\x1b]0;x\x07" + b"h" * 1000 + b"\xff\n")
    hostname = LinuxHost(root).facts().hostname
    assert len(hostname) == 256
    assert hostname.isprintable()
