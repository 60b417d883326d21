"""Merging: changes of one object within a time come as one, but never across a change of its state (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec

from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.journal import Entry

#: The members of documents that say how an object is: each such change is told by itself.
_STATE: Final = "state"


class _Told(msgspec.Struct):
    """What is looked at in an encoded ``Event``."""

    change: str
    patch: dict[str, Any] | None = None


_look = msgspec.json.Decoder(_Told).decode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Changes:
    """What the last records changed; each is decoded once, however many ask."""

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._told = _Told("")

    def of(self, entry: Entry) -> _Told:
        """Of one record."""
        if entry is not self._entry:
            self._entry, self._told = entry, _look(entry.data)
        return self._told


class Filter:
    """An ``EventFilter``, ready to be asked."""

    __slots__ = ("_changes", "_fields", "_ids", "_projects", "_types")

    def __init__(self, wanted: EventFilter, changes: Changes) -> None:
        self._changes = changes
        self._types = None if wanted.types is None else frozenset(wanted.types)
        self._ids = None if wanted.object_ids is None else frozenset(wanted.object_ids)
        self._projects = None if wanted.projects is None else frozenset(wanted.projects)
        self._fields = None if wanted.fields is None else [field.split(".") for field in wanted.fields]

    def shows(self, type: str, id: str, project: str) -> bool:
        """Whether an object fits, as far as it does not matter what changed."""
        return (
            (self._types is None or type in self._types)
            and (self._ids is None or id in self._ids)
            and (self._projects is None or project in self._projects)
        )

    def fits(self, entry: Entry) -> bool:
        """Whether a record fits."""
        if not self.shows(entry.type, entry.id, entry.project):
            return False
        if self._fields is None:
            return True
        told = self._changes.of(entry)
        return told.change != "changed" or told.patch is None or any(_touches(told.patch, field) for field in self._fields)


def _touches(patch: dict[str, Any], field: list[str]) -> bool:
    """Whether a patch changes a member, all of it or a part."""
    found: Any = patch
    for word in field:
        if not isinstance(found, dict):
            return True  # what the member is in was replaced
        if word not in found:
            return False
        found = found[word]
    return True


class Merger:
    """Gathers records, and gives them back as few as they may be."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._runs: dict[tuple[str, str], list[list[Entry]]] = {}
        self.count = 0

    def add(self, entry: Entry) -> None:
        """One more."""
        runs = self._runs.setdefault((entry.type, entry.id), [])
        self.count += 1
        told = self._changes.of(entry)
        is_plain = told.change == "changed" and told.patch is not None and _STATE not in told.patch
        if is_plain and runs and runs[-1]:
            runs[-1].append(entry)
        else:
            runs.append([entry])
            if not is_plain:
                runs.append([])  # nothing is merged with it

    def take(self) -> list[tuple[Entry, bytes]]:
        """All, merged, in the order of their numbers: the last record that is in it, and the encoded event."""
        told = [merged for runs in self._runs.values() for run in runs if run for merged in _merged(run)]
        self._runs, self.count = {}, 0
        told.sort(key=lambda each: each[0].sequence)
        return told


def _merged(run: list[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """A run of plain changes of one object, as one, or as few as can say the same."""
    if len(run) == 1:
        yield run[0], run[0].data
        return
    patch: dict[str, Any] = {}
    last: dict[str, Any] = {}
    at = run[0]
    count = 0
    for entry in run:
        event = _decode(entry.data)
        if count and not can_compose(patch, event["patch"]):
            yield at, _event(last, patch, count)
            patch, count = {}, 0
        compose(patch, event["patch"])
        at, last, count = entry, event, count + event.get("merged", 1)
    yield at, _event(last, patch, count)


def _event(last: dict[str, Any], patch: dict[str, Any], count: int) -> bytes:
    event = {**last, "patch": patch}
    if count > 1:
        event["merged"] = count
    return _encode(event)


def can_compose(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether one merge patch can say the same as these two, one after the other.

    It cannot where the first puts something else in the place of an object and the second changes members of that place:
    a merge patch cannot say that all others are gone.
    """
    for name, value in second.items():
        if name in first and isinstance(value, dict):
            before = first[name]
            if not isinstance(before, dict) or not can_compose(before, value):
                return False
    return True


def compose(patch: dict[str, Any], second: dict[str, Any]) -> None:
    """Make ``patch`` say what it and ``second`` say one after the other."""
    for name, value in second.items():
        before = patch.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            compose(before, cast("dict[str, Any]", value))
        else:
            patch[name] = value
