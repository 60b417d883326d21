"""A walk meets every node once, owners first, and leaves out what was removed where asked to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from libvdsm.schema import ir, load_api, loader, resolve
from libvdsm.schema.visitor import Visitor, walk, without_removed

API = load_api()


class Recorder(Visitor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def interface(self, interface: ir.Interface) -> None:
        self.seen.append(f"interface {interface.name}")

    def method(self, method: ir.Method) -> None:
        self.seen.append(f"method {method.full_name}")

    def event(self, event: ir.Event) -> None:
        self.seen.append(f"event {event.name}")

    def record(self, record: ir.Record) -> None:
        self.seen.append(f"record {record.name}")

    def patch(self, patch: ir.Patch) -> None:
        self.seen.append(f"patch {patch.name}")

    def view(self, view: ir.View) -> None:
        self.seen.append(f"view {view.name}")

    def enum(self, enum: ir.Enum) -> None:
        self.seen.append(f"enum {enum.name}")

    def union(self, union: ir.Union) -> None:
        self.seen.append(f"union {union.name}")

    def error(self, error: ir.Error) -> None:
        self.seen.append(f"error {error.name}")

    def permission(self, permission: ir.Permission) -> None:
        self.seen.append(f"permission {permission.name}")

    def role(self, role: ir.Role) -> None:
        self.seen.append(f"role {role.name}")


def test_every_node_is_met_once() -> None:
    recorder = Recorder()
    walk(API, recorder)
    expected = {f"method {name}" for name in API.methods} | {f"interface {name}" for name in API.interfaces}
    expected |= {f"{type(one).__name__.lower()} {name}" for name, one in API.types.items()}
    expected |= {f"error {name}" for name in API.errors} | {f"permission {name}" for name in API.permissions}
    expected |= {f"role {name}" for name in API.roles} | {f"event {e.name}" for i in API.interfaces.values() for e in i.events}
    assert sorted(recorder.seen) == sorted(expected)


def test_an_interface_is_met_before_its_verbs() -> None:
    recorder = Recorder()
    walk(API, recorder)
    assert recorder.seen.index("interface VM") < recorder.seen.index("method VM.create") < recorder.seen.index("event vm")


def test_a_visitor_that_cares_for_nothing_meets_everything_in_silence() -> None:
    walk(API, Visitor())


def test_removed_entries_are_left_out(tmp_path: Path) -> None:
    base = Path(__file__).parent / "base"
    for path in base.iterdir():
        text = path.read_text(encoding="utf-8")
        text = text.replace("blue: {summary: Blue.}", 'blue: {summary: Blue., lifecycle: {stage: removed, removed: "1.1"}}')
        text = text.replace("whole: {", 'whole: {lifecycle: {stage: removed, removed: "1.1"}, ')
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    api = without_removed(resolve.build(loader.load(tmp_path)))
    color = api.types["Color"]
    assert isinstance(color, ir.Enum)
    assert [v.name for v in color.values] == ["red"]
    assert [p.name for p in api.methods["Thing.change"].params] == ["thingId", "config"]


def test_nothing_is_left_out_where_nothing_was_removed() -> None:
    assert replace(without_removed(API), digest="") == replace(API, digest="")
