"""What speaks against a verb: all of it at once, and nothing is done."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import Acceleration, ConsoleKind, Feature, Firmware, HostCapabilities, VmConfig, VmState
from libvdsm.interfaces.work import WorkContext
from libvdsm.schema import load_api
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.check import FEATURES, Facts, judge
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.paths import HANGS
from tests.fakes.virt_bench import VM, Bench, run

FILE = {"kind": "file", "path": "/images/a", "format": "raw"}
WRONG = types.VmConfigPatch(firmware=types.FirmwareConfig(secure_boot=True), graphics=[types.GraphicsConfig()] * 2)


def domain(state: VmState = VmState.STOPPED, **members: Any) -> Domain:
    config = plan.normalise(VmConfig(memory=64 << 20), VM)
    base = Domain(
        id=VM, name="web", state=state, state_reason=None, config=config, live_config=None, generation=3, operation_id="op", digest=None,
        started_at=None,
    )  # fmt: skip
    return msgspec.structs.replace(base, **members)


def capabilities(**members: Any) -> HostCapabilities:
    base = HostCapabilities(
        hypervisor="fake", hypervisor_version="1", emulator_version="1", acceleration=Acceleration.TCG, architectures=["x86_64"],
        machines=["q35"], cpu_models=[], firmwares=[Firmware.BIOS], maximum_vcpus=2, features=[],
    )  # fmt: skip
    return msgspec.structs.replace(base, **members)


def judged(method: str, params: object, *, expected: int | None = None, **facts: Any) -> tuple[list[str], bool]:
    context = WorkContext(method=method, operation_id="op", identity="me", deadline=0.0, expected_generation=expected)
    found = judge(context, params, Facts(vm_id=getattr(params, "vm_id", None), **facts))
    return [f"{error.name} {error.params.get('path', '')}".strip() for error in found.reasons], found.nothing_to_do


def test_all_reasons_are_told_at_once() -> None:
    update = types.VmUpdateParams(vm_id=VM, config=WRONG)
    reasons, nothing = judged(
        "VM.update", update, expected=2, domain=domain(is_foreign=True), away="nobody there", is_hung=True, capabilities=capabilities()
    )
    assert reasons == [
        "HypervisorUnavailable",
        "GenerationConflict",
        "GuestUnresponsive",
        "Unsupported",
        "InvalidParams $.config.firmware.secureBoot",
        "InvalidParams $.config.graphics[1]",
    ]
    assert not nothing


@pytest.mark.parametrize("method", sorted(name for name, entry in METHODS.items() if entry.subsystem == "virt" and entry.works_in))
@pytest.mark.parametrize("state", tuple(VmState))
def test_a_state_is_judged_as_the_verb_itself_would(method: str, state: VmState) -> None:
    entry = METHODS[method]
    live = domain().config if plan.is_active(state) else None
    reasons, nothing = judged(method, entry.params(vm_id=VM), domain=domain(state, live_config=live))
    assert ("WrongState" in reasons) is (state.value not in entry.works_in + entry.done_in)
    assert nothing is (state.value in entry.done_in)


def test_nobody_guesses_the_state_of_what_cannot_be_asked() -> None:
    assert judged("VM.start", types.VmStartParams(vm_id=VM), domain=domain(VmState.RUNNING), away="gone") == (
        ["HypervisorUnavailable"],
        False,
    )
    assert judged("VM.start", types.VmStartParams(vm_id=VM), away="gone") == (["HypervisorUnavailable"], False)
    assert judged("VM.start", types.VmStartParams(vm_id=VM)) == (["ObjectNotFound"], False)


def test_a_creation_is_judged_by_its_id_and_its_whole_configuration() -> None:
    config = msgspec.convert({"memory": 64 << 20, "firmware": {"secureBoot": True}, "disks": [{}, {"device": "cdrom"}]}, VmConfig)
    reasons, _ = judged("VM.create", types.VmCreateParams(name="web", vm_id=VM, config=config), domain=domain())
    assert reasons == [
        "AlreadyExists",
        "InvalidParams $.config.firmware.secureBoot",
        "InvalidParams $.config.disks[0].source",
        "InvalidParams $.config.disks[1].bus",
    ]
    assert judged("VM.create", types.VmCreateParams(name="web", config=VmConfig(memory=64 << 20))) == ([], False)


def test_an_update_that_changes_nothing_has_nothing_to_do() -> None:
    same = types.VmConfigPatch(memory=64 << 20)
    assert judged("VM.update", types.VmUpdateParams(vm_id=VM, config=same, name="web"), domain=domain()) == ([], True)
    assert judged("VM.update", types.VmUpdateParams(vm_id=VM, name="other"), domain=domain()) == ([], False)
    recreate = types.VmConfigPatch(architecture="aarch64")
    assert judged("VM.update", types.VmUpdateParams(vm_id=VM, config=recreate), domain=domain()) == (["Unsupported"], False)


def test_a_start_is_judged_by_what_the_host_can_do_and_by_its_files() -> None:
    config = msgspec.structs.replace(
        domain().config,
        vcpus=4,
        cpu=types.CpuConfig(mode=types.CpuMode.HOST_PASSTHROUGH),
        firmware=types.FirmwareConfig(kind=Firmware.UEFI),
    )
    reasons, _ = judged(
        "VM.start",
        types.VmStartParams(vm_id=VM),
        domain=domain(config=config),
        capabilities=capabilities(architectures=["aarch64"]),
        files={"/images/a": HANGS, "/images/b": "No such file or directory"},
    )
    assert reasons == ["Unsupported"] * 4 + ["ResourceBusy", "HypervisorError"]


def test_a_hung_machine_may_be_stopped_and_a_running_one_deleted_by_force() -> None:
    running = domain(VmState.RUNNING)
    assert judged("VM.stop", types.VmStopParams(vm_id=VM), domain=running, is_hung=True) == ([], False)
    assert judged("VM.pause", types.VmPauseParams(vm_id=VM), domain=running, is_hung=True) == (["GuestUnresponsive"], False)
    assert judged("VM.delete", types.VmDeleteParams(vm_id=VM, force=True), domain=running) == ([], False)
    assert judged("VM.delete", types.VmDeleteParams(vm_id=VM), domain=running) == (["WrongState"], False)


def test_a_console_needs_its_device_and_its_feature() -> None:
    running = domain(VmState.RUNNING)
    graphics = types.ConsoleOpenParams(vm_id=VM, kind=ConsoleKind.GRAPHICS)
    can = capabilities(features=[Feature(name="console.graphics", available=False, reason="no")])
    assert judged("Console.open", graphics, domain=running, capabilities=can)[0] == ["Unsupported", "Unsupported"]
    assert judged("Console.open", types.ConsoleOpenParams(vm_id=VM, device_id="ua-x"), domain=running, capabilities=can)[0] == [
        "ObjectNotFound"
    ]


def test_features_are_those_that_the_schema_requires() -> None:
    methods = [method for interface in load_api().interfaces.values() for method in interface.methods]
    wanted = {method.full_name: tuple(method.requires) for method in methods if method.subsystem == "virt" and method.requires}
    assert wanted == {name: (feature,) for name, feature in FEATURES.items()}


# -- over a hypervisor


async def checked(bench: Bench, method: str, params: Any, **members: object) -> tuple[list[str], bool]:
    found = await bench.virt.check(bench.context(method, **members), params)
    return [msgspec.json.decode(reason)["data"]["error"] for reason in found.reasons], found.nothingToDo


def test_a_check_does_nothing_and_asks_only_for_what_it_needs() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create(disks=[{"source": FILE}], kernel={"path": "/boot/kernel"})
        await bench.quiet()
        bench.driver.files = {"/images/a": "Permission denied", "/boot/kernel": "No such file or directory"}
        told, before = len(bench.reporter.told), len(bench.driver.calls)
        assert await checked(bench, "VM.start", types.VmStartParams(vm_id=VM)) == (["HypervisorError", "HypervisorError"], False)
        assert await checked(bench, "VM.stop", types.VmStopParams(vm_id=VM)) == ([], True)
        assert await checked(bench, "VM.update", types.VmUpdateParams(vm_id=VM, config=WRONG)) == (
            ["InvalidParams", "InvalidParams"],
            False,
        )
        assert len(bench.reporter.told) == told
        assert set(bench.driver.calls[before:]) <= {"capabilities"}

    run(scenario)


def test_a_check_while_the_hypervisor_is_away_says_so() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create()
        bench.driver.fail["open"] = HypervisorUnavailable(reason="nobody there")
        bench.driver.lose()
        await bench.reporter.until(lambda: bench.reporter.conditions[-1][0] == "unavailable")
        assert await checked(bench, "VM.start", types.VmStartParams(vm_id=VM)) == (["HypervisorUnavailable"], False)

    run(scenario)


def test_the_recorded_document_is_what_an_update_is_judged_by() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create(metadata={"a": "b"})
        _, (_, _, document), _ = next(told for told in bench.reporter.told if told[0] == "desired")
        bench.driver.change(VM, config=msgspec.structs.replace(bench.driver.machines[VM].config, metadata={}))
        params = types.VmUpdateParams(vm_id=VM, config=types.VmConfigPatch(metadata={"a": "b"}))
        assert await checked(bench, "VM.update", params, desired=Raw(msgspec.json.encode(document))) == ([], True)

    run(scenario)
