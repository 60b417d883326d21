"""Unions and their branches."""

from __future__ import annotations

from collections.abc import Mapping

from libvdsm.schema import ir
from libvdsm.schema.diff.enums import judge_openness
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Fate, Pair, why
from libvdsm.schema.diff.words import judge_words


def judge_union(old: ir.Union, new: ir.Union, pair: Pair, sheet: Sheet) -> None:
    """Note what changed in a union."""
    judge_openness(old, new, sheet)
    if old.discriminator != new.discriminator:
        sheet.say("discriminator-changed", old.name, f"was told by {old.discriminator} and is told by {new.discriminator}")
    before, after = {b.tag: b for b in old.branches}, {b.tag: b for b in new.branches}
    moved = _moved(before, after)
    for tag, now in moved.items():
        sheet.under(before[tag].lifecycle).say(
            "tag-changed", f"{old.name}.{tag}", f"{before[tag].record} was told by {tag} and is told by {now}"
        )
    for tag in sorted({*before, *after} - {*moved, *moved.values()}):
        _branch(old, tag, (before.get(tag), after.get(tag)), pair, sheet)


def _branch(union: ir.Union, tag: str, branch: tuple[ir.Branch | None, ir.Branch | None], pair: Pair, sheet: Sheet) -> None:
    path, (old, new) = f"{union.name}.{tag}", branch
    match pair.fate("branch", path, old, new, sheet):
        case Fate.ADDED if union.is_output and not union.open:
            sheet.say("response-closed-grew", path, "is new in a closed union that is answered")
        case Fate.ADDED:
            sheet.say("branch-added", path, "is new")
        case Fate.GONE if old is not None:
            sheet.say("entry-removed", path, f"the branch was removed; {why(old.lifecycle, pair.new.version)}")
        case Fate.KEPT if old is not None and new is not None:
            _kept(path, old, new, sheet.under(old.lifecycle))


def _kept(path: str, old: ir.Branch, new: ir.Branch, sheet: Sheet) -> None:
    judge_words(path, old, new, sheet)
    if old.record != new.record:
        sheet.say("type-changed", path, f"was followed by {old.record} and is followed by {new.record}")


def _moved(old: Mapping[str, ir.Branch], new: Mapping[str, ir.Branch]) -> dict[str, str]:
    """Old tag -> new tag of each record that is told by another word."""
    fresh = {branch.record: tag for tag, branch in new.items() if tag not in old}
    return {tag: fresh[branch.record] for tag, branch in old.items() if tag not in new and branch.record in fresh}
