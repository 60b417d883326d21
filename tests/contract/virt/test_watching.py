"""The contract of drivers: events, figures, capabilities, connections."""

from __future__ import annotations

import msgspec
import pytest

from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.interfaces.generated.types import HostCapabilities, VmState, VmStats
from libvdsm.subsystems.virt.driver import Road
from tests.contract.virt.hypervisors import Hypervisor, Recorder, having


def test_every_turn_of_a_domains_life_is_told(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    hypervisor.listener.await_event(id, "defined")
    hypervisor.driver.start(id, paused=False)
    hypervisor.listener.await_event(id, "started")
    hypervisor.driver.suspend(id)
    hypervisor.listener.await_event(id, "suspended")
    hypervisor.driver.resume(id)
    hypervisor.listener.await_event(id, "resumed")
    hypervisor.driver.destroy(id)
    hypervisor.listener.await_event(id, "stopped")
    hypervisor.driver.undefine(id)
    assert hypervisor.listener.await_event(id, "undefined").gone
    assert [event.gone for event in hypervisor.listener.events if event.id == id].count(True) == 1


def test_an_event_comes_after_the_change_that_it_tells_of(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    hypervisor.listener.await_event(id, "started")
    assert hypervisor.driver.domain(id).state == VmState.RUNNING


def test_two_listeners_hear_the_same(hypervisor: Hypervisor) -> None:
    other, listener = hypervisor.make(), Recorder()
    other.open(listener)
    try:
        id = hypervisor.started()
        listener.await_event(id, "started")
    finally:
        other.close()


@pytest.mark.parametrize("hypervisor", having("stats"), indirect=True)
def test_statistics_are_of_active_domains_and_fit_the_schema(hypervisor: Hypervisor) -> None:
    running, stopped = hypervisor.started(), hypervisor.define()
    found = {stats.vm_id: stats for stats in hypervisor.driver.stats()}
    assert running in found
    assert stopped not in found
    stats = found[running]
    again = msgspec.json.decode(msgspec.json.encode(stats), type=VmStats)
    assert again == stats
    assert stats.cpu is not None
    assert stats.cpu.vcpus == hypervisor.config.vcpus
    assert stats.memory is not None
    assert 0 < stats.memory.current <= stats.memory.maximum
    config = hypervisor.driver.domain(running).config
    assert {disk.id for disk in stats.disks or ()} == {disk.id for disk in config.disks}
    assert {nic.id for nic in stats.nics or ()} == {nic.id for nic in config.nics}


@pytest.mark.parametrize("hypervisor", having("stats"), indirect=True)
def test_counters_never_go_back(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    times = []
    for _ in range(5):
        found = next(stats for stats in hypervisor.driver.stats() if stats.vm_id == id)
        assert found.cpu is not None
        times.append(found.cpu.time)
    assert times == sorted(times)


def test_capabilities_fit_the_schema(hypervisor: Hypervisor) -> None:
    found = hypervisor.driver.capabilities()
    assert msgspec.json.decode(msgspec.json.encode(found), type=HostCapabilities) == found
    assert found.hypervisor
    assert not found.machines or hypervisor.config.machine in found.machines
    assert found.maximum_vcpus >= 1


@pytest.mark.parametrize("road", ("command", "monitor", "rescue"))
def test_every_road_can_be_replaced_and_events_go_on(hypervisor: Hypervisor, road: Road) -> None:
    hypervisor.driver.replace(road)
    id = hypervisor.started()
    hypervisor.listener.await_event(id, "started")
    hypervisor.driver.destroy(id)
    hypervisor.listener.await_event(id, "stopped")
    assert hypervisor.listener.losses == []


def test_a_closed_driver_says_so_and_can_be_opened_again(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    hypervisor.driver.close()
    hypervisor.driver.close()
    with pytest.raises(HypervisorUnavailable):
        hypervisor.driver.domain(id)
    assert hypervisor.listener.losses == [], "who closes needs not be told"
    hypervisor.driver.open(hypervisor.listener)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING, "guests go on"
