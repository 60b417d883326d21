"""Traits that many entries share: words for people, names in languages, host capabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from libvdsm.schema.diff.findings import Sheet

_TEXTS: Final = ("summary", "description", "message", "remedy")


def judge_words(path: str, old: object, new: object, sheet: Sheet) -> None:
    """Note words that are gone; better words are nobody's business."""
    for name in _TEXTS:
        if getattr(old, name, "") and not getattr(new, name, ""):
            sheet.say("documentation-removed", path, f"has no {name} any more")


def judge_names(path: str, old: Mapping[str, str], new: Mapping[str, str], sheet: Sheet) -> None:
    """Note languages and bindings in which an entry has another name."""
    for target in sorted({*old, *new}):
        before, after = old.get(target), new.get(target)
        if before != after:
            sheet.say("names-changed", path, f"its name for {target} was {before or 'derived'} and is {after or 'derived'}")


def judge_requires(path: str, old: Sequence[str], new: Sequence[str], sheet: Sheet) -> None:
    """Note host capabilities that were not needed before."""
    for name in sorted({*new} - {*old}):
        sheet.say("requires-tightened", path, f"requires {name} now")


def judge_order(path: str, old: Sequence[str], new: Sequence[str], sheet: Sheet) -> None:
    """Note parameters that stand elsewhere; those that went are reported as such."""
    kept = [name for name in old if name in new]
    if list(new)[: len(kept)] != kept:
        sheet.say("parameter-order-changed", path, f"the order was {', '.join(old)} and is {', '.join(new)}")
