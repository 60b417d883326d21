"""The contract of drivers: power, and what a guest is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from libvdsm.interfaces.generated.errors import GuestUnresponsive, HypervisorError, Unsupported, WrongState
from libvdsm.interfaces.generated.types import ShutdownWay, VmState
from libvdsm.subsystems.virt.driver import Driver
from tests.contract.virt.hypervisors import PATIENCE_S, Hypervisor, having


def test_a_started_domain_runs(hypervisor: Hypervisor) -> None:
    before = time.time()
    id = hypervisor.started()
    domain = hypervisor.driver.domain(id)
    assert domain.state == VmState.RUNNING
    assert domain.live_config is not None
    assert domain.started_at is None or before - 2 <= domain.started_at <= time.time() + 2


def test_a_running_domain_is_not_started_again(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with pytest.raises(WrongState) as raised:
        hypervisor.driver.start(id, paused=False)
    assert raised.value.params["type"] == "vm"
    assert raised.value.params["id"] == id


def test_a_domain_started_paused_runs_after_resume(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    hypervisor.driver.start(id, paused=True)
    assert hypervisor.driver.domain(id).state == VmState.PAUSED
    hypervisor.driver.resume(id)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING


def test_suspend_and_resume_can_be_repeated(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    for _ in range(2):
        hypervisor.driver.suspend(id)
        assert hypervisor.driver.domain(id).state == VmState.PAUSED
    for _ in range(2):
        hypervisor.driver.resume(id)
        assert hypervisor.driver.domain(id).state == VmState.RUNNING


def test_destroy_stops_what_runs_and_what_is_paused(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    hypervisor.driver.destroy(id)
    assert hypervisor.driver.domain(id).state == VmState.STOPPED
    hypervisor.driver.start(id, paused=True)
    hypervisor.driver.destroy(id)
    domain = hypervisor.driver.domain(id)
    assert (domain.state, domain.live_config) == (VmState.STOPPED, None)


@pytest.mark.parametrize("call", (Driver.destroy, Driver.suspend, Driver.resume))
def test_a_stopped_domain_refuses(hypervisor: Hypervisor, call: Callable[[Driver, str], None]) -> None:
    id = hypervisor.define()
    with pytest.raises(WrongState) as raised:
        getattr(hypervisor.driver, call.__name__)(id)
    assert raised.value.params["state"] == "stopped"


@pytest.mark.parametrize("hypervisor", having("reset"), indirect=True)
def test_reset_keeps_the_domain_running(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    hypervisor.driver.reset(id)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING
    hypervisor.driver.destroy(id)
    with pytest.raises(WrongState):
        hypervisor.driver.reset(id)


@pytest.mark.parametrize("way", (ShutdownWay.ACPI, ShutdownWay.AGENT))
def test_a_stopped_domain_is_not_asked(hypervisor: Hypervisor, way: ShutdownWay) -> None:
    id = hypervisor.define()
    for ask in (hypervisor.driver.ask_shutdown, hypervisor.driver.ask_reboot):
        with pytest.raises(WrongState):
            ask(id, way)


@pytest.mark.parametrize("hypervisor", having("acpi"), indirect=True)
def test_a_guest_goes_down_when_the_button_is_pressed(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    ask_until_stopped(hypervisor, id, ShutdownWay.ACPI)
    assert hypervisor.driver.domain(id).state_reason == "shutdown"


@pytest.mark.parametrize("hypervisor", having("agent"), indirect=True)
def test_a_guest_goes_down_when_its_agent_is_asked(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    ask_until_stopped(hypervisor, id, ShutdownWay.AGENT)


@pytest.mark.parametrize("hypervisor", having("agent"), indirect=True)
def test_without_a_channel_there_is_no_agent_to_ask(hypervisor: Hypervisor) -> None:
    id = hypervisor.started(msgspec.structs.replace(hypervisor.config, guest_agent=False))
    for ask in (hypervisor.driver.ask_shutdown, hypervisor.driver.ask_reboot):
        with pytest.raises((Unsupported, GuestUnresponsive)):
            ask(id, ShutdownWay.AGENT)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING


@pytest.mark.parametrize("hypervisor", having("acpi"), indirect=True)
def test_a_paused_guest_obeys_nobody_and_stays(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    hypervisor.driver.start(id, paused=True)
    with suppress(WrongState):  # some ask in vain, some refuse
        hypervisor.driver.ask_shutdown(id, ShutdownWay.ACPI)
    assert hypervisor.driver.domain(id).state == VmState.PAUSED


def ask_until_stopped(hypervisor: Hypervisor, id: str, way: ShutdownWay) -> None:
    """Ask as often as is needed: a guest that still boots hears nothing."""
    deadline = time.monotonic() + PATIENCE_S + hypervisor.boot_s
    while hypervisor.driver.domain(id).state != VmState.STOPPED:
        assert time.monotonic() < deadline, f"{id} did not go down"
        with suppress(GuestUnresponsive, WrongState, HypervisorError):  # it boots still, is down by now, or goes down at this moment
            hypervisor.driver.ask_shutdown(id, way)
        time.sleep(0.05)
