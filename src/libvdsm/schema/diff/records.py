"""Records, and what is made of them: patches and views."""

from __future__ import annotations

from libvdsm.schema import ir
from libvdsm.schema.diff.fields import Ways, judge_fields
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair


def judge_record(old: ir.Record, new: ir.Record, pair: Pair, sheet: Sheet) -> None:
    """Note what changed in a record."""
    if old.object_type != new.object_type:
        sheet.say("key-changed", old.name, f"told of {old.object_type or 'no object'} and tells of {new.object_type or 'no object'}")
    judge_fields(old.name, old.fields, new.fields, _both(old, new), pair, sheet)


def judge_selection(old: ir.Patch | ir.View, new: ir.Patch | ir.View, pair: Pair, sheet: Sheet) -> None:
    """Note what changed in a patch or view. Its members are its record's, and told of there if that goes the same way."""
    if old.of != new.of:
        sheet.say("type-changed", old.name, f"was made of {old.of} and is made of {new.of}")
    if isinstance(old, ir.View) and isinstance(new, ir.View) and old.key != new.key:
        sheet.say("key-changed", old.name, f"the key was {old.key} and is {new.key}")
    told = _told(old, pair)
    ways = _both(old, new)
    rest = Ways(sent=ways.sent and not told.sent, answered=ways.answered and not told.answered)
    if rest != Ways():
        judge_fields(old.name, old.fields, new.fields, rest, pair, sheet)


def _told(one: ir.Patch | ir.View, pair: Pair) -> Ways:
    """The directions in which the record's own members are judged."""
    before, after = pair.old.types.get(one.of), pair.new.types.get(one.of)
    return _both(before, after) if before is not None and after is not None else Ways()


def _both(old: ir.Type, new: ir.Type) -> Ways:
    """The directions in which a type was met, and is."""
    return Ways(sent=old.is_input and new.is_input, answered=old.is_output and new.is_output)
