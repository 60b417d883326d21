"""A private libvirtd for all tests of this folder, and guests that are gone when a test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libvdsm.base.clock import SystemClock
from libvdsm.subsystems.virt.drivers.libvirt import LibvirtDriver
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe
from tests.lab.libvirtd import Libvirtd, missing


@pytest.fixture(scope="session")
def kvm() -> KvmProbe:
    """One trial of KVM for all drivers."""
    return KvmProbe()


@pytest.fixture(scope="session")
def lab_of_session() -> Iterator[Libvirtd]:
    reason = missing()
    if reason is not None:
        pytest.fail(f"a real guest cannot be run here: {reason}")
    lab = Libvirtd()
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def lab(lab_of_session: Libvirtd) -> Iterator[Libvirtd]:
    """The private libvirtd, healthy and without guests at the end."""
    yield lab_of_session
    lab_of_session.restore()


@pytest.fixture
def driver(lab: Libvirtd, kvm: KvmProbe) -> Iterator[LibvirtDriver]:
    driver = LibvirtDriver(lab.uri, SystemClock(), kvm=kvm)
    yield driver
    driver.close()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk of 1 MiB."""
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(1 << 20))
    return path
