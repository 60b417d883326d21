"""Words become values by the type that the schema names."""

from __future__ import annotations

import pytest

from libvdsm.cli import values
from libvdsm.cli.description import Description, Enum, Member, TypeUse


def member(use: str, unit: str | None = None) -> Member:
    """Return a member of a type."""
    return Member(name="x", type=TypeUse.parse(use), unit=unit)


@pytest.mark.parametrize(
    ("use", "unit", "text", "value"),
    (
        ("integer", "bytes", "2GiB", 2**31),
        ("integer", "count", "3", 3),
        ("integer", "seconds", "2m", 120),
        ("number", "seconds", "1.5m", 90.0),
        ("number", "percent", "2.5", 2.5),
        ("boolean", None, "yes", True),
        ("boolean", None, "OFF", False),
        ("string", None, "as it is", "as it is"),
        ("uuid", None, "6F1FCA2E-28E8-4BF0-B8DE-0B3A4A2B9E3D", "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"),
        ("json", None, '{"a": [1]}', {"a": [1]}),
        ("CpuMode", None, "host-passthrough", "hostPassthrough"),
        ("CpuMode", None, "hostPassthrough", "hostPassthrough"),
        ("VmState", None, "levitating", "levitating"),
    ),
)
def test_words_are_read(description: Description, use: str, unit: str | None, text: str, value: object) -> None:
    """The same word means what its type says; open enums take words that this shell does not know."""
    assert values.scalar(description, member(use, unit), text) == value


@pytest.mark.parametrize(
    ("use", "unit", "text", "complaint"),
    (
        ("integer", "count", "3.5", "not a whole number"),
        ("integer", "count", "٣", "not a whole number"),
        ("integer", "count", "9" * 5000, "not a whole number"),
        ("integer", "seconds", "1.5", "whole number of seconds"),
        ("number", "percent", "nan", "not a number"),
        ("number", "percent", "inf", "not a number"),
        ("boolean", None, "maybe", "neither true nor false"),
        ("uuid", None, "web", "is not an id"),
        ("json", None, "{", "Expecting|expecting"),
        ("json", None, "NaN", "NaN is not JSON"),
        ("json", None, '{"a": 1, "a": 2}', "'a' is there twice"),
        ("json", None, "[" * 100_000, "nested too deeply"),
        ("CpuMode", None, "fast", "none of maximum, host-passthrough, host-model, custom"),
        ("VmState", None, "", "none of"),
    ),
)
def test_wrong_words_are_refused(description: Description, use: str, unit: str | None, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        values.scalar(description, member(use, unit), text)


@pytest.mark.parametrize(
    ("text", "value"),
    (
        (
            "source.file.path=/x.qcow2,source.file.format=qcow2,bus=virtio",
            {"source": {"kind": "file", "path": "/x.qcow2", "format": "qcow2"}, "bus": "virtio"},
        ),
        ("source.block.path=/dev/sda,read-only", {"source": {"kind": "block", "path": "/dev/sda"}, "readOnly": True}),
        ("source.kind=file,source.path=/x,source.format=raw", {"source": {"kind": "file", "path": "/x", "format": "raw"}}),
        ("device=cdrom,bootOrder=2", {"device": "cdrom", "bootOrder": 2}),
        ("source.file.path=/a,,b,source.file.format=raw", {"source": {"kind": "file", "path": "/a,b", "format": "raw"}}),
        ("source.file.path=/a=b", {"source": {"kind": "file", "path": "/a=b"}}),
        ('{"bus": "scsi"}', {"bus": "scsi"}),
        ("", {}),
    ),
)
def test_structures_are_read(description: Description, text: str, value: object) -> None:
    """Dotted keys build objects; the branch of a union sets its tag; a double comma is one."""
    assert values.structure(description, "DiskConfig", text) == value


def test_a_branch_without_members_is_its_name(description: Description) -> None:
    """``source=user`` and ``source.user`` both say which kind of network it is."""
    assert values.structure(description, "NicConfig", "source=user,model=e1000e") == {"source": {"kind": "user"}, "model": "e1000e"}
    assert values.structure(description, "NicConfig", "source.user") == {"source": {"kind": "user"}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("colour=red", "'colour' is none of id, source"),
        ("source.tape.path=/x", "'tape' is none of file, block"),
        ("source.file.path=/x,source.block.path=/dev/x", "it is file already, it cannot be block too"),
        ("source.file.pth=/x", "'pth' is none of path, format"),
        ("bus.kind=virtio", "goes on below a plain value"),
        ("bus=floppy", "'floppy' is none of virtio, scsi, sata"),
        ("boot-order=first", "not a whole number"),
        ("source=tape", "none of file, block"),
        ("{", "Expecting|expecting"),
    ),
)
def test_wrong_structures_are_refused(description: Description, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        values.structure(description, "DiskConfig", text)


def test_lists_are_read_whole(description: Description) -> None:
    """Plain values stand with commas between them; anything may be a JSON array."""
    assert values.listing(description, member("list<ShutdownWay>"), "agent,acpi") == ["agent", "acpi"]
    assert values.listing(description, member("list<DiskConfig>"), '[{"bus": "scsi"}]') == [{"bus": "scsi"}]
    with pytest.raises(ValueError, match="JSON array"):
        values.listing(description, member("list<DiskConfig>"), "bus=scsi")


def test_maps_are_read(description: Description) -> None:
    """The first equals sign ends the key."""
    assert values.entry(description, member("map<string>"), "owner=a=b") == ("owner", "a=b")
    for wrong in ("owner", "=x"):
        with pytest.raises(ValueError, match="is not key=value"):
            values.entry(description, member("map<string>"), wrong)


def test_every_key_that_is_offered_is_understood(description: Description) -> None:
    """Help and completion name no key that reading refuses."""
    for name, kind in ((name, description.type(name)) for name in description.table["types"]):
        if isinstance(kind, Enum):
            continue
        for key, found in values.keys_of(description, name):
            if found.type.container == "" and found.type.name == "string":
                assert values.structure(description, name, f"{key}=word") != {}
