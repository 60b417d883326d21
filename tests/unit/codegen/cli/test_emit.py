"""The command table says what the description says, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from libvdsm.cli.description import NO_DEFAULT, Description, Enum, Record, Union
from libvdsm.codegen.cli.emit import PATH, emit, table
from libvdsm.schema import compiled, ir

ROOT = Path(__file__).parents[4]


@pytest.fixture
def api() -> ir.Api:
    """The schema of this version."""
    return compiled.load()


def test_the_table_in_the_tree_is_up_to_date(api: ir.Api) -> None:
    """What the shell reads is what the emitter writes."""
    for name, text in emit(api).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text


def test_the_reader_finds_every_verb_and_parameter(api: ir.Api) -> None:
    """The table read back is the description, as far as a shell goes."""
    found = Description(json.loads(emit(api)[PATH]))
    assert found.digest == api.digest
    for name, method in api.methods.items():
        verb = found.verb(name)
        assert (verb.full_name, verb.kind, verb.object_param, verb.paged) == (name, method.kind.value, method.object_param, method.paged)
        assert [member.name for member in verb.params] == [field.name for field in method.params]
        for member, field in zip(verb.params, method.params, strict=True):
            assert member.unit == field.unit
            assert (member.default is NO_DEFAULT) is (not field.has_default)
            assert member.optional is (field.on_input is ir.Presence.OPTIONAL or field.has_default)


def test_types_keep_their_kind(api: ir.Api) -> None:
    found = Description(json.loads(emit(api)[PATH]))
    for name, kind in api.types.items():
        wanted = {ir.Enum: Enum, ir.Union: Union}.get(type(kind), Record)
        assert isinstance(found.type(name), wanted)


def test_members_of_a_patch_are_optional_without_a_default(api: ir.Api) -> None:
    """An absent member of a patch changes nothing."""
    patch = Description(table(api)).record("VmConfigPatch")
    assert patch.patch
    assert all(member.optional and member.default is NO_DEFAULT for member in patch.members)
