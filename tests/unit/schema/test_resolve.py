"""What the description knows that the files do not say in so many words."""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.schema import ir, load_api, loader, resolve
from libvdsm.schema.complaint import SchemaError
from libvdsm.schema.ir import Presence

API = load_api()


def field(owner: str, name: str) -> ir.Field:
    found = API.types[owner]
    assert isinstance(found, ir.Record | ir.Patch | ir.View)
    return next(f for f in found.fields if f.name == name)


@pytest.mark.parametrize(
    ("name", "directions"),
    (
        ("VmConfig", (True, True)),
        ("VmConfigPatch", (True, False)),
        ("VmView", (False, True)),
        ("VmFilter", (True, False)),
        ("FileDiskSource", (True, True)),
        ("TaskAccepted", (False, True)),
        ("CallOptions", (True, False)),
        ("EventDelivery", (False, True)),
        ("VmState", (True, True)),
        ("ShutdownWay", (True, False)),
    ),
)
def test_a_type_goes_where_something_that_goes_there_needs_it(name: str, directions: tuple[bool, bool]) -> None:
    one = API.types[name]
    assert (one.is_input, one.is_output) == directions


@pytest.mark.parametrize(
    ("owner", "name", "given", "answered"),
    (
        ("VmConfig", "memory", Presence.REQUIRED, Presence.REQUIRED),
        ("VmConfig", "vcpus", Presence.OPTIONAL, Presence.REQUIRED),
        ("VmConfig", "kernel", Presence.OPTIONAL, Presence.OPTIONAL),
        ("DiskConfig", "id", Presence.OPTIONAL, Presence.REQUIRED),
        ("VmConfigPatch", "memory", Presence.OPTIONAL, Presence.OPTIONAL),
        ("VmView", "id", Presence.REQUIRED, Presence.REQUIRED),
        ("VmView", "name", Presence.OPTIONAL, Presence.OPTIONAL),
    ),
)
def test_presence_is_known_for_each_direction(owner: str, name: str, given: Presence, answered: Presence) -> None:
    found = field(owner, name)
    assert (found.on_input, found.on_output) == (given, answered)


def test_an_absent_member_of_a_patch_means_no_change_and_not_its_default() -> None:
    assert field("VmConfig", "vcpus").default == 1
    assert not field("VmConfigPatch", "vcpus").has_default


def test_members_are_as_old_and_as_far_as_their_owner_unless_they_say_otherwise() -> None:
    assert field("VmConfig", "memory").lifecycle == API.types["VmConfig"].lifecycle


def test_every_verb_has_the_errors_that_all_verbs_have() -> None:
    for method in API.methods.values():
        assert set(resolve.IMPLICIT_ERRORS) <= set(method.errors)
        assert ("ObjectNotFound" in method.errors) or method.object_type is None
        assert ("IdempotencyConflict" in method.errors) is method.is_mutating


@pytest.mark.parametrize(
    ("interface", "verb", "name"),
    (("VM", "create", "VmCreateParams"), ("Host", "getInfo", "HostGetInfoParams"), ("HostNetwork", "list", "HostNetworkListParams")),
)
def test_the_record_of_parameters_is_named_by_rule(interface: str, verb: str, name: str) -> None:
    assert resolve.params_record(interface, verb) == name


def test_the_object_of_a_verb_is_its_first_parameter() -> None:
    start = API.methods["VM.start"]
    assert (start.object_type, start.object_param, start.params[0].name) == ("vm", "vmId", "vmId")
    assert API.methods["VM.list"].object_param is None


def test_no_permission_is_none() -> None:
    assert API.methods["Host.ping"].permission is None
    assert API.methods["Host.getInfo"].permission == "host.read"


def test_everything_is_in_a_stable_order() -> None:
    assert list(API.types) == sorted(API.types)
    assert list(API.methods) == sorted(API.methods)
    assert [m.name for m in API.interfaces["VM"].methods] == sorted(m.name for m in API.interfaces["VM"].methods)


def test_an_entry_knows_its_file_and_line() -> None:
    position = API.types["VmConfig"].position
    lines = (Path(loader.__file__).parent / "data" / "native" / position.file).read_text(encoding="utf-8").splitlines()
    assert lines[position.line - 1].strip() == "VmConfig:"


def test_the_complaints_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "A.yaml").write_text("interface: [", encoding="utf-8")
    (tmp_path / "B.yaml").write_text("- b", encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        loader.load(tmp_path)
    assert [c.position.file for c in caught.value.complaints] == ["A.yaml", "B.yaml"]
