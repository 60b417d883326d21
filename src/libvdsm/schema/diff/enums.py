"""Enums and their words."""

from __future__ import annotations

from libvdsm.schema import ir
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Fate, Pair, why
from libvdsm.schema.diff.words import judge_words


def judge_enum(old: ir.Enum, new: ir.Enum, pair: Pair, sheet: Sheet) -> None:
    """Note what changed in an enum."""
    answered = old.is_output and new.is_output
    judge_openness(old, new, sheet)
    before, after = {v.name: v for v in old.values}, {v.name: v for v in new.values}
    for name in sorted({*before, *after}):
        path = f"{old.name}.{name}"
        match pair.fate("value", path, before.get(name), after.get(name), sheet):
            case Fate.ADDED if answered and not old.open:
                sheet.say("response-closed-grew", path, "is new in a closed enum that is answered")
            case Fate.ADDED:
                sheet.say("value-added", path, "is new")
            case Fate.GONE:
                rule = "request-enum-value-removed" if old.is_input and new.is_input else "entry-removed"
                sheet.say(rule, path, f"the value was removed; {why(before[name].lifecycle, pair.new.version)}")
            case Fate.KEPT:
                judge_words(path, before[name], after[name], sheet.under(before[name].lifecycle))
    _numbers(old, new, sheet)


def judge_openness(old: ir.Enum | ir.Union, new: ir.Enum | ir.Union, sheet: Sheet) -> None:
    """Note whether readers must expect, or need not expect any more, what they do not know."""
    if not (old.is_output and new.is_output) or old.open is new.open:
        return
    if new.open:
        sheet.say("response-type-widened", old.name, "was closed and is open: answers may hold what clients do not know")
    else:
        sheet.say("response-narrowed", old.name, "was open and is closed")


def _numbers(old: ir.Enum, new: ir.Enum, sheet: Sheet) -> None:
    owners = {v.number: v for v in old.values}
    numbers = {v.name: v.number for v in old.values}
    for value in new.values:
        path, owner = f"{old.name}.{value.name}", owners.get(value.number)
        if numbers.get(value.name, value.number) != value.number:
            sheet.say("enum-number-changed", path, f"the number was {numbers[value.name]} and is {value.number}")
        elif owner is not None and owner.name != value.name:
            sheet.say("enum-number-changed", path, f"has the number {value.number}, which was {owner.name}'s")
