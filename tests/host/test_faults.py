"""The subsystem with a real libvirtd and real QEMU processes that hang, die and come back (DESIGN 4)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import GuestUnresponsive, HypervisorUnavailable, OutcomeUnknown
from libvdsm.subsystems.virt.config import VirtConfig
from tests.host.front import Front, run
from tests.lab.libvirtd import Libvirtd
from tests.lab.own_time import OwnTime

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def test_a_hung_libvirtd_is_told_within_five_seconds_and_left_behind_when_it_goes_on(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        lab.freeze_daemon()
        clock = OwnTime(tuple)
        with pytest.raises(HypervisorUnavailable):
            await front.pause(vm_id)
        assert clock.seconds() < 5
        await front.unavailable()
        with pytest.raises(HypervisorUnavailable):
            await front.pause(vm_id)
        lab.thaw_daemon()
        await front.ready(2)
        assert front.reporter.documents[vm_id]["state"] == "running"
        await front.pause(vm_id)
        assert front.ended == []

    run(lab, scenario)


def test_an_opening_that_is_not_answered_ends_the_process(lab: Libvirtd) -> None:
    async def main() -> None:
        lab.freeze_daemon()
        front = Front(lab, VirtConfig(open_s=1.0))
        await front.virt.start()
        await front.unavailable()
        assert len(front.ended) == 1
        assert "not answered within 1 s" in front.ended[0]
        await front.virt.stop()

    asyncio.run(main())


def test_a_libvirtd_that_is_killed_and_comes_back_has_lost_nothing(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        lab.kill_daemon()
        await front.unavailable()
        assert front.reporter.documents[vm_id]["state"] == "running", "unknown is never dead"
        await asyncio.to_thread(lab.start_daemon)
        await front.ready(2)
        kind, _, cause = [told for told in front.reporter.told if told[0] == "snapshot"][-1]
        assert cause is not None
        assert (kind, cause.kind) == ("snapshot", "resync")
        assert front.reporter.documents[vm_id]["state"] == "running"
        await front.pause(vm_id)
        assert front.reporter.documents[vm_id]["state"] == "paused"

    run(lab, scenario)


def test_a_guest_killed_while_libvirtd_was_away_is_found_at_resync(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        pid = lab.qemu_pid(vm_id)
        lab.kill_daemon()
        await front.unavailable()
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(lab.start_daemon)
        await front.ready(2)
        await front.state_is(vm_id, "stopped")
        assert front.reporter.documents[vm_id]["stateReason"] in {"found-at-resync", "crashed", "failed"}

    run(lab, scenario)


def test_a_killed_guest_is_told_within_three_seconds(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        await front.reporter.until(lambda: vm_id in front.reporter.figures)  # its start has been told to the end
        clock = OwnTime(lambda: (lab.pid,))
        os.kill(lab.qemu_pid(vm_id), signal.SIGKILL)
        await front.state_is(vm_id, "stopped")
        assert clock.seconds() < 3
        _, _, cause = [told for told in front.reporter.told if told[0] == "changed"][-1]
        assert cause is not None
        assert cause.kind == "hypervisor"

    run(lab, scenario)


def test_only_the_guest_that_hangs_is_degraded(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        hung, healthy = await front.started(), await front.started()
        await front.reporter.until(lambda: {hung, healthy} <= front.reporter.figures.keys())
        os.kill(lab.qemu_pid(hung), signal.SIGSTOP)
        clock = OwnTime(lambda: (lab.pid,))
        with pytest.raises(OutcomeUnknown, match="does not answer"):
            await front.pause(hung)
        assert clock.seconds() < 6
        await front.reporter.until(lambda: "problem" in front.reporter.documents[hung], 60)
        before = front.reporter.figures[healthy]["cpu"]["sampledAt"]
        await front.reporter.until(lambda: _is_fresh_after(front.reporter.figures[healthy], before), 60)
        assert "problem" not in front.reporter.documents[healthy]
        took = []
        for _ in range(3):
            clock = OwnTime(lambda: (lab.pid, lab.qemu_pid(healthy)))
            await front.pause(healthy)
            await front.resume(healthy)
            took.append(clock.seconds())
        assert min(took) < 1, took
        assert "notRefreshed" in front.reporter.figures[hung]["memory"]
        await front.stop(hung)
        assert front.reporter.documents[hung]["state"] == "stopped"
        assert "problem" not in front.reporter.documents[hung]
        assert front.reporter.conditions == [("ready", None)]

    run(lab, scenario)


def _is_fresh_after(figures: dict[str, dict[str, object]], before: object) -> bool:
    return figures["cpu"]["sampledAt"] != before and "notRefreshed" not in figures["cpu"]


def test_a_guest_that_hung_is_itself_again_when_it_goes_on(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        pid = lab.qemu_pid(vm_id)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(OutcomeUnknown, match="does not answer"):
            await front.pause(vm_id)
        await front.reporter.until(lambda: "problem" in front.reporter.documents[vm_id], 60)
        os.kill(pid, signal.SIGCONT)
        await front.reporter.until(lambda: "problem" not in front.reporter.documents[vm_id], 60)
        await front.state_is(vm_id, "paused")
        await front.resume(vm_id)

    run(lab, scenario)


def test_a_shutdown_that_is_ignored_ends_by_force(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        ways = [types.ShutdownWay.AGENT, types.ShutdownWay.ACPI]
        asking = types.VmShutdownParams(vm_id=vm_id, ways=ways, guest_timeout=0.5)
        with pytest.raises(GuestUnresponsive, match=r"did not shut down in 0\.5 s"):
            await front.virt.vm_shutdown(front.context("VM.shutdown"), asking)
        forced = types.VmShutdownParams(vm_id=vm_id, ways=ways, guest_timeout=0.5, force=True)
        result = await front.virt.vm_shutdown(front.context("VM.shutdown"), forced)
        assert result.way is types.ShutdownResultWay.FORCE
        assert front.reporter.documents[vm_id]["state"] == "stopped"
        again = await front.virt.vm_shutdown(front.context("VM.shutdown"), forced)
        assert again.way is types.ShutdownResultWay.NONE

    run(lab, scenario)


def test_a_console_is_offered_to_the_holder_of_its_ticket(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        config = types.VmConfig(memory=32 << 20, serials=[types.SerialConfig()], graphics=[types.GraphicsConfig()])
        made = await front.virt.vm_create(front.context("VM.create"), types.VmCreateParams(name="guest", config=config))
        await front.virt.vm_start(front.context("VM.start"), types.VmStartParams(vm_id=made.vm_id, paused=True))
        params = types.ConsoleOpenParams(vm_id=made.vm_id, kind=types.ConsoleKind.GRAPHICS)
        ticket = await front.virt.console_open(front.context("Console.open"), params)
        assert (ticket.protocol, ticket.path) == (types.ConsoleProtocol.VNC, f"/stream/{ticket.ticket}")
        with front.reporter.offers[ticket.ticket] as screen:
            assert await asyncio.to_thread(_first, screen) == b"RFB "

    run(lab, scenario)


def _first(stream: socket.socket) -> bytes:
    stream.settimeout(60)
    return stream.recv(4)
