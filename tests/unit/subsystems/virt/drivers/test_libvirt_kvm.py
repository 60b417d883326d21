"""KVM is believed when a program has run under it, and for nothing less."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe, _rom


def emulator(folder: Path, script: str) -> str:
    path = folder / "qemu-system-x86_64"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "is_usable", "reason"),
    (
        ("printf K; exec sleep 120", True, None),
        ("exec sleep 30", False, "did not count to 100,000,000 within 0.5 s"),
        ("echo no such module >&2; exit 1", False, "the emulator ended under KVM: no such module"),
    ),
)
def test_the_verdict_is_what_the_emulator_shows(tmp_path: Path, script: str, reason: str | None, *, is_usable: bool) -> None:
    device = tmp_path / "kvm"
    device.touch()
    probe = KvmProbe(timeout_s=0.5 if script == "exec sleep 30" else 60, device=device)
    probe.begin(emulator(tmp_path, script))
    found = probe.wait(90)
    assert found.is_usable is is_usable
    assert (found.reason is None) if reason is None else (reason in (found.reason or ""))


def zombies() -> int:
    """Children of ours that have ended and that nobody has asked for."""
    count = 0
    for entry in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            count += fields[0] == "Z" and int(fields[1]) == os.getpid()
    return count


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("script", ("kill -9 $$", "exit 3", "exec sleep 30"))
def test_f41_an_emulator_that_is_killed_leaves_nothing_behind(tmp_path: Path, script: str) -> None:
    device = tmp_path / "kvm"
    device.touch()
    command = emulator(tmp_path, script)
    before = descriptors()
    for _ in range(10):
        probe = KvmProbe(timeout_s=0.05 if script == "exec sleep 30" else 60, device=device)
        probe.begin(command)
        assert not probe.wait(90).is_usable
        assert probe.verdict().reason
    deadline = time.monotonic() + 60
    while zombies() or descriptors() > before:
        assert time.monotonic() < deadline, (zombies(), descriptors(), before)


IN_WANT = """
import os, resource, sys
from pathlib import Path
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe
folder, processes = Path(sys.argv[1]), int(sys.argv[2])
if os.getuid() == 0:
    os.setgroups([]); os.setgid(54321); os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
before = os.listdir("/proc/self/fd")
for _ in range(5):
    probe = KvmProbe(device=folder / "kvm")
    probe.begin(str(folder / "qemu-system-x86_64"))
    print(probe.wait(90))
assert os.listdir("/proc/self/fd") == before
"""


@pytest.mark.parametrize("processes", (0, 2))
def test_f41_a_process_that_may_have_no_children_says_so(processes: int) -> None:
    """With no thread to spare, and with one thread and no child."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the process is another user's
        emulator(folder, "printf K")
        (folder / "kvm").touch()
        (folder / "kvm").chmod(0o666)
        done = subprocess.run(
            [sys.executable, "-c", IN_WANT, name, str(processes)], capture_output=True, text=True, timeout=240, check=False
        )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("is_usable=False" in line and ("cannot be tried" in line or "cannot be run" in line) for line in lines), lines


def test_a_device_that_is_not_there_needs_no_trial(tmp_path: Path) -> None:
    probe = KvmProbe(device=tmp_path / "kvm")
    assert not probe.verdict().is_usable
    probe.begin("/nonexistent")
    assert "does not exist" in (probe.wait(90).reason or "")


def test_the_rom_ends_with_the_reset_vector() -> None:
    rom = _rom()
    assert (len(rom), rom[0xFFF0:0xFFF5]) == (0x10000, b"\xea\x00\x00\x00\xf0")
