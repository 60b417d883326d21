"""Many changes of one object as few: merge patches (RFC 7396) composed. Pure.

Two merge patches are not always one: where the first puts something else in an object's place and the second puts an
object there, no single patch says that what the object held before is gone. Such changes stay two, in their order, so
applying what is told always gives what applying everything gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

Patch = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an object: ``added`` with its document, ``changed`` with a merge patch, or ``removed``."""

    kind: str
    patch: Patch | None = None


#: An object that came and went: nothing is left to tell.
NOTHING = Change("nothing")


def apply(patch: object, value: object) -> object:
    """``value`` after a merge patch."""
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            found.pop(name, None)
        else:
            found[name] = apply(part, found.get(name))
    return found


def compose(first: Patch, then: Patch) -> Patch | None:
    """The one merge patch that does what both do one after the other; None if there is none."""
    found = dict(first)
    for name, part in then.items():
        if not isinstance(part, dict) or name not in first:
            found[name] = part
            continue
        before = first[name]
        inner = compose(cast("Patch", before), part) if isinstance(before, dict) else None
        if inner is None:
            return None
        found[name] = inner
    return found


def follow(first: Change, then: Change) -> Change | None:
    """Both changes as one; None if they stay two."""
    if first == NOTHING:
        return then
    match first.kind, then.kind:
        case "added", "added":
            return then
        case "added", "changed":
            return Change("added", cast("Patch", apply(then.patch or {}, first.patch or {})))
        case "added", "removed":
            return NOTHING
        case "changed", "changed":
            both = compose(first.patch or {}, then.patch or {})
            return None if both is None else Change("changed", both)
        case "changed" | "removed", "removed":
            return then
    return None  # gone, or changed, and made anew
