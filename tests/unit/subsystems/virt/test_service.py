"""The subsystem over a hypervisor in memory: what it tells the front, and why."""

from __future__ import annotations

import threading

import pytest

from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    Cancelled,
    GenerationConflict,
    GuestUnresponsive,
    HypervisorUnavailable,
    ObjectNotFound,
    WrongState,
)
from libvdsm.interfaces.generated.types import ChangeEffect, ShutdownResultWay, ShutdownWay, VmState
from libvdsm.subsystems.virt.driver import Definition, Domain
from tests.fakes.virt_bench import VM, Bench, run


def test_every_snapshot_is_a_resync_as_nobody_knows_what_was_before() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.tells = False
        bench.driver.turn(VM, VmState.STOPPED, "unheard")
        bench.driver.lose()
        await bench.reporter.until(lambda: len(bench.reporter.conditions) == 3)
        assert bench.reporter.conditions == [("ready", None), ("unavailable", "it went away"), ("ready", None)]
        causes = [cause.kind for kind, _, cause in bench.reporter.told if kind == "snapshot" and cause is not None]
        assert causes == ["resync", "resync"]
        assert (bench.document["state"], bench.document["stateReason"]) == ("stopped", "found-at-resync")

    run(scenario)


def test_while_it_is_away_every_call_fails_at_once_with_the_reason() -> None:
    async def scenario(bench: Bench) -> None:
        bench.driver.fail["open"] = HypervisorUnavailable(reason="nobody there")
        await bench.virt.start()
        await bench.reporter.until(lambda: bench.reporter.conditions)
        assert bench.reporter.conditions[0] == ("unavailable", "nobody there")
        with pytest.raises(HypervisorUnavailable, match="nobody there"):
            await bench.start()
        del bench.driver.fail["open"]
        await bench.reporter.until(lambda: bench.reporter.conditions[-1][0] == "ready")

    run(scenario, is_ready=False)


def test_an_accepted_definition_is_recorded_before_it_is_shown_and_told_once() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.quiet()
        assert bench.reporter.kinds() == ["snapshot", "condition", "desired", "changed"]
        _, observed, cause = bench.reporter.told[-1]
        assert (observed.generation, observed.operationId, cause.method if cause else None) == (1, "op VM.create", "VM.create")
        with pytest.raises(AlreadyExists):
            await bench.virt.vm_create(
                bench.context("VM.create", operation_id="another"),
                types.VmCreateParams(name="web", vm_id=VM, config=types.VmConfig(memory=64 << 20)),
            )
        await bench.create()  # the same operation again, after a restart

    run(scenario)


def test_an_update_counts_and_says_what_needs_a_restart() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        patch = types.VmConfigPatch(memory=128 << 20, metadata={"a": "b"})
        params = types.VmUpdateParams(vm_id=VM, name="new", config=patch)
        result = await bench.virt.vm_update(bench.context("VM.update", generation=1, expected_generation=1), params)
        assert result.generation == 2
        effects = {change.path: change.effect for change in result.changes}
        assert effects == {"config.memory": ChangeEffect.RESTART, "config.metadata": ChangeEffect.LIVE, "name": ChangeEffect.LIVE}
        assert (bench.document["restartNeeded"], bench.document["name"]) == (["memory"], "new")
        again = await bench.virt.vm_update(bench.context("VM.update"), params)
        assert (again.generation, again.changes) == (2, [])
        with pytest.raises(GenerationConflict):
            await bench.virt.vm_update(bench.context("VM.update", expected_generation=1), params)

    run(scenario)


def test_a_running_machine_is_deleted_only_by_force() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        with pytest.raises(WrongState):
            await bench.virt.vm_delete(bench.context("VM.delete"), types.VmDeleteParams(vm_id=VM))
        await bench.virt.vm_delete(bench.context("VM.delete"), types.VmDeleteParams(vm_id=VM, force=True))
        await bench.quiet()
        assert VM not in bench.reporter.documents
        assert bench.reporter.kinds().count("removed") == 1
        with pytest.raises(ObjectNotFound):
            await bench.start()

    run(scenario)


def test_what_happens_by_itself_has_the_hypervisor_as_its_cause() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        await bench.quiet()
        bench.driver.turn(VM, VmState.STOPPED, "stopped crashed")
        await bench.reporter.until(lambda: bench.document["state"] == "stopped")
        _, _, cause = bench.reporter.told[-1]
        assert cause is not None
        assert (cause.kind, cause.detail) == ("hypervisor", "stopped crashed")

    run(scenario)


def test_pausing_what_is_paused_and_stopping_what_is_stopped_do_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.virt.vm_stop(bench.context("VM.stop"), types.VmStopParams(vm_id=VM))
        await bench.virt.vm_start(bench.context("VM.start"), types.VmStartParams(vm_id=VM, paused=True))
        await bench.virt.vm_pause(bench.context("VM.pause"), types.VmPauseParams(vm_id=VM))
        assert not {"destroy", "suspend"} & set(bench.driver.calls)

    run(scenario)


@pytest.mark.parametrize(
    ("obeys", "force", "expected"),
    (
        (ShutdownWay.AGENT, False, ShutdownResultWay.AGENT),
        (ShutdownWay.ACPI, False, ShutdownResultWay.ACPI),
        (None, True, ShutdownResultWay.FORCE),
    ),
)
@pytest.mark.parametrize("tells", (True, False))
def test_a_guest_is_asked_in_order_until_it_obeys(
    obeys: ShutdownWay | None, expected: ShutdownResultWay, *, force: bool, tells: bool
) -> None:
    """Also when its events are lost."""

    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.obeys, bench.driver.tells = obeys, tells
        params = types.VmShutdownParams(vm_id=VM, guest_timeout=0.2 if obeys is None else 2.0, force=force)
        result = await bench.virt.vm_shutdown(bench.context("VM.shutdown"), params)
        assert result.way is expected
        assert bench.document["state"] == "stopped"
        again = await bench.virt.vm_shutdown(bench.context("VM.shutdown"), params)
        assert again.way is ShutdownResultWay.NONE

    run(scenario)


def test_a_guest_that_did_not_hear_is_asked_again() -> None:
    """As one that is still booting does not: the first question is lost, a later one is obeyed."""

    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.obeys, bench.driver.deaf = ShutdownWay.ACPI, 1
        params = types.VmShutdownParams(vm_id=VM, guest_timeout=20, ways=[ShutdownWay.ACPI])
        result = await bench.virt.vm_shutdown(bench.context("VM.shutdown"), params)
        assert result.way is ShutdownResultWay.ACPI
        assert bench.driver.calls.count("ask_shutdown acpi") == 2

    run(scenario)


def test_a_guest_that_ignores_all_goes_on_and_is_told_so() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.obeys = None
        bench.driver.fail["ask_shutdown agent"] = GuestUnresponsive(id=VM, reason="no agent")
        with pytest.raises(GuestUnresponsive, match="agent: no agent; acpi: asked"):
            await bench.virt.vm_shutdown(bench.context("VM.shutdown"), types.VmShutdownParams(vm_id=VM, guest_timeout=0.1))
        with pytest.raises(Cancelled):
            await bench.virt.vm_shutdown(bench.context("VM.shutdown", is_cancelled=lambda: True), types.VmShutdownParams(vm_id=VM))
        assert bench.document["state"] == "running"

    run(scenario)


def test_a_reboot_ends_when_it_was_seen_or_by_the_button() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        params = types.VmRebootParams(vm_id=VM, guest_timeout=2.0, force=True)
        assert (await bench.virt.vm_reboot(bench.context("VM.reboot"), params)).way is ShutdownResultWay.ACPI
        bench.driver.obeys = None
        params = types.VmRebootParams(vm_id=VM, guest_timeout=0.1, force=True)
        assert (await bench.virt.vm_reboot(bench.context("VM.reboot"), params)).way is ShutdownResultWay.FORCE
        assert bench.driver.calls.count("reset") == 1

    run(scenario)


def sample(at: str, time: float) -> types.VmStats:
    return types.VmStats(vm_id=VM, state=VmState.RUNNING, cpu=types.VmCpuStats(sampled_at=at, time=time, used_percent=0, vcpus=1))


def test_use_is_told_by_two_samples_and_a_failure_keeps_the_figures_with_the_reason() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        for at, time in (("2026-01-01T00:00:00.000Z", 1.0), ("2026-01-01T00:00:02.000Z", 2.0)):
            bench.driver.samples = [sample(at, time)]
            await bench.virt._statistics.sample()
        assert bench.reporter.figures[VM]["cpu"]["usedPercent"] == 50.0
        bench.driver.fail["stats"] = HypervisorUnavailable(reason="no time")
        await bench.virt._statistics.sample()
        cpu = bench.reporter.figures[VM]["cpu"]
        assert (cpu["usedPercent"], cpu["sampledAt"]) == (50.0, "2026-01-01T00:00:02.000Z")
        assert cpu["notRefreshed"] == {"error": "HypervisorUnavailable", "reason": "no time"}

    run(scenario)


def test_a_machine_that_does_not_answer_twice_has_a_problem_until_it_does() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()
        bench.driver.samples = [sample("2026-01-01T00:00:00.000Z", 1.0)]
        await bench.virt._statistics.sample()
        bench.driver.samples = []
        await bench.virt._statistics.sample()
        assert "problem" not in bench.document
        await bench.virt._statistics.sample()
        assert bench.document["problem"] == "its process does not answer"
        bench.driver.samples = [sample("2026-01-01T00:00:04.000Z", 2.0)]
        await bench.virt._statistics.sample()
        assert "problem" not in bench.document

    run(scenario)


def test_f41_without_threads_the_hypervisor_is_away_and_comes_back_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may start no more threads for a while: typed errors, and all goes on by itself."""

    def no_more(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario(bench: Bench) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_more)
            await bench.virt.start()
            await bench.reporter.until(lambda: bench.reporter.conditions)
            assert bench.reporter.conditions[0] == ("unavailable", "virt-open: can't start new thread")
        await bench.reporter.until(lambda: bench.reporter.conditions[-1] == ("ready", None))
        await bench.create()
        bench.virt._lanes.reset("its threads are sent home")
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_more)
            for _ in range(10):
                with pytest.raises(HypervisorUnavailable, match="can't start new thread"):
                    await bench.start()
            assert bench.virt._lanes.in_flight == 0
        await bench.start()
        assert bench.document["state"] == "running"

    run(scenario, is_ready=False)


def test_a_document_is_told_before_the_change_that_shows_it_even_when_the_echo_is_quicker() -> None:
    """The hypervisor tells of the definition, and is slow to answer the call that made it."""

    async def scenario(bench: Bench) -> None:
        echo = threading.Event()
        define, domain = bench.driver.define, bench.driver.domain

        def slow(definition: Definition) -> None:
            define(definition)
            echo.wait(0.2)

        def read(id: str) -> Domain:
            found = domain(id)
            echo.set()
            return found

        bench.driver.define, bench.driver.domain = slow, read  # type: ignore[method-assign]
        await bench.create()
        await bench.quiet()
        assert bench.reporter.kinds() == ["snapshot", "condition", "desired", "changed"]

    run(scenario)
