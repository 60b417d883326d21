"""KVM is believed when a program has run under it, and for nothing less."""

from __future__ import annotations

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
        ("printf K; exec sleep 30", True, None),
        ("exec sleep 30", False, "did not count to 100,000,000 within 0.5 s"),
        ("echo no such module >&2; exit 1", False, "the emulator ended under KVM: no such module"),
    ),
)
def test_the_verdict_is_what_the_emulator_shows(tmp_path: Path, script: str, reason: str | None, *, is_usable: bool) -> None:
    device = tmp_path / "kvm"
    device.touch()
    probe = KvmProbe(timeout_s=0.5 if script == "exec sleep 30" else 5, device=device)
    probe.begin(emulator(tmp_path, script))
    found = probe.wait(10)
    assert found.is_usable is is_usable
    assert (found.reason is None) if reason is None else (reason in (found.reason or ""))


def test_a_device_that_is_not_there_needs_no_trial(tmp_path: Path) -> None:
    probe = KvmProbe(device=tmp_path / "kvm")
    assert not probe.verdict().is_usable
    probe.begin("/nonexistent")
    assert "does not exist" in (probe.wait(10).reason or "")


def test_the_rom_ends_with_the_reset_vector() -> None:
    rom = _rom()
    assert (len(rom), rom[0xFFF0:0xFFF5]) == (0x10000, b"\xea\x00\x00\x00\xf0")
