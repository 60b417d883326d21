"""Constraints, old and new: which values are refused now that were allowed, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libvdsm.schema.ir import Constraints

_LOWER: Final = ("minimum", "min_length", "min_items")
_UPPER: Final = ("maximum", "max_length", "max_items")


def tightened(old: Constraints, new: Constraints) -> str:
    """In words, what the new constraints refuse and the old ones allowed; empty if nothing."""
    return ", ".join(_tightened(old, new))


def loosened(old: Constraints, new: Constraints) -> str:
    """In words, what the new constraints allow and the old ones refused; empty if nothing."""
    return ", ".join(_words(name, old, new) for name in _tightened_names(new, old))


def _tightened(old: Constraints, new: Constraints) -> Iterator[str]:
    return (_words(name, old, new) for name in _tightened_names(old, new))


def _words(name: str, old: Constraints, new: Constraints) -> str:
    before, after = getattr(old, name), getattr(new, name)
    return f"{name} was {_shown(before)} and is {_shown(after)}"


def _shown(value: object) -> object:
    return "free" if value is None else value


def _tightened_names(old: Constraints, new: Constraints) -> Iterator[str]:
    """The constraints that do not allow all that they allowed."""
    for name in _LOWER:
        before, after = getattr(old, name), getattr(new, name)
        if after is not None and (before is None or after > before):
            yield name
    for name in _UPPER:
        before, after = getattr(old, name), getattr(new, name)
        if after is not None and (before is None or after < before):
            yield name
    if new.multiple_of is not None and (old.multiple_of is None or old.multiple_of % new.multiple_of):
        yield "multiple_of"
    if new.pattern is not None and new.pattern != old.pattern:
        yield "pattern"  # which of two patterns allows more is not decided: each change is both
