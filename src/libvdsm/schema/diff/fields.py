"""Members of records and parameters of verbs, with requests and responses kept apart.

The same change may break one direction and be welcome in the other: a member that becomes
optional is a relaxed request and a broken response.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libvdsm.schema import ir, typeref
from libvdsm.schema.diff import bounds
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Fate, Pair, why
from libvdsm.schema.diff.words import judge_names, judge_requires, judge_words
from libvdsm.schema.ir import Field, Presence, Scalar

_EFFECTS: Final = ("live", "restart", "recreate")
#: Built-in types whose values are strings of some form; a string may be any of them.
_FORMS: Final = frozenset({Scalar.UUID, Scalar.TIMESTAMP, Scalar.BASE64, Scalar.DECIMAL, Scalar.TICKET})


@dataclass(frozen=True, slots=True)
class Ways:
    """The directions in which existing clients meet a member."""

    sent: bool = False
    answered: bool = False


def judge_fields(owner: str, old: Sequence[Field], new: Sequence[Field], ways: Ways, pair: Pair, sheet: Sheet) -> None:
    """Note what changed between two lists of members."""
    before, after = {f.name: f for f in old}, {f.name: f for f in new}
    for name in sorted({*before, *after}):
        path = f"{owner}.{name}"
        match pair.fate("member", path, before.get(name), after.get(name), sheet):
            case Fate.ADDED:
                _added(path, after[name], ways, sheet)
            case Fate.GONE:
                _gone(path, before[name], ways, pair, sheet)
            case Fate.KEPT:
                _judge(path, before[name], after[name], ways, sheet)


def _added(path: str, field: Field, ways: Ways, sheet: Sheet) -> None:
    if ways.sent and field.on_input is Presence.REQUIRED:
        sheet.say("request-required-added", path, "is new and required in requests")
    else:
        sheet.say("field-added", path, "is new")


def _gone(path: str, field: Field, ways: Ways, pair: Pair, sheet: Sheet) -> None:
    reason = why(field.lifecycle, pair.new.version)
    if ways.answered:
        sheet.say("response-field-removed", path, f"is not answered any more; {reason}")
    if ways.sent:
        sheet.say("entry-removed", path, f"is not accepted any more; {reason}")


def _judge(path: str, old: Field, new: Field, ways: Ways, owner: Sheet) -> None:
    sheet = owner.under(old.lifecycle)
    if old.unit != new.unit:
        sheet.say("unit-changed", path, f"the unit was {old.unit} and is {new.unit}")
    _change(path, old, new, sheet)
    judge_names(path, old.names, new.names, sheet)
    judge_requires(path, old.requires, new.requires, sheet)
    judge_words(path, old, new, sheet)
    if ways.sent:
        _request(path, old, new, sheet, owner)
    if ways.answered:
        _response(path, old, new, sheet)


def _change(path: str, old: Field, new: Field, sheet: Sheet) -> None:
    if old.change is None or old.change == new.change:
        return
    if new.change is None or _EFFECTS.index(new.change) > _EFFECTS.index(old.change):
        sheet.say("change-worsened", path, f"a change took effect: {old.change}; now: {new.change or 'never'}")


def _request(path: str, old: Field, new: Field, sheet: Sheet, owner: Sheet) -> None:
    if old.type != new.type:
        sheet.say("type-changed", path, f"was {typeref.spell(old.type)} in requests and is {typeref.spell(new.type)}")
    else:
        _request_bounds(path, old, new, sheet)
    match old.on_input, new.on_input:
        case Presence.OPTIONAL, Presence.REQUIRED:  # breaks those who never used it: a prototype is no excuse
            owner.say("request-made-required", path, "was optional in requests and is required")
        case Presence.REQUIRED, Presence.OPTIONAL:
            sheet.say("request-relaxed", path, "was required in requests and is optional")
        case Presence.OPTIONAL, Presence.OPTIONAL if _default(old) != _default(new):
            sheet.say("request-default-changed", path, f"the default was {_default(old)} and is {_default(new)}")


def _request_bounds(path: str, old: Field, new: Field, sheet: Sheet) -> None:
    if tighter := bounds.tightened(old.constraints, new.constraints):
        sheet.say("request-constraint-tightened", path, tighter)
    elif looser := bounds.loosened(old.constraints, new.constraints):
        sheet.say("request-relaxed", path, looser)


def _response(path: str, old: Field, new: Field, sheet: Sheet) -> None:
    if old.type != new.type:
        rule = "response-type-widened" if is_wider(old.type, new.type) else "type-changed"
        sheet.say(rule, path, f"was {typeref.spell(old.type)} in responses and is {typeref.spell(new.type)}")
    else:
        _response_bounds(path, old, new, sheet)
    match old.on_output, new.on_output:
        case Presence.REQUIRED, Presence.OPTIONAL:
            sheet.say("response-made-optional", path, "was always answered and is optional")
        case Presence.OPTIONAL, Presence.REQUIRED:
            sheet.say("response-narrowed", path, "was optional in responses and is always answered")


def _response_bounds(path: str, old: Field, new: Field, sheet: Sheet) -> None:
    if looser := bounds.loosened(old.constraints, new.constraints):
        sheet.say("response-constraint-relaxed", path, looser)
    elif tighter := bounds.tightened(old.constraints, new.constraints):
        sheet.say("response-narrowed", path, tighter)


def is_wider(old: ir.TypeRef, new: ir.TypeRef) -> bool:
    """Whether every value of the old type is one of the new type too, and some are new."""
    match old, new:
        case ir.ListRef(), ir.ListRef():
            return is_wider(old.item, new.item)
        case ir.MapRef(), ir.MapRef():
            return is_wider(old.value, new.value)
        case _, ir.ScalarRef(Scalar.JSON):
            return old != new
        case ir.ScalarRef(Scalar.INTEGER), ir.ScalarRef(Scalar.NUMBER):
            return True
        case ir.ScalarRef(form), ir.ScalarRef(Scalar.STRING):
            return form in _FORMS
        case _:
            return False


def _default(field: Field) -> str:
    """The default as JSON, in which 1, 1.0 and true differ."""
    return json.dumps(field.default, sort_keys=True) if field.has_default else "nothing"
