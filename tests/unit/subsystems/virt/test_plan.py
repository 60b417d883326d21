"""What a configuration means in full, what changes, and which state allows which verb."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from libvdsm.interfaces.generated.errors import InvalidParams, Unsupported, WrongState
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import Change, ChangeEffect, VmConfig, VmConfigPatch, VmState
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.contradictions import contradictions

VM = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
FILE = {"kind": "file", "path": "/images/a", "format": "raw"}


def config(**members: Any) -> VmConfig:
    return msgspec.convert({"memory": 64 << 20, **members}, VmConfig)


def test_the_host_fills_in_ids_addresses_and_architecture_always_the_same() -> None:
    asked = config(disks=[{"source": FILE}, {"id": "ua-mine", "source": FILE}], nics=[{"source": {"kind": "user"}}] * 2, serials=[{}])
    normal = plan.normalise(asked, VM)
    assert [disk.id for disk in normal.disks] == ["ua-disk0", "ua-mine"]
    assert [nic.id for nic in normal.nics] == ["ua-nic0", "ua-nic1"]
    assert [serial.id for serial in normal.serials] == ["ua-serial0"]
    macs = [nic.mac for nic in normal.nics]
    assert len(set(macs)) == 2
    assert all(mac is not None and mac.startswith("52:54:00:") for mac in macs)
    assert normal.architecture == "x86_64"
    assert plan.normalise(asked, VM) == plan.normalise(normal, VM) == normal
    assert plan.normalise(asked, VM[:-1] + "e").nics != normal.nics


def test_a_given_id_is_never_given_again() -> None:
    normal = plan.normalise(config(disks=[{"source": FILE}, {"id": "ua-disk0", "source": FILE}]), VM)
    assert [disk.id for disk in normal.disks] == ["ua-disk1", "ua-disk0"]


@pytest.mark.parametrize(
    ("cpu", "vcpus", "expected"),
    (
        ({"sockets": 2}, 4, (2, 2, 1)),
        ({"cores": 2}, 4, (2, 2, 1)),
        ({"threads": 2}, 8, (4, 1, 2)),
        ({"sockets": 1, "cores": 2, "threads": 2}, 4, (1, 2, 2)),
    ),
)
def test_a_topology_is_completed(cpu: dict[str, int], vcpus: int, expected: tuple[int, int, int]) -> None:
    found = plan.normalise(config(cpu=cpu, vcpus=vcpus), VM).cpu
    assert (found.sockets, found.cores, found.threads) == expected


@pytest.mark.parametrize(
    ("members", "path"),
    (
        ({"cpu": {"sockets": 2}, "vcpus": 3}, "$.config.cpu"),
        ({"cpu": {"mode": "custom"}}, "$.config.cpu.model"),
        ({"cpu": {"model": "qemu64"}}, "$.config.cpu.model"),
        ({"firmware": {"secureBoot": True}}, "$.config.firmware.secureBoot"),
        ({"disks": [{}]}, "$.config.disks[0].source"),
        ({"disks": [{"device": "cdrom"}]}, "$.config.disks[0].bus"),
        ({"disks": [{"source": FILE, "bus": "sata", "readOnly": True}]}, "$.config.disks[0].readOnly"),
        ({"disks": [{"source": FILE, "bootOrder": 1}, {"source": FILE, "bootOrder": 1}]}, "$.config.disks[1].bootOrder"),
        ({"disks": [{"id": "ua-a", "source": FILE}], "serials": [{"id": "ua-a"}]}, "$.config.serials[0].id"),
        ({"nics": [{"source": {"kind": "user"}, "mac": "52:54:00:00:00:01"}] * 2}, "$.config.nics[1].mac"),
        ({"graphics": [{}, {}]}, "$.config.graphics[1]"),
    ),
)
def test_what_contradicts_itself_is_named_by_its_path(members: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        plan.normalise(config(**members), VM)
    assert raised.value.path == path


def patched(before: VmConfig, **members: Any) -> VmConfig:
    return plan.apply_patch(before, msgspec.json.decode(msgspec.json.encode(members), type=VmConfigPatch))


def test_a_patch_replaces_clears_and_leaves() -> None:
    before = config(vcpus=4, kernel={"path": "/boot/kernel"}, metadata={"a": "b"})
    after = patched(before, memory=128 << 20, vcpus=None, kernel=None)
    assert (after.memory, after.vcpus, after.kernel, after.metadata) == (128 << 20, 1, None, {"a": "b"})


def test_what_must_be_there_cannot_be_cleared() -> None:
    patch = VmConfigPatch()
    msgspec.structs.force_setattr(patch, "memory", None)  # what the decoder refuses already
    with pytest.raises(InvalidParams) as raised:
        plan.apply_patch(config(), patch)
    assert raised.value.path == "$.config.memory"


def test_changes_carry_the_effects_of_the_schema() -> None:
    before = plan.normalise(config(), VM)
    after = patched(before, memory=128 << 20, autostart=True, guestAgent=True)
    assert plan.diff(before, after) == [
        Change(path="config.autostart", effect=ChangeEffect.LIVE),
        Change(path="config.guestAgent", effect=ChangeEffect.RESTART),
        Change(path="config.memory", effect=ChangeEffect.RESTART),
    ]
    assert plan.restart_needed(after, before) == ["guestAgent", "memory"]
    assert plan.restart_needed(after, after) == plan.restart_needed(after, None) == []


def test_what_needs_a_new_machine_is_refused() -> None:
    before = plan.normalise(config(), VM)
    with pytest.raises(Unsupported, match=r"config\.architecture"):
        plan.check_possible(plan.diff(before, patched(before, architecture="aarch64")))


STATEFUL = sorted(name for name, entry in METHODS.items() if entry.subsystem == "virt" and entry.works_in)


def test_every_power_verb_tells_its_states() -> None:
    power = {"VM.delete", "VM.pause", "VM.reboot", "VM.reset", "VM.resume", "VM.shutdown", "VM.start", "VM.stop"}
    assert power | {"Console.open", "VM.screenshot"} <= set(STATEFUL)


@pytest.mark.parametrize("verb", STATEFUL)
@pytest.mark.parametrize("state", tuple(VmState))
def test_every_verb_has_an_answer_for_every_state(verb: str, state: VmState) -> None:
    entry = METHODS[verb]
    assert not set(entry.works_in) & set(entry.done_in)
    if state.value in entry.works_in + entry.done_in:
        assert plan.needs_work(verb, VM, state) is (state.value in entry.works_in)
        return
    with pytest.raises(WrongState) as raised:
        plan.needs_work(verb, VM, state)
    assert set(str(raised.value.params["needs"]).split(", ")) == set(entry.works_in + entry.done_in)


def test_all_contradictions_are_told_and_the_first_is_raised() -> None:
    asked = config(
        vcpus=3, cpu={"sockets": 2, "model": "qemu64"}, firmware={"secureBoot": True}, disks=[{}, {"source": FILE, "bootOrder": 1}] * 2
    )
    found = [failure.path for failure in contradictions(asked)]
    assert found == [
        "$.config.firmware.secureBoot",
        "$.config.cpu.model",
        "$.config.cpu",
        "$.config.disks[0].source",
        "$.config.disks[2].source",
        "$.config.disks[3].bootOrder",
    ]
    with pytest.raises(InvalidParams) as raised:
        plan.normalise(asked, VM)
    assert raised.value.path == found[0]


@pytest.mark.parametrize(
    ("members", "kept"),
    (
        ({"machine": "pc-q35-7.2"}, {"machine": "q35"}),
        ({"machine": "pc-i440fx-7.2"}, {"machine": "pc"}),
        ({"metadata": {"a": "b"}, "autostart": True}, {}),
    ),
)
def test_a_digest_stands_for_what_every_hypervisor_keeps(members: dict[str, Any], kept: dict[str, Any]) -> None:
    """So what is read back has the digest of what was asked, and anything else does not."""
    asked, back = plan.normalise(config(**members), VM), plan.normalise(config(**kept), VM)
    recorded = plan.digest("web", asked)
    assert plan.drift("web", back, recorded) is None
    assert plan.drift("web", plan.normalise(config(vcpus=2), VM), recorded) is not None
    assert plan.drift("other", back, recorded) is not None
    assert plan.drift("other", back, "0f0f") is None, "a digest of before says nothing"
    assert plan.drift("other", back, None) is None


def test_disks_that_came_back_in_another_order_are_no_drift() -> None:
    asked = plan.normalise(config(disks=[{"source": FILE}, {"source": FILE, "bus": "scsi"}]), VM)
    back = msgspec.structs.replace(asked, disks=list(reversed(asked.disks)))
    assert plan.digest("web", asked) == plan.digest("web", back)


def test_an_operation_always_gives_the_same_id() -> None:
    assert plan.new_vm_id("one") == plan.new_vm_id("one") != plan.new_vm_id("two")
