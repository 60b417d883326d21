"""Every verb that changes something passes the point after its deed, once its driver's call has returned and before that is told."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from libvdsm.base import faultpoints
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import GuestUnresponsive, OutcomeUnknown
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import VmConfig
from libvdsm.subsystems.virt.driver import NotComeBackError
from tests.fakes.virt_bench import VM, Bench, run

Verb = Callable[[Bench], Awaitable[object]]
CREATE = types.VmCreateParams(name="web", config=VmConfig(memory=64 << 20))
MADE = "VM.create", "VM.update", "VM.delete", "VM.start"

VERBS: dict[str, tuple[str, Verb]] = {  # with the driver's call that is the deed
    "Console.open": (
        "open_graphics",
        lambda b: b.virt.console_open(b.context("Console.open"), types.ConsoleOpenParams(vm_id=VM, kind=types.ConsoleKind.GRAPHICS)),
    ),
    "VM.create": ("define", lambda b: b.virt.vm_create(b.context("VM.create"), CREATE)),
    "VM.delete": ("undefine", lambda b: b.virt.vm_delete(b.context("VM.delete"), types.VmDeleteParams(vm_id=VM))),
    "VM.pause": ("suspend", lambda b: b.virt.vm_pause(b.context("VM.pause"), types.VmPauseParams(vm_id=VM))),
    "VM.reboot": (
        "ask_reboot agent",
        lambda b: b.virt.vm_reboot(b.context("VM.reboot"), types.VmRebootParams(vm_id=VM, guest_timeout=0.1)),
    ),
    "VM.reset": ("reset", lambda b: b.virt.vm_reset(b.context("VM.reset"), types.VmResetParams(vm_id=VM))),
    "VM.resume": ("resume", lambda b: b.virt.vm_resume(b.context("VM.resume"), types.VmResumeParams(vm_id=VM))),
    "VM.shutdown": (
        "ask_shutdown agent",
        lambda b: b.virt.vm_shutdown(b.context("VM.shutdown"), types.VmShutdownParams(vm_id=VM, guest_timeout=0.1)),
    ),
    "VM.start": ("start", lambda b: b.virt.vm_start(b.context("VM.start"), types.VmStartParams(vm_id=VM))),
    "VM.stop": ("destroy", lambda b: b.virt.vm_stop(b.context("VM.stop"), types.VmStopParams(vm_id=VM))),
    "VM.update": ("define", lambda b: b.virt.vm_update(b.context("VM.update"), types.VmUpdateParams(vm_id=VM, name="other"))),
}


@pytest.fixture
def reached() -> Iterator[list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []
    faultpoints.set_hook(lambda verb, point: found.append((verb, point)))
    yield found
    faultpoints.set_hook(lambda _verb, _point: None)


def test_all_verbs_that_change_something_are_here() -> None:
    assert set(VERBS) == {name for name, entry in METHODS.items() if entry.subsystem == "virt" and entry.probe is not None}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_process_can_be_stopped_right_after_the_deed(verb: str, reached: list[tuple[str, str]]) -> None:
    call, carry_out = VERBS[verb]
    stream, other = socket.socketpair()

    async def scenario(bench: Bench) -> None:
        bench.driver.streams = [stream]
        await bench.create(graphics=[{}])
        if verb not in MADE:
            await bench.start()
        if verb == "VM.resume":
            await bench.virt.vm_pause(bench.context("VM.pause"), types.VmPauseParams(vm_id=VM))
        await bench.quiet()
        bench.driver.tells = False
        reached.clear()
        seen: list[tuple[str, int]] = []

        def reach(verb: str, point: str) -> None:
            reached.append((verb, point))
            seen.append((bench.driver.calls[-1], told(bench)))

        faultpoints.set_hook(reach)
        before = told(bench)
        with suppress(GuestUnresponsive):  # nobody tells that it has rebooted
            await carry_out(bench)
        assert reached[0] == (verb, "after_call")
        assert seen[0] == (call, before), "right after the call, and nothing of it was told"

    with stream, other:
        run(scenario)


def told(bench: Bench) -> int:
    return len([kind for kind in bench.reporter.kinds() if kind != "offer"])


def test_a_console_is_for_who_asked_from_where_he_asked() -> None:
    stream, other = socket.socketpair()

    async def scenario(bench: Bench) -> None:
        bench.driver.streams = [stream]
        await bench.create(graphics=[{}])
        await bench.start()
        context = bench.context("Console.open", address="192.0.2.1")
        ticket = await bench.virt.console_open(context, types.ConsoleOpenParams(vm_id=VM, kind=types.ConsoleKind.GRAPHICS))
        assert bench.reporter.offered_to == {ticket.ticket: ("me", "192.0.2.1")}

    with stream, other:
        run(scenario)


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"VM.shutdown", "VM.reboot"}))
def test_a_deed_that_does_not_come_back_may_still_be_done(verb: str) -> None:
    """It would be a lie to call it failed: what it was to do may come at any time."""
    call, carry_out = VERBS[verb]

    async def scenario(bench: Bench) -> None:
        await bench.create(graphics=[{}])
        if verb not in MADE:
            await bench.start()
        if verb == "VM.resume":
            await bench.virt.vm_pause(bench.context("VM.pause"), types.VmPauseParams(vm_id=VM))
        bench.driver.fail[call] = NotComeBackError(id=VM, reason="it has not come back")
        with pytest.raises(OutcomeUnknown, match=f"{verb} was begun; .*it has not come back"):
            await carry_out(bench)
        bench.driver.fail[call] = GuestUnresponsive(id=VM, reason="another call is under way")
        with pytest.raises(GuestUnresponsive, match="another call is under way"):
            await carry_out(bench)

    run(scenario)


@pytest.mark.parametrize("verb", ("VM.shutdown", "VM.reboot"))
def test_a_guest_that_may_have_heard_is_asked_in_the_next_way(verb: str) -> None:
    call, carry_out = VERBS[verb]

    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.obeys = None
        bench.driver.fail[call] = NotComeBackError(id=VM, reason="it has not come back")
        with pytest.raises(GuestUnresponsive, match=r"agent: .*has not come back; acpi: asked"):
            await carry_out(bench)

    run(scenario)
