"""Since and lifecycle: what exists, since when, and how it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from libvdsm.schema import ir, resolve, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Lifecycle, Position, Stage

_Entry: TypeAlias = tuple[str, Lifecycle, Position]


def check_life(api: ir.Api, report: Report) -> None:
    """Note what is wrong with the lives of entries."""
    known = {path for path, _, _ in _entries(api)}
    for path, life, position in _entries(api):
        _one(api, path, life, position, report)
        _stage(path, life, position, report)
        if life.replacement is not None and life.replacement not in known:
            report.say("replacement-unknown", position, path, f"is replaced by {life.replacement}, which is not there")
    for owner, (path, life, position) in _members(api):
        if _version(life.since) < _version(owner.since):
            report.say("since-owner", position, path, f"exists since {life.since}, its owner only since {owner.since}")
    for user, used in _uses(api):
        _use(user, used, report)


def _one(api: ir.Api, path: str, life: Lifecycle, position: Position, report: Report) -> None:
    for name, version in (("since", life.since), ("deprecated", life.deprecated), ("removed", life.removed)):
        if version is not None and _version(version) > _version(api.version):
            report.say("since-future", position, path, f"{name} is {version}, later than the API's version {api.version}")
    named = [(n, v) for n in ("since", "deprecated", "sunset", "removed") if (v := getattr(life, n)) is not None]
    for (first, earlier), (second, later) in pairwise(named):
        if _version(later) < _version(earlier):
            report.say("lifecycle-order", position, path, f"{second} {later} is before {first} {earlier}")


def _stage(path: str, life: Lifecycle, position: Position, report: Report) -> None:
    leaving = ("deprecated", "replacement", "sunset")
    needed = {Stage.DEPRECATED: leaving, Stage.REMOVED: ("removed",)}.get(life.stage, ())
    allowed = {Stage.DEPRECATED: leaving, Stage.REMOVED: (*leaving, "removed")}.get(life.stage, ())
    for name in (*leaving, "removed"):
        there = getattr(life, name) is not None
        if name in needed and not there:
            report.say("lifecycle-missing", position, path, f"is {life.stage.value} and does not say {name}")
        if there and name not in allowed:
            report.say("lifecycle-extra", position, path, f"is {life.stage.value} and says {name}")


def _use(user: _Entry, used: _Entry, report: Report) -> None:
    path, life, position = user
    name, other, _ = used
    if other.stage is Stage.REMOVED and life.stage is not Stage.REMOVED:
        report.say("uses-removed", position, path, f"uses {name}, which was removed in {other.removed}")
    if other.stage is Stage.PROTOTYPE and life.stage is Stage.PUBLISHED:
        report.say("published-uses-prototype", position, path, f"is published and uses {name}, which is a prototype")


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _entries(api: ir.Api) -> Iterator[_Entry]:
    for interface in api.interfaces.values():
        yield interface.name, interface.lifecycle, interface.position
        yield from ((f"{interface.name}.{e.name}", e.lifecycle, e.position) for e in interface.events)
    yield from ((m.full_name, m.lifecycle, m.position) for m in api.methods.values())
    for group in (api.types, api.errors, api.permissions, api.roles):
        yield from ((one.name, one.lifecycle, one.position) for one in group.values())
    yield from (entry for _, entry in _members(api))


def _members(api: ir.Api) -> Iterator[tuple[Lifecycle, _Entry]]:
    for interface in api.interfaces.values():
        for method in interface.methods:
            yield interface.lifecycle, (method.full_name, method.lifecycle, method.position)
            yield from ((method.lifecycle, (f"{method.full_name}.{p.name}", p.lifecycle, p.position)) for p in method.params)
    for one in api.types.values():
        yield from ((one.lifecycle, (f"{one.name}.{name}", life, at)) for name, life, at in _parts(one))
    for error in api.errors.values():
        yield from ((error.lifecycle, (f"{error.name}.{p.name}", p.lifecycle, p.position)) for p in error.params)


def _parts(one: ir.Type) -> Iterator[_Entry]:
    match one:
        case ir.Record():
            yield from ((f.name, f.lifecycle, f.position) for f in one.fields)
        case ir.Enum():
            yield from ((v.name, v.lifecycle, v.position) for v in one.values)
        case ir.Union():
            yield from ((b.tag, b.lifecycle, b.position) for b in one.branches)
        case _:  # patches and views have the members of their record
            return


def _uses(api: ir.Api) -> Iterator[tuple[_Entry, _Entry]]:
    """Each use of a type or an error by something that is made of it."""
    for method in api.methods.values():
        me = (method.full_name, method.lifecycle, method.position)
        named = [name for p in method.params if (name := typeref.named(p.type))] + [method.result]
        yield from ((me, _type(api, name)) for name in named if name in api.types)
        declared = [api.errors[name] for name in method.errors if name in api.errors]
        yield from ((me, (e.name, e.lifecycle, e.position)) for e in declared)
    for one in api.types.values():
        mine = (one.name, one.lifecycle, one.position)
        made_of = [one.of] if isinstance(one, ir.Patch | ir.View) else resolve.used_by(one)
        yield from ((mine, _type(api, name)) for name in made_of if name in api.types)


def _type(api: ir.Api, name: str) -> _Entry:
    one = api.types[name]
    return one.name, one.lifecycle, one.position
