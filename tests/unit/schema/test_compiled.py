"""The compiled form says the same as the source, needs no YAML, and cannot be changed unnoticed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from libvdsm.schema import compiled, ir, load_api

HERE = Path(__file__).parent


def test_decoding_gives_back_what_was_encoded() -> None:
    text = compiled.encode(load_api())
    assert compiled.encode(compiled.decode(text)) == text


def test_every_entry_survives_with_all_but_its_position() -> None:
    api = load_api()
    read = compiled.decode(compiled.encode(api))
    assert list(read.types) == list(api.types)
    for name, one in api.types.items():
        assert _unplaced(read.types[name]) == _unplaced(one)
    for name, method in api.methods.items():
        assert _unplaced(read.methods[name]) == _unplaced(method)
    assert read.permissions.keys() == api.permissions.keys()
    assert read.errors["WrongState"].message == api.errors["WrongState"].message


def _unplaced(node: ir.Type | ir.Method) -> object:
    """A node with every position replaced by the one of the compiled form."""
    moved = replace(node, position=compiled.COMPILED)
    match moved:
        case ir.Method():
            return replace(moved, params=_fields(moved.params))
        case ir.Enum():
            return replace(moved, values=tuple(replace(v, position=compiled.COMPILED) for v in moved.values))
        case ir.Union():
            return replace(moved, branches=tuple(replace(b, position=compiled.COMPILED) for b in moved.branches))
        case _:
            return replace(moved, fields=_fields(moved.fields))


def _fields(fields: tuple[ir.Field, ...]) -> tuple[ir.Field, ...]:
    return tuple(replace(f, position=compiled.COMPILED) for f in fields)


def test_the_digest_does_not_know_positions(tmp_path: Path) -> None:
    for path in (HERE / "base").iterdir():
        (tmp_path / path.name).write_text(f"# moved by a line\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    assert load_api(tmp_path).digest == load_api(HERE / "base").digest


def test_the_digest_knows_everything_else(tmp_path: Path) -> None:
    for path in (HERE / "base").iterdir():
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8").replace("default: red", "default: blue"), encoding="utf-8")
    assert load_api(tmp_path).digest != load_api(HERE / "base").digest


@pytest.mark.parametrize(
    "text",
    (
        "",
        "[]",
        "{}",
        '{"version": "1.0"}',
        compiled.encode(load_api()).replace('"cost": "free"', '"cost": "high"', 1),
        compiled.encode(load_api()).replace('"type": "uuid"', '"type": "list<list<uuid>>"', 1),
        compiled.encode(load_api()).replace('"kind": "query"', '"kind": "quarry"', 1),
    ),
    ids=("empty", "list", "no members", "too little", "changed", "no type", "no kind"),
)
def test_what_was_not_written_by_the_compiler_is_refused(text: str) -> None:
    with pytest.raises(compiled.CompiledError):
        compiled.decode(text)


def test_defaults_that_are_false_or_null_are_kept() -> None:
    api = load_api()
    secure = next(f for f in _record(compiled.decode(compiled.encode(api)), "FirmwareConfig").fields if f.name == "secureBoot")
    assert secure.has_default
    assert secure.default is False


def _record(api: ir.Api, name: str) -> ir.Record:
    found = api.types[name]
    assert isinstance(found, ir.Record)
    return found


def test_the_text_is_sorted_and_ends_with_a_line_feed() -> None:
    text = compiled.NATIVE.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def test_reading_the_compiled_form_imports_no_yaml() -> None:
    program = "import sys; sys.modules['yaml'] = None; from libvdsm.schema import compiled; print(len(compiled.load().methods))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == len(load_api().methods)
