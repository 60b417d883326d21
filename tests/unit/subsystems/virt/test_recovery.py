"""What became of a verb that was interrupted: judged by what is seen, after the fence, and told with what it had still to record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import GuestUnresponsive, HypervisorUnavailable
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import ShutdownResultWay, ShutdownWay, VmConfig, VmState
from libvdsm.interfaces.messages import Recovered
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt import desire, plan
from libvdsm.subsystems.virt.desire import DesiredVm
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.recovery import PROBES, Finding, Sight
from tests.fakes.virt_bench import VM, Bench, run

CONFIG = plan.normalise(VmConfig(memory=64 << 20), VM)
STATES = (None, *VmState)
ENDED = {VmState.STOPPED, VmState.HIBERNATED}


def domain(state: VmState = VmState.STOPPED, **members: Any) -> Domain:
    base = Domain(
        id=VM, name="web", state=state, state_reason=None, config=CONFIG, live_config=None, generation=1, operation_id="op", digest=None,
        started_at=None,
    )  # fmt: skip
    return msgspec.structs.replace(base, **members)


def context(method: str, **members: Any) -> WorkContext:
    return msgspec.structs.replace(WorkContext(method=method, operation_id="op", identity="me", deadline=0.0), **members)


def judged(method: str, params: object, found: Domain | None, **members: Any) -> Finding:
    return PROBES[method](context(method, **members), params, Sight(domain=found))


def test_every_verb_that_can_be_looked_for_has_a_probe_and_no_other() -> None:
    """The schema's own words; a verb that is added without its probe fails here."""
    wanted = {name for name, entry in METHODS.items() if entry.subsystem == "virt" and entry.probe in {"metadata", "state"}}
    assert set(PROBES) == wanted


@pytest.mark.parametrize(
    ("method", "params", "done", "unknown"),
    (
        ("VM.start", types.VmStartParams(vm_id=VM), set(STATES) - ENDED - {None, VmState.UNKNOWN}, set()),
        ("VM.stop", types.VmStopParams(vm_id=VM), {None, *ENDED, VmState.UNKNOWN}, set()),
        ("VM.shutdown", types.VmShutdownParams(vm_id=VM), {None, *ENDED, VmState.UNKNOWN}, set()),
        ("VM.pause", types.VmPauseParams(vm_id=VM), {VmState.PAUSED}, set()),
        (
            "VM.resume",
            types.VmResumeParams(vm_id=VM),
            {VmState.RUNNING, VmState.STOPPING, VmState.CRASHED},
            {None, *ENDED, VmState.UNKNOWN},
        ),
        ("VM.delete", types.VmDeleteParams(vm_id=VM), {None}, set()),
    ),
)
@pytest.mark.parametrize("state", STATES)
def test_a_state_tells_whether_a_verb_has_had_its_effect(
    method: str, params: object, done: set[VmState | None], unknown: set[VmState | None], state: VmState | None
) -> None:
    found = judged(method, params, None if state is None else domain(state))
    assert found.outcome == ("done" if state in done else "unknown" if state in unknown else "absent")
    assert isinstance(found.result, METHODS[method].result) is (state in done)
    assert bool(found.reason) is (state not in done)


@pytest.mark.parametrize(
    ("reason", "has_agent", "params", "way"),
    (
        ("destroyed", True, {"force": True}, ShutdownResultWay.FORCE),
        ("shutdown", True, {"ways": [ShutdownWay.AGENT]}, ShutdownResultWay.AGENT),
        ("shutdown", False, {}, ShutdownResultWay.ACPI),
        ("shutdown", True, {}, ShutdownResultWay.NONE),
    ),
)
def test_how_a_guest_went_down_is_told_as_far_as_it_can_be_seen(
    reason: str, params: dict[str, Any], way: ShutdownResultWay, *, has_agent: bool
) -> None:
    config = msgspec.structs.replace(CONFIG, guest_agent=has_agent)
    found = judged("VM.shutdown", types.VmShutdownParams(vm_id=VM, **params), domain(state_reason=reason, config=config))
    assert found.result == types.VmShutdownResult(way=way)


def test_a_deletion_that_pulled_the_plug_and_came_no_further_is_no_absence() -> None:
    forced = types.VmDeleteParams(vm_id=VM, force=True)
    assert judged("VM.delete", forced, domain(state_reason="destroyed")).outcome == "unknown"
    assert judged("VM.delete", forced, domain(VmState.RUNNING)).outcome == "absent"
    assert judged("VM.delete", types.VmDeleteParams(vm_id=VM), domain(state_reason="destroyed")).outcome == "absent"


CREATE = types.VmCreateParams(name="web", config=VmConfig(memory=64 << 20), vm_id=VM, project="shop")


def test_a_creation_is_known_by_its_operation() -> None:
    assert judged("VM.create", CREATE, None).outcome == "absent"
    assert judged("VM.create", CREATE, domain(operation_id="other")).outcome == "absent"
    assert judged("VM.create", CREATE, domain(operation_id="other", generation=2)).outcome == "unknown"
    found = judged("VM.create", CREATE, domain())
    assert (found.outcome, found.result) == ("done", types.VmCreateResult(vm_id=VM, generation=1))
    assert found.desired == DesiredVm(name="web", config=CONFIG, project="shop", asked=CREATE.config, operation_id="op")


def test_a_creation_whose_id_the_host_chose_is_known_by_that_even_when_it_was_changed_since() -> None:
    params = msgspec.structs.replace(CREATE, vm_id=None)
    id = plan.new_vm_id("op")
    found = judged("VM.create", params, domain(id=id, operation_id="other", generation=3))
    assert (found.outcome, found.result, found.desired) == ("done", types.VmCreateResult(vm_id=id, generation=1), None)


UPDATE = types.VmUpdateParams(vm_id=VM, project="shop", config=types.VmConfigPatch(memory=128 << 20))
BEFORE = DesiredVm(name="web", config=CONFIG, operation_id="one before")
AFTER = desire.updated(context("VM.update"), UPDATE, BEFORE, "x86_64")


@pytest.mark.parametrize("recorded", (BEFORE, AFTER))
def test_an_update_tells_its_changes_whether_they_were_recorded_or_not(recorded: DesiredVm) -> None:
    found = judged("VM.update", UPDATE, domain(generation=2), desired=Raw(msgspec.json.encode(recorded)))
    assert found.outcome == "done"
    assert found.desired == AFTER
    assert isinstance(found.result, types.VmUpdateResult)
    assert (found.result.generation, {change.path for change in found.result.changes}) == (2, {"config.memory", "project"})


def test_an_update_of_which_nothing_is_seen_is_absent_unless_there_was_nothing_to_do() -> None:
    present = domain(operation_id="one before")
    assert judged("VM.update", UPDATE, present, desired=Raw(msgspec.json.encode(BEFORE))).outcome == "absent"
    idle = judged("VM.update", types.VmUpdateParams(vm_id=VM, name="web"), present, desired=Raw(msgspec.json.encode(BEFORE)))
    assert (idle.outcome, idle.result) == ("done", types.VmUpdateResult(generation=1, changes=[]))
    assert judged("VM.update", UPDATE, None).outcome == "unknown"


# -- over a hypervisor


async def recovered(bench: Bench, method: str, params: Any, **members: object) -> Recovered:
    return await bench.virt.recover(bench.context(method, **members), params)


def test_what_was_defined_and_not_recorded_is_recorded_before_the_answer() -> None:
    async def scenario(bench: Bench) -> None:
        config = plan.normalise(CREATE.config, VM)
        bench.driver.machines[VM] = domain(operation_id="op VM.create", config=config)
        told = len(bench.reporter.told)
        answer = await recovered(bench, "VM.create", msgspec.structs.replace(CREATE, config=VmConfig(memory=64 << 20, autostart=True)))
        assert (answer.outcome, answer.result) == ("done", Raw(b'{"vmId":"%s","generation":1}' % VM.encode()))
        kinds = [kind for kind, _, _ in bench.reporter.told[told:]]
        assert kinds == ["desired", "changed"]
        _, (id, generation, document), _ = bench.reporter.told[told]
        assert (id, generation, document["project"], document["operationId"]) == (VM, 1, "shop", "op VM.create")
        assert "set_autostart" in bench.driver.calls, "the last step of a definition that was accepted"
        assert bench.driver.machines[VM].config.autostart
        assert bench.driver.calls.index("fence") < bench.driver.calls.index("set_autostart")

    run(scenario)


def test_a_document_that_is_recorded_again_is_shown_although_the_domain_is_as_it_was_told() -> None:
    """As after a worker's restart: the snapshot has told of the domain before its document is known."""

    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.quiet()
        told = len(bench.reporter.told)
        assert (await recovered(bench, "VM.create", CREATE)).outcome == "done"
        assert [kind for kind, _, _ in bench.reporter.told[told:]] == ["desired", "changed"]

    run(scenario)


def test_a_request_that_was_still_on_its_way_is_seen_at_the_second_look() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()

        def arrives(id: str) -> None:
            if bench.driver.calls.count("fence") == 2:
                bench.driver.turn(id, VmState.RUNNING, "started booted")

        bench.driver.at_fence = arrives
        answer = await recovered(bench, "VM.start", types.VmStartParams(vm_id=VM))
        assert (answer.outcome, answer.result) == ("done", Raw(b"{}"))
        assert bench.document["state"] == "running"
        assert "start" not in bench.driver.calls

    run(scenario)


def test_what_was_absent_twice_is_absent_and_nothing_was_done() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.quiet()
        before = len(bench.driver.calls)
        answer = await recovered(bench, "VM.start", types.VmStartParams(vm_id=VM))
        assert (answer.outcome, answer.reason) == ("absent", "it was not started")
        assert set(bench.driver.calls[before:]) == {"fence", "domain"}
        assert bench.driver.calls[before:].count("fence") == 2

    run(scenario)


def test_a_fence_that_is_not_passed_leaves_the_outcome_unknown() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        bench.driver.fail["fence"] = GuestUnresponsive(id=VM, reason="a job hangs")
        answer = await recovered(bench, "VM.start", types.VmStartParams(vm_id=VM))
        assert answer.outcome == "unknown"
        assert "a job hangs" in (answer.reason or "")

    run(scenario)


def test_a_hypervisor_that_goes_away_meanwhile_is_waited_for() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.start()

        def goes(_id: str) -> None:
            bench.driver.at_fence = None
            bench.driver.lose()
            raise HypervisorUnavailable(reason="it went away")

        bench.driver.at_fence = goes
        answer = await recovered(bench, "VM.start", types.VmStartParams(vm_id=VM))
        assert answer.outcome == "done"
        assert [state for state, _ in bench.reporter.conditions] == ["ready", "unavailable", "ready"]

    run(scenario)


def test_what_cannot_be_seen_is_unknown_without_a_look() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.quiet()
        before = len(bench.driver.calls)
        answer = await recovered(bench, "VM.reset", types.VmResetParams(vm_id=VM))
        assert answer.outcome == "unknown"
        assert bench.driver.calls[before:] == []

    run(scenario)


def test_what_was_never_possible_is_absent() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        wrong = types.VmConfigPatch(firmware=types.FirmwareConfig(secure_boot=True))
        answer = await recovered(bench, "VM.update", types.VmUpdateParams(vm_id=VM, config=wrong))
        assert (answer.outcome, answer.reason is not None) == ("absent", True)

    run(scenario)


def test_a_deletion_that_is_found_done_is_told_as_its_own() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.quiet()
        bench.driver.tells = False
        bench.driver.undefine(VM)
        assert (await recovered(bench, "VM.delete", types.VmDeleteParams(vm_id=VM))).outcome == "done"
        kind, _, cause = bench.reporter.told[-1]
        assert kind == "removed"
        assert cause is not None
        assert (cause.kind, cause.method) == ("call", "VM.delete")

    run(scenario)


@pytest.mark.parametrize("times", (20,))
def test_f04_a_recovery_that_is_interrupted_again_and_again_converges(times: int) -> None:
    """Whatever it does can be done twice."""

    async def scenario(bench: Bench) -> None:
        config = plan.normalise(CREATE.config, VM)
        bench.driver.machines[VM] = domain(operation_id="op VM.create", config=config)
        answers = [await recovered(bench, "VM.create", CREATE) for _ in range(times)]
        assert {answer.result for answer in map(_comparable, answers)} == {b'{"vmId":"%s","generation":1}' % VM.encode()}
        documents = [what for kind, what, _ in bench.reporter.told if kind == "desired"]
        assert documents == [documents[0]] * times

    run(scenario)


class _Comparable(msgspec.Struct):
    result: bytes


def _comparable(answer: Recovered) -> _Comparable:
    assert isinstance(answer.result, Raw)
    return _Comparable(bytes(answer.result))


def test_the_same_operation_again_makes_nothing_twice() -> None:
    async def scenario(bench: Bench) -> None:
        params = msgspec.structs.replace(CREATE, vm_id=None)
        first = await bench.virt.vm_create(bench.context("VM.create"), params)
        again = await bench.virt.vm_create(bench.context("VM.create"), params)
        assert first == again
        assert bench.driver.calls.count("define") == 1

    run(scenario)


def test_the_same_update_again_answers_as_before_although_its_generation_is_not_that_expected_any_more() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        params = types.VmUpdateParams(vm_id=VM, name="other")
        first = await bench.virt.vm_update(bench.context("VM.update", expected_generation=1), params)
        document = next(what[2] for kind, what, _ in reversed(bench.reporter.told) if kind == "desired")
        recorded = Raw(msgspec.json.encode(document))
        again = await bench.virt.vm_update(bench.context("VM.update", expected_generation=1, generation=2, desired=recorded), params)
        assert first == again
        assert bench.driver.calls.count("define") == 2

    run(scenario)
