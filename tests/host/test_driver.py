"""The driver of libvirt with a real guest: the whole of its contract, against QEMU."""

from __future__ import annotations

import os
import queue
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.generated.errors import GuestUnresponsive, ObjectNotFound, ResourceBusy, Unsupported, WrongState
from libvdsm.interfaces.generated.types import (
    Acceleration,
    ShutdownWay,
    VmConfig,
    VmState,
)
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.driver import Definition, DomainEvent
from libvdsm.subsystems.virt.drivers.libvirt import LibvirtDriver
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe
from tests.lab.libvirtd import Libvirtd
from tests.lab.real import guest_config

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]
BOOT_S = 60.0


class Hearing:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.details: queue.Queue[tuple[str, str]] = queue.Queue()

    def domain_event(self, event: DomainEvent) -> None:
        self.details.put((event.id, event.detail))

    def connection_lost(self, reason: str) -> None:
        self.details.put(("", reason))

    def wait_for(self, id: str, detail: str, timeout_s: float = 60.0) -> None:
        """The event comes in time."""
        deadline = time.monotonic() + timeout_s
        while self.details.get(timeout=max(0.01, deadline - time.monotonic())) != (id, detail):
            pass


class Console:
    """Somebody at the serial port."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self._heard = b""

    def expect(self, text: bytes, timeout_s: float = 60.0) -> bytes:
        """Everything up to and with ``text``."""
        self.stream.settimeout(timeout_s)
        while text not in self._heard:
            data = self.stream.recv(4096)
            assert data, f"the console ended after {self._heard!r}"
            self._heard += data
        before, _, self._heard = self._heard.partition(text)
        return before + text


def define(driver: LibvirtDriver, config: VmConfig, name: str = "guest") -> str:
    vm_id = new_uuid()
    config = plan.normalise(config, vm_id)
    digest = plan.digest(name, config)
    driver.define(Definition(id=vm_id, name=name, config=config, generation=1, operation_id=new_uuid(), digest=digest))
    return vm_id


def until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.05)


def test_the_whole_life_of_a_real_guest(driver: LibvirtDriver, disk: Path) -> None:  # noqa: PLR0915 - one boot for all of it
    hearing = Hearing()
    driver.open(hearing)
    vm_id = define(driver, guest_config(disk.parent), "Web ä <1>")
    hearing.wait_for(vm_id, "defined added")
    domain = driver.domain(vm_id)
    assert plan.as_kept(domain.config) == plan.as_kept(plan.normalise(guest_config(disk.parent), vm_id))
    assert (domain.name, domain.state, domain.generation, domain.live_config) == ("Web ä <1>", VmState.STOPPED, 1, None)

    driver.start(vm_id, paused=True)
    hearing.wait_for(vm_id, "started booted")
    domain = driver.domain(vm_id)
    assert domain.state is VmState.PAUSED
    assert domain.live_config == domain.config
    assert domain.started_at is not None
    assert abs(domain.started_at - time.time()) < 10
    console = Console(driver.open_serial(vm_id, "ua-serial0", take_over=False))
    driver.resume(vm_id)
    assert driver.domain(vm_id).state is VmState.RUNNING
    console.expect(b"guest# ", BOOT_S)
    console.stream.sendall(b"echo 'hel''lo'; cat /proc/uptime\n")
    console.expect(b"\nhello\r\n")

    with pytest.raises(ResourceBusy):
        driver.open_serial(vm_id, "ua-serial0", take_over=False)
    taken = Console(driver.open_serial(vm_id, "ua-serial0", take_over=True))
    console.stream.settimeout(10)
    while console.stream.recv(4096):
        pass
    console.stream.close()
    taken.stream.sendall(b"echo 'ta''ken'\n")
    taken.expect(b"\ntaken\r\n")

    (sample,) = driver.stats()
    assert sample.cpu is not None
    assert sample.cpu.time > 0
    assert sample.memory is not None
    assert sample.memory.current == 160 << 20
    assert [figures.id for figures in sample.disks or ()] == ["ua-disk0"]
    assert (sample.disks or [])[0].written_bytes > 0
    content_type, image = driver.screenshot(vm_id, 0)
    assert (content_type, image[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    with driver.open_graphics(vm_id) as screen:
        screen.settimeout(10)
        assert screen.recv(4) == b"RFB "

    driver.suspend(vm_id)
    hearing.wait_for(vm_id, "suspended paused")
    driver.resume(vm_id)
    with pytest.raises(WrongState, match="this needs stopped"):
        driver.start(vm_id, paused=False)
    with pytest.raises(WrongState):
        driver.undefine(vm_id)
    with pytest.raises(GuestUnresponsive):
        driver.ask_shutdown(vm_id, ShutdownWay.AGENT)

    driver.ask_reboot(vm_id, ShutdownWay.ACPI)
    hearing.wait_for(vm_id, "reboot")
    taken.expect(b"READY", BOOT_S)
    driver.ask_shutdown(vm_id, ShutdownWay.ACPI)
    hearing.wait_for(vm_id, "stopped shutdown", 60)
    domain = driver.domain(vm_id)
    assert (domain.state, domain.state_reason) == (VmState.STOPPED, "shutdown")
    taken.stream.close()
    driver.undefine(vm_id)
    hearing.wait_for(vm_id, "undefined removed")
    with pytest.raises(ObjectNotFound):
        driver.domain(vm_id)
    assert b"written by the guest" in disk.read_bytes()
    assert b"power button pressed" in disk.with_suffix(".log").read_bytes()


def test_a_new_definition_waits_for_the_next_start(driver: LibvirtDriver) -> None:
    driver.open(Hearing())
    vm_id = define(driver, VmConfig(memory=64 << 20))
    driver.start(vm_id, paused=True)
    domain = driver.domain(vm_id)
    changed = plan.normalise(VmConfig(memory=96 << 20, autostart=True, metadata={"a": "b"}), vm_id)
    driver.define(Definition(id=vm_id, name="renamed", config=changed, generation=2, operation_id="op", digest="d"))
    domain = driver.domain(vm_id)
    assert (domain.name, domain.generation, plan.as_kept(domain.config)) == ("renamed", 2, plan.as_kept(changed))
    assert domain.config.autostart
    assert plan.restart_needed(domain.config, domain.live_config) == ["memory"]
    driver.destroy(vm_id)
    assert driver.domain(vm_id).state_reason == "destroyed"


def test_what_the_host_cannot_do_is_said(driver: LibvirtDriver, kvm: KvmProbe) -> None:
    driver.open(Hearing())
    verdict = kvm.wait(20)
    found = driver.capabilities()
    assert found.acceleration is (Acceleration.KVM if verdict.is_usable else Acceleration.TCG)
    assert (found.acceleration_reason is None) is verdict.is_usable
    assert "q35" in found.machines
    assert found.maximum_vcpus > 1
    vm_id = define(driver, VmConfig(memory=64 << 20))
    driver.start(vm_id, paused=True)
    with pytest.raises(Unsupported):
        driver.open_graphics(vm_id)


def test_a_guest_whose_process_is_killed_is_seen_to_have_crashed(driver: LibvirtDriver, lab: Libvirtd) -> None:
    hearing = Hearing()
    driver.open(hearing)
    vm_id = define(driver, VmConfig(memory=64 << 20))
    driver.start(vm_id, paused=True)
    os.kill(lab.qemu_pid(vm_id), signal.SIGKILL)
    hearing.wait_for(vm_id, "stopped failed")
    assert driver.domain(vm_id).state is VmState.STOPPED
