"""Each entry can be shown in words; a name that is not there gets near ones."""

from __future__ import annotations

import pytest

from libvdsm.schema import load_api
from libvdsm.schema.show import show, similar

API = load_api()


@pytest.mark.parametrize(
    ("name", "words"),
    (
        ("VM.shutdown", "kind: operation"),
        ("VM.shutdown.ways", "list<ShutdownWay>"),
        ("VmConfig", "memory: integer, bytes"),
        ("VmConfig.memory", "takes effect: restart"),
        ("DiskConfig.id", "optional on input"),
        ("VmState", "running = 3"),
        ("VmState.running", "number 3"),
        ("Firmware", "closed"),
        ("DiskSource", "file: FileDiskSource"),
        ("DiskSource.file", "record FileDiskSource"),
        ("WrongState", "number 3, fault of the client"),
        ("vm.read", "reads only"),
        ("vm.power", "lets change things"),
        ("reader", "event.read"),
        ("Host", "getInfo: What this host is"),
        ("VM.vm", "topic vm.<id>"),
    ),
)
def test_an_entry_is_shown_with_its_traits(name: str, words: str) -> None:
    assert words in show(API, name)


def test_a_name_with_two_meanings_shows_both() -> None:
    assert "VM: interface" in show(API, "VM")
    assert "VM: record" in show(API, "VM")


def test_a_name_that_is_not_there_shows_nothing_and_near_ones_are_known() -> None:
    assert not show(API, "VmConfg")
    assert "VmConfig" in similar(API, "VmConfg")
