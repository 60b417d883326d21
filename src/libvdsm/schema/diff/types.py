"""Types of any kind: here each goes to the module of its kind."""

from __future__ import annotations

from libvdsm.schema import ir
from libvdsm.schema.diff.enums import judge_enum
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.diff.records import judge_record, judge_selection
from libvdsm.schema.diff.unions import judge_union
from libvdsm.schema.diff.words import judge_words


def judge_types(pair: Pair, sheet: Sheet) -> None:
    """Note what changed in types."""
    for path, old, new, own in pair.kept("type", pair.old.types, pair.new.types, sheet):
        judge_words(path, old, new, own)
        _judge(path, old, new, pair, own)


def _judge(path: str, old: ir.Type, new: ir.Type, pair: Pair, sheet: Sheet) -> None:
    match old, new:
        case ir.Record(), ir.Record():
            judge_record(old, new, pair, sheet)
        case ir.Patch(), ir.Patch():
            judge_selection(old, new, pair, sheet)
        case ir.View(), ir.View():
            judge_selection(old, new, pair, sheet)
        case ir.Enum(), ir.Enum():
            judge_enum(old, new, pair, sheet)
        case ir.Union(), ir.Union():
            judge_union(old, new, pair, sheet)
        case _:
            sheet.say("type-changed", path, f"was {_kind(old)} and is {_kind(new)}")


def _kind(one: ir.Type) -> str:
    word = type(one).__name__.lower()
    return "an enum" if word == "enum" else f"a {word}"
