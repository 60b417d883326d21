"""Errors."""

from __future__ import annotations

from libvdsm.schema import ir, typeref
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Fate, Pair, why
from libvdsm.schema.diff.words import judge_names, judge_order, judge_words


def judge_errors(pair: Pair, sheet: Sheet) -> None:
    """Note what changed in errors."""
    for path, old, new, own in pair.kept("error", pair.old.errors, pair.new.errors, sheet):
        judge_words(path, old, new, own)
        judge_order(path, [p.name for p in old.params], [p.name for p in new.params], own)
        _params(old, new, pair, own)
        if old.number != new.number:
            own.say("error-number-changed", path, f"the number was {old.number} and is {new.number}")
        if old.retryable is not new.retryable:
            own.say("error-retryable-changed", path, "is retryable now" if new.retryable else "is not retryable any more")
        if old.fault != new.fault:
            own.say("error-fault-changed", path, f"was the fault of the {old.fault} and is that of the {new.fault}")


def _params(old: ir.Error, new: ir.Error, pair: Pair, sheet: Sheet) -> None:
    before, after = {p.name: p for p in old.params}, {p.name: p for p in new.params}
    for name in sorted({*before, *after}):
        path = f"{old.name}.{name}"
        match pair.fate("parameter", path, before.get(name), after.get(name), sheet):
            case Fate.ADDED:
                sheet.say("error-params-changed", path, "is new")
            case Fate.GONE:
                sheet.say("error-params-changed", path, f"was removed; {why(before[name].lifecycle, pair.new.version)}")
            case Fate.KEPT:
                _param(path, before[name], after[name], sheet.under(before[name].lifecycle))


def _param(path: str, old: ir.Field, new: ir.Field, sheet: Sheet) -> None:
    judge_words(path, old, new, sheet)
    judge_names(path, old.names, new.names, sheet)
    if (old.type, old.unit, old.on_output) != (new.type, new.unit, new.on_output):
        sheet.say("error-params-changed", path, f"was {_form(old)} and is {_form(new)}")


def _form(param: ir.Field) -> str:
    return " ".join([param.on_output.value, typeref.spell(param.type), *([f"in {param.unit}"] if param.unit else [])])
