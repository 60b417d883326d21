"""The life of an entry from one release to the next: what came, what went, and whether it went in order.

The automaton has one path: prototype, published, deprecated, removed. A prototype may also vanish,
for nothing is promised of it; what is published leaves by way of deprecated, at its sunset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import Final, Protocol, TypeVar

from libvdsm.schema import ir, lock, visitor
from libvdsm.schema.diff.findings import Finding, Sheet
from libvdsm.schema.ir import Lifecycle, Stage

#: The steps that an entry may take between two releases and live on.
STEPS: Final = frozenset({(Stage.PROTOTYPE, Stage.PUBLISHED), (Stage.PUBLISHED, Stage.DEPRECATED)})
#: How many releases at least carry an entry marked as deprecated.
_RELEASES: Final = 2
#: What a deprecated entry says.
_LEAVING: Final = ("deprecated", "replacement", "sunset")
#: What members inherit of their owner, and so is said of the owner alone.
_INHERITED: Final = frozenset({"stage-advanced", "deprecation-incomplete", "sunset-too-short", "lifecycle-order"})


class Fate(Enum):
    """What became of an entry."""

    KEPT = auto()
    ADDED = auto()
    GONE = auto()  # too early; nothing was said yet
    SETTLED = auto()  # nothing is left to be judged


class Entry(Protocol):
    """Whatever has a life."""

    @property
    def lifecycle(self) -> Lifecycle:
        """Since when it exists, and how it leaves."""


_E = TypeVar("_E", bound=Entry)


@dataclass(frozen=True)
class Pair:
    """The two descriptions that are compared: that which clients know, and that which they will meet."""

    old: ir.Api
    new: ir.Api

    @cached_property
    def paths(self) -> frozenset[str]:
        """The path of every entry that lives in the new description."""
        return frozenset(name.split(" ", 1)[1] for name, _ in lock.entries(visitor.without_removed(self.new)))

    def kept(self, noun: str, old: Mapping[str, _E], new: Mapping[str, _E], sheet: Sheet) -> Iterator[tuple[str, _E, _E, Sheet]]:
        """Both sides of each entry that lives on, with the sheet for its changes; says what came, and what went too early."""
        for path in sorted({*old, *new}):
            fate = self.fate(noun, path, old.get(path), new.get(path), sheet)
            if fate is Fate.GONE:
                sheet.say("entry-removed", path, f"the {noun} was removed; {why(old[path].lifecycle, self.new.version)}")
            elif fate is Fate.ADDED:
                sheet.say("entry-added", path, f"the {noun} is new")
            elif fate is Fate.KEPT:
                yield path, old[path], new[path], sheet.under(old[path].lifecycle)

    def fate(self, noun: str, path: str, old: Entry | None, new: Entry | None, sheet: Sheet) -> Fate:
        """What became of an entry. Says whatever its life alone tells; ADDED and GONE are left to the caller's words."""
        before, after = _life(old), _life(new)
        if before is None or before.stage is Stage.REMOVED:
            return _arrival(noun, path, before, after, sheet)
        if after is None or after.stage is Stage.REMOVED:
            return self._departure(noun, path, before, sheet)
        if before.since != after.since:
            sheet.under(before).say("since-changed", path, f"since was {before.since} and is {after.since}")
        self._step(path, before, after, sheet)
        return Fate.KEPT

    def _departure(self, noun: str, path: str, before: Lifecycle, sheet: Sheet) -> Fate:
        if before.stage is Stage.PROTOTYPE:
            sheet.say("prototype-changed", path, f"the {noun} was removed")
        elif _is_over(before, self.new.version):
            sheet.say("removed-in-order", path, f"the {noun} was removed at its sunset, {before.sunset}")
        else:
            return Fate.GONE
        return Fate.SETTLED

    def _step(self, path: str, before: Lifecycle, after: Lifecycle, sheet: Sheet) -> None:
        step = (before.stage, after.stage)
        if before.stage is after.stage:
            self._still(path, before, after, sheet)
        elif step not in STEPS:
            sheet.say("lifecycle-order", path, f"was {before.stage.value} and is {after.stage.value}")
        elif after.stage is Stage.DEPRECATED and (lacks := self._lacks(after)):
            sheet.say("deprecation-incomplete", path, lacks)
        elif after.stage is Stage.DEPRECATED and _is_short(after):
            sheet.say("sunset-too-short", path, f"is deprecated in {after.deprecated} and may go in {after.sunset}")
        else:
            sheet.say("stage-advanced", path, f"was {before.stage.value} and is {after.stage.value}")

    def _still(self, path: str, before: Lifecycle, after: Lifecycle, sheet: Sheet) -> None:
        if after.stage is not Stage.DEPRECATED:
            return
        lost = [name for name in _LEAVING if getattr(before, name) is not None and getattr(after, name) is None]
        if lost:
            sheet.say("deprecation-incomplete", path, f"does not say {', '.join(lost)} any more")
        elif version(after.sunset) < version(before.sunset):
            sheet.say("sunset-too-short", path, f"was to go in {before.sunset} and is to go in {after.sunset}")

    def _lacks(self, after: Lifecycle) -> str:
        """What a new deprecation does not say, or says wrongly."""
        missing = [name for name in _LEAVING if getattr(after, name) is None]
        if missing:
            return f"is deprecated and does not say {', '.join(missing)}"
        if after.replacement not in self.paths:
            return f"is replaced by {after.replacement}, which is not there"
        if version(after.deprecated) < version(self.old.version):
            return f"says that it is deprecated since {after.deprecated}; in {self.old.version} it was not"
        return ""


def outermost(findings: Iterable[Finding]) -> list[Finding]:
    """The findings without those that say of a member's life what is said of its owner's."""
    found = set(findings)
    return [f for f in found if f.rule not in _INHERITED or not any(replace(f, path=owner) in found for owner in _owners(f.path))]


def why(life: Lifecycle, now: str) -> str:
    """Why an entry may not go yet."""
    if life.stage is not Stage.DEPRECATED:
        return f"it was {life.stage.value}, not deprecated"
    return f"its sunset is {life.sunset or 'not known'}, this is {now}"


def version(text: str | None) -> tuple[int, ...]:
    """A version as numbers, to be compared."""
    return tuple(int(part) for part in (text or "0").split("."))


def _owners(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _life(entry: Entry | None) -> Lifecycle | None:
    return None if entry is None else entry.lifecycle


def _arrival(noun: str, path: str, before: Lifecycle | None, after: Lifecycle | None, sheet: Sheet) -> Fate:
    if after is None or after.stage is Stage.REMOVED:
        return Fate.SETTLED
    if before is not None:
        sheet.say("name-reused", path, f"the name was removed in {before.removed}, and is given to a {noun} again")
        return Fate.SETTLED
    if after.stage is Stage.DEPRECATED:
        sheet.say("lifecycle-order", path, f"the {noun} is new and deprecated already")
    return Fate.ADDED


def _is_over(life: Lifecycle, now: str) -> bool:
    return life.stage is Stage.DEPRECATED and life.sunset is not None and version(now) >= version(life.sunset)


def _is_short(life: Lifecycle) -> bool:
    """Whether fewer than two releases carry the mark; of a major version's end only the next one's first release is known."""
    major, minor = version(life.deprecated)[:2]
    last = version(life.sunset)
    return last < ((major, minor + _RELEASES) if last[0] == major else (major + 1, _RELEASES - 1))
