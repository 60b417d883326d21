"""Types read and write the wire's form, and keep what they do not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from libvdsm.client import UNSET, types
from libvdsm.client.generated.methods import METHODS
from libvdsm.client.runtime.values import UnknownKind
from libvdsm.schema import load_api

FULL_DISK = {"id": "ua-1", "source": {"kind": "file", "path": "/d", "format": "raw"}, "bootOrder": 1}


def test_examples_go_through_unchanged_but_for_defaults() -> None:
    for method in load_api().methods.values():
        kind = getattr(types, method.result)
        for example in method.examples:
            wire = json.loads(json.dumps(example.result))
            once = kind.from_wire(wire)
            assert kind.from_wire(once.to_wire()) == once, method.full_name
            assert set(once.to_wire()) | {name for name in wire if kind.DEFAULTS.get(name) == wire[name]} == set(wire), method.full_name


def test_the_table_of_verbs_is_the_schemas() -> None:
    for name, method in load_api().methods.items():
        assert METHODS[name].idempotent is method.idempotent
        assert METHODS[name].timeout_s == method.timeout_s


def test_defaults_are_there_but_are_not_sent() -> None:
    config = types.VmConfig(memory=268435456)
    assert config.vcpus == 1
    assert config.cpu.mode is types.CpuMode.MAXIMUM
    assert config.to_wire() == {"memory": 268435456}
    changed = types.VmConfig(memory=1, vcpus=2, cpu=types.CpuConfig(mode=types.CpuMode.CUSTOM, model="x"))
    assert changed.to_wire() == {"memory": 1, "vcpus": 2, "cpu": {"mode": "custom", "model": "x"}}


def test_two_values_do_not_share_lists() -> None:
    assert types.VmConfig(memory=1).disks is not types.VmConfig(memory=1).disks


def test_members_have_snake_case_names() -> None:
    disk = types.DiskConfig.from_wire(FULL_DISK)
    assert disk.boot_order == 1
    assert disk.source == types.FileDiskSource(path="/d", format=types.DiskFormat.RAW)
    assert disk.to_wire() == FULL_DISK


def test_unknown_members_are_kept() -> None:
    wire = {**FULL_DISK, "later": {"a": [1]}}
    disk = types.DiskConfig.from_wire(wire)
    assert disk.extra == {"later": {"a": [1]}}
    assert disk.to_wire() == wire


def test_unknown_words_are_kept() -> None:
    result = types.VmShutdownResult.from_wire({"way": "hypnosis"})
    assert result.way == "hypnosis"
    assert isinstance(result.way, types.ShutdownResultWay)
    assert not result.way.is_known
    assert types.ShutdownResultWay.ACPI.is_known
    assert {result.way: 1}["hypnosis"] == 1  # type: ignore[index]
    assert result.to_wire() == {"way": "hypnosis"}
    assert "hypnosis" not in list(types.ShutdownResultWay)
    with pytest.raises(ValueError, match="3"):
        types.ShutdownResultWay(3)  # type: ignore[arg-type]


def test_unknown_kinds_are_kept() -> None:
    wire = {"source": {"kind": "tape", "reel": 2}}
    disk = types.DiskConfig.from_wire(wire)
    assert disk.source == UnknownKind({"kind": "tape", "reel": 2})
    assert disk.to_wire() == wire


def test_patches_tell_absent_from_null() -> None:
    patch = types.VmConfigPatch(kernel=None, vcpus=2)
    assert patch.memory is UNSET
    assert patch.to_wire() == {"kernel": None, "vcpus": 2}
    assert types.VmConfigPatch.from_wire(patch.to_wire()) == patch
    assert types.VmConfigPatch.from_wire({"disks": [FULL_DISK]}).disks == [types.DiskConfig.from_wire(FULL_DISK)]


def test_values_are_frozen() -> None:
    config: Any = types.CpuConfig()
    with pytest.raises(AttributeError):
        config.cores = 2


def test_every_type_of_the_schema_can_be_had() -> None:
    names = set(load_api().types)
    assert names <= set(dir(types))
    for name in dir(types):
        assert getattr(types, name) is not None
    with pytest.raises(AttributeError, match="NoSuchType"):
        types.NoSuchType  # noqa: B018


def test_every_module_of_types_is_loaded_only_when_named() -> None:
    package = Path(types.__file__).parent
    assert {path.stem for path in package.glob("*.py")} >= {"vm", "host", "task", "event"}
