"""What ``api.lock`` pins, held against the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from libvdsm.schema import ir, lock
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Position
from libvdsm.schema.loader import Definition, Draft

_UPDATE: Final = "run vdsm-schema lock --update"


def check_pinned(api: ir.Api, draft: Draft, pins: lock.Lock, report: Report) -> None:
    """Note where schema and lock disagree."""
    places = dict(_positions(draft))
    present = dict(lock.entries(api))
    for name, since in present.items():
        if not _owner_is_new(name, present, pins):
            _entry(name, since, places[name], pins, report)
    for name in pins.entries:
        if name not in present and name not in pins.removed:
            report.say(
                "lock-missing", Position(lock.FILE_NAME, 1), name, f"is pinned and not in the schema; if it was removed for good, {_UPDATE}"
            )
    for error in api.errors.values():
        pinned = pins.errors.get(error.name, error.number)
        if pinned != error.number:
            report.say("lock-number", error.position, error.name, f"has the number {error.number}; it is pinned to {pinned}")
    for one in draft.walk():
        if one.kind in ("method", "error"):
            _order(one, pins, report)


def _entry(name: str, since: str, position: Position, pins: lock.Lock, report: Report) -> None:
    if name in pins.removed:
        report.say("lock-reused", position, name, "was removed once; its name stays reserved")
    elif name not in pins.entries:
        report.say("lock-stale", position, name, f"is not in {lock.FILE_NAME}; {_UPDATE}")
    elif pins.entries[name] != since:
        report.say("lock-since", position, name, f"says since {since}; it is pinned to {pins.entries[name]}")


def _owner_is_new(name: str, present: Mapping[str, str], pins: lock.Lock) -> bool:
    """Whether the complaint about a new owner covers its members too."""
    owner = name.partition(" ")[2].rpartition(".")[0]
    return any(f"{kind} {owner}" in present and f"{kind} {owner}" not in pins.entries for kind in ("interface", "method", "type", "error"))


def _order(one: Definition, pins: lock.Lock, report: Report) -> None:
    written = [param.name for param in one.of("param")]
    pinned = [name for name in pins.params(one.path) if name in written]
    if written[: len(pinned)] != pinned:
        report.say(
            "lock-order", one.position, one.path, f"has the parameters {', '.join(written)}; pinned is the order {', '.join(pinned)}"
        )


def _positions(draft: Draft) -> Iterator[tuple[str, Position]]:
    kinds = {"record": "type", "enum": "type", "union": "type", "patch": "type", "view": "type"}
    for one in draft.walk():
        yield f"{kinds.get(one.kind, one.kind)} {one.path}", one.position
