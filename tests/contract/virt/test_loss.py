"""The contract of drivers: what happens when the hypervisor dies or hangs. Here with the simulator, whose world can be killed at will."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import GuestUnresponsive, HypervisorError, HypervisorUnavailable
from libvdsm.interfaces.generated.types import VmState
from libvdsm.subsystems.virt.drivers.simulator import SimulatorDriver
from libvdsm.subsystems.virt.drivers.simulator_control import SimulatorControl
from tests.contract.virt.hypervisors import Hypervisor, Recorder, SimulatorWorld, having, simulator_config
from tests.lab.own_time import OwnTime

pytestmark = pytest.mark.parametrize("hypervisor", having("loss"), indirect=True)


def world_of(hypervisor: Hypervisor) -> SimulatorWorld:
    assert hypervisor.world is not None
    return hypervisor.world


def test_a_killed_hypervisor_is_noticed_at_once_and_calls_fail(hypervisor: Hypervisor) -> None:
    clock = OwnTime(tuple)
    world_of(hypervisor).kill()
    assert hypervisor.listener.await_loss()
    assert clock.seconds() < 4
    with pytest.raises(HypervisorUnavailable):
        hypervisor.driver.domains()
    with pytest.raises(HypervisorUnavailable):
        hypervisor.make().open(Recorder())


def test_guests_survive_their_hypervisor(hypervisor: Hypervisor) -> None:
    id, stopped = hypervisor.started(), hypervisor.define()
    before = hypervisor.driver.domains()
    world_of(hypervisor).kill()
    hypervisor.listener.await_loss()
    world_of(hypervisor).start()
    hypervisor.driver.open(hypervisor.listener)
    assert hypervisor.driver.domains() == before
    assert hypervisor.driver.domain(id).state == VmState.RUNNING
    assert hypervisor.driver.domain(stopped).state == VmState.STOPPED


def test_what_was_answered_is_kept(hypervisor: Hypervisor) -> None:
    gone = hypervisor.define()
    hypervisor.driver.undefine(gone)
    generated = next(domain.id for domain in hypervisor.driver.domains() if domain.state == VmState.STOPPED)
    hypervisor.driver.undefine(generated)
    left = {domain.id for domain in hypervisor.driver.domains()}
    world_of(hypervisor).kill()
    world_of(hypervisor).start()
    hypervisor.driver.open(hypervisor.listener)
    assert {domain.id for domain in hypervisor.driver.domains()} == left


def test_a_stopped_hypervisor_is_lost_within_five_seconds(hypervisor: Hypervisor) -> None:
    world_of(hypervisor).signal(signal.SIGSTOP)
    clock = OwnTime(tuple)
    with pytest.raises(HypervisorUnavailable):
        hypervisor.driver.domains()
    assert hypervisor.listener.await_loss()
    assert clock.seconds() < 5
    with pytest.raises(HypervisorUnavailable):
        hypervisor.driver.open(hypervisor.listener)
    world_of(hypervisor).signal(signal.SIGCONT)
    hypervisor.driver.open(hypervisor.listener)
    assert hypervisor.driver.domains()


def test_a_hung_machine_hangs_alone(hypervisor: Hypervisor) -> None:
    hung, well = hypervisor.started(), hypervisor.started()
    driver = SimulatorDriver(world_of(hypervisor).socket_path, call_timeout_s=2.0)
    driver.open(Recorder())
    try:
        with SimulatorControl(world_of(hypervisor).socket_path) as control:
            control.hang(hung)
            with pytest.raises(GuestUnresponsive) as raised:
                driver.suspend(hung)
            assert raised.value.params["id"] == hung
            with pytest.raises(GuestUnresponsive):
                driver.open_serial(hung, "ua-serial0", take_over=False)
            driver.suspend(well)
            assert driver.domain(hung).state == VmState.RUNNING
            stats = {found.vm_id: found for found in driver.stats()}
            memory = stats[hung].memory
            assert memory is not None
            assert memory.not_refreshed is not None
            assert memory.not_refreshed.error == "GuestUnresponsive"
            well_memory = stats[well].memory
            assert well_memory is not None
            assert well_memory.not_refreshed is None
            driver.destroy(hung)
            assert driver.domain(hung).state == VmState.STOPPED
    finally:
        driver.close()


def test_a_call_that_hung_goes_on_when_the_fault_is_over(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.hang(id)
        driver = SimulatorDriver(world_of(hypervisor).socket_path, call_timeout_s=2.0)
        driver.open(Recorder())
        with pytest.raises(GuestUnresponsive):
            driver.suspend(id)
        driver.close()
        control.clear()
    hypervisor.await_state(id, VmState.PAUSED)


def test_a_fence_waits_for_what_a_client_that_has_gone_asked_for(hypervisor: Hypervisor) -> None:
    """As the worker that was killed in the middle of a start: its request is carried out before the fence lets anybody pass."""
    id, other = hypervisor.define(), hypervisor.define()

    def state(id: str) -> VmState:
        """As the list has it, which is not slow."""
        return next(domain.state for domain in hypervisor.driver.domains() if domain.id == id)

    with SimulatorControl(world_of(hypervisor).socket_path) as control, ThreadPoolExecutor(1) as threads:
        control.slow(4.0, id)
        gone = SimulatorDriver(world_of(hypervisor).socket_path)
        gone.open(Recorder())
        call = threads.submit(gone.start, id, paused=False)
        while not call.running():
            time.sleep(0.001)
        time.sleep(0.5)  # it is on its way
        gone.close()
        assert state(id) == VmState.STOPPED
        hypervisor.driver.fence(other)
        assert state(id) == VmState.STOPPED
        hypervisor.driver.fence(id)
        assert state(id) == VmState.RUNNING
        assert isinstance(call.exception(60), HypervisorUnavailable)


def test_a_fence_does_not_pass_a_machine_that_hangs(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.hang(id)
        driver = SimulatorDriver(world_of(hypervisor).socket_path, call_timeout_s=2.0)
        driver.open(Recorder())
        for call in (driver.suspend, driver.fence):
            with pytest.raises(GuestUnresponsive):
                call(id)
        control.clear()
        driver.fence(id)
        assert driver.domain(id).state == VmState.PAUSED
        driver.close()


def test_a_replaced_road_leaves_the_calls_that_are_on_it_to_their_end(hypervisor: Hypervisor) -> None:
    slow, hung = hypervisor.started(), hypervisor.started()
    with SimulatorControl(world_of(hypervisor).socket_path) as control, ThreadPoolExecutor(2) as threads:
        control.slow(4.0, slow)
        control.hang(hung)
        calls = [threads.submit(hypervisor.driver.suspend, id) for id in (slow, hung)]
        assert not wait(calls, 0.5).done
        hypervisor.driver.replace("command")
        assert hypervisor.started()
        calls[0].result(60)
        assert hypervisor.driver.domain(slow).state == VmState.PAUSED
        assert not calls[1].done()
        control.clear()
        calls[1].result(60)


def test_dropped_events_are_not_told_and_states_are_true(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.drop_events()
        hypervisor.driver.destroy(id)
        control.clear()
    marker = hypervisor.define()
    hypervisor.listener.await_event(marker, "defined")
    assert not [event for event in hypervisor.listener.events if event.id == id and "stopped" in event.detail]
    assert hypervisor.driver.domain(id).state == VmState.STOPPED


@pytest.mark.parametrize("silent", (True, False))
def test_a_crash_is_told_unless_it_is_silent(hypervisor: Hypervisor, *, silent: bool) -> None:
    id = hypervisor.started()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.crash(id, silent=silent)
    marker = hypervisor.define()
    hypervisor.listener.await_event(marker, "defined")
    told = [event for event in hypervisor.listener.events if event.id == id and "crashed" in event.detail]
    assert bool(told) is not silent
    domain = hypervisor.driver.domain(id)
    assert (domain.state, domain.state_reason) == (VmState.STOPPED, "crashed")


def test_the_next_call_fails_as_asked_and_only_that(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.fail_next("start", HypervisorError(call="start", number=38, reason="no memory"), id)
    with pytest.raises(HypervisorError) as raised:
        hypervisor.driver.start(id, paused=False)
    assert raised.value.params == {"call": "start", "number": 38, "reason": "no memory"}
    hypervisor.driver.start(id, paused=False)


def test_a_slow_hypervisor_answers_late_and_is_not_lost(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.slow(0.2, id)
        began = time.monotonic()
        hypervisor.driver.start(id, paused=False)
        assert time.monotonic() - began >= 0.2
    assert not hypervisor.listener.losses


def test_time_can_be_moved_and_stays_moved_over_a_restart(hypervisor: Hypervisor) -> None:
    config = simulator_config()
    config.metadata["simulator.crash_after"] = "3600"
    id = hypervisor.started(config)
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.advance(3000)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING
    world_of(hypervisor).kill()
    world_of(hypervisor).start()
    hypervisor.driver.open(hypervisor.listener)
    assert hypervisor.driver.domain(id).state == VmState.RUNNING
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.advance(700)
    hypervisor.listener.await_event(id, "crashed")


def test_after_a_reboot_of_the_host_only_autostart_runs(hypervisor: Hypervisor) -> None:
    id, other = hypervisor.started(), hypervisor.started()
    hypervisor.driver.set_autostart(id, True)
    with SimulatorControl(world_of(hypervisor).socket_path) as control:
        control.reboot_host()
    assert hypervisor.driver.domain(id).state == VmState.RUNNING
    assert hypervisor.driver.domain(other).state == VmState.STOPPED


def test_the_world_ends_when_asked_and_refuses_a_second_one(hypervisor: Hypervisor) -> None:
    world = world_of(hypervisor)
    second = SimulatorWorld(world.socket_path.parent)
    second.socket_path = world.socket_path.with_name("second.sock")
    with pytest.raises(AssertionError, match="the world has ended"):
        second.start()
    assert world.stop() == 0
    hypervisor.listener.await_loss()
    assert not world.socket_path.exists()


def test_garbage_on_the_socket_harms_nobody(hypervisor: Hypervisor) -> None:
    with SimulatorControl(world_of(hypervisor).socket_path) as control, pytest.raises(ApiError):
        control.hang("no such machine")
    for garbage in (b"\xff\xff\xff\xff", b"\0\0\0\x02{]", b"\0\0\0\x05", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(world_of(hypervisor).socket_path))
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(60)
            assert client.recv(100) == b""
    assert hypervisor.driver.domains()
