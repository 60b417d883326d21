"""``api.lock``: what is pinned for ever, committed beside the schema.

It holds the name and since of every entry, the numbers of enum values and errors, and the order
of parameters. Updating it only ever adds: a name that left the schema is listed as removed, and
is never given away again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from libvdsm.schema import ir

if TYPE_CHECKING:
    from pathlib import Path

#: The file's name, beside the directory of the profile.
FILE_NAME: Final = "api.lock"
_NOTE: Final = "Written by vdsm-schema lock --update; only ever grows."


@dataclass(frozen=True, slots=True)
class Lock:
    """The pinned facts of an API."""

    entries: Mapping[str, str] = field(default_factory=dict)  # "method VM.create" -> since
    enums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "VM.create" -> names of its parameters
    removed: tuple[str, ...] = ()  # entries that have left the schema

    def params(self, path: str) -> tuple[str, ...]:
        """The pinned order of a verb's or an error's parameters."""
        return self.orders.get(path, ())

    def with_new_values(self, enum: str, names: Iterable[str]) -> dict[str, int]:
        """The number of every value: the pinned one, or the next that was never used. Zero is the unknown value's."""
        numbers = dict(self.enums.get(enum, {}))
        for name in names:
            if name not in numbers:
                numbers[name] = max(numbers.values(), default=0) + 1
        return numbers


class LockError(Exception):
    """A lock file that cannot be read."""


def read(path: Path) -> Lock:
    """Read a lock file; an absent one pins nothing. Raises LockError if it is not one."""
    if not path.exists():
        return Lock()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Lock(
            entries=dict(data["entries"]),
            enums={name: dict(values) for name, values in data["enums"].items()},
            errors=dict(data["errors"]),
            orders={name: tuple(order) for name, order in data["params"].items()},
            removed=tuple(data["removed"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LockError(f"{path.name} is not a lock file: {error!r}") from error


def encode(lock: Lock) -> str:
    """The text of a lock file: sorted, one entry a line."""
    document = {
        "note": _NOTE,
        "entries": lock.entries,
        "enums": lock.enums,
        "errors": lock.errors,
        "params": lock.orders,
        "removed": sorted(lock.removed),
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def update(lock: Lock, api: ir.Api) -> Lock:
    """The lock with everything that is new in the API; nothing that is pinned is changed."""
    present = dict(entries(api))
    enums = {t.name: {v.name: v.number for v in t.values} for t in api.types.values() if isinstance(t, ir.Enum)}
    numbers = {e.name: e.number for e in api.errors.values()}
    fresh = {path: tuple(names) for path, names in orders(api)}
    return Lock(
        entries={**present, **lock.entries},
        enums={**lock.enums, **{name: {**values, **lock.enums.get(name, {})} for name, values in enums.items()}},
        errors={**numbers, **lock.errors},
        orders={**lock.orders, **{path: _longer(lock.params(path), names) for path, names in fresh.items()}},
        removed=tuple(sorted({*lock.removed, *(name for name in lock.entries if name not in present)})),
    )


def entries(api: ir.Api) -> Iterator[tuple[str, str]]:
    """Every entry with its since, by the name under which the lock knows it."""
    for interface in api.interfaces.values():
        yield f"interface {interface.name}", interface.lifecycle.since
        for event in interface.events:
            yield f"event {interface.name}.{event.name}", event.lifecycle.since
    for method in api.methods.values():
        yield f"method {method.full_name}", method.lifecycle.since
        yield from ((f"param {method.full_name}.{p.name}", p.lifecycle.since) for p in method.params)
    for one in api.types.values():
        yield f"type {one.name}", one.lifecycle.since
        yield from ((f"{kind} {one.name}.{name}", life.since) for kind, name, life in _members(one))
    for error in api.errors.values():
        yield f"error {error.name}", error.lifecycle.since
        yield from ((f"param {error.name}.{p.name}", p.lifecycle.since) for p in error.params)
    yield from ((f"permission {p.name}", p.lifecycle.since) for p in api.permissions.values())
    yield from ((f"role {r.name}", r.lifecycle.since) for r in api.roles.values())


def orders(api: ir.Api) -> Iterator[tuple[str, list[str]]]:
    """The order of the parameters of every verb and error that has some."""
    for method in api.methods.values():
        if method.params:
            yield method.full_name, [p.name for p in method.params]
    for error in api.errors.values():
        if error.params:
            yield error.name, [p.name for p in error.params]


def _members(one: ir.Type) -> Iterator[tuple[str, str, ir.Lifecycle]]:
    match one:
        case ir.Record():
            yield from (("field", f.name, f.lifecycle) for f in one.fields)
        case ir.Enum():
            yield from (("value", v.name, v.lifecycle) for v in one.values)
        case ir.Union():
            yield from (("branch", b.tag, b.lifecycle) for b in one.branches)
        case _:  # patches and views have the members of their record
            return


def _longer(pinned: tuple[str, ...], present: tuple[str, ...]) -> tuple[str, ...]:
    return pinned + tuple(name for name in present if name not in pinned)
