"""Permissions, roles, and what a verb or an event demands of them."""

from __future__ import annotations

from libvdsm.schema import ir
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.diff.words import judge_words


def judge_rights(pair: Pair, sheet: Sheet) -> None:
    """Note what changed in permissions and roles."""
    for path, old, new, own in pair.kept("permission", pair.old.permissions, pair.new.permissions, sheet):
        judge_words(path, old, new, own)
        if new.write and not old.write:
            own.say("permission-raised", path, "only let look and lets change things now")
        elif old.write and not new.write:
            own.say("permission-lowered", path, "let change things and only lets look now")
    for path, before, after, own in pair.kept("role", pair.old.roles, pair.new.roles, sheet):
        judge_words(path, before, after, own)
        _role(path, before, after, pair, own)


def judge_demand(path: str, old: str | None, new: str | None, pair: Pair, sheet: Sheet) -> None:
    """Note whether another permission is demanded than before."""
    if old == new:
        return
    rule = "permission-lowered" if _is_lower(old, new, pair) else "permission-raised"
    sheet.say(rule, path, f"needed {old or 'no permission'} and needs {new or 'no permission'}")


def is_write(api: ir.Api, name: str | None) -> bool:
    """Whether a permission lets change things."""
    found = api.permissions.get(name or "")
    return found is not None and found.write


def _is_lower(old: str | None, new: str | None, pair: Pair) -> bool:
    """From any permission to none, or from one that lets change things to one that does not; aside is up: its holders lose."""
    return old is not None and (new is None or (is_write(pair.old, old) and not is_write(pair.new, new)))


def _role(path: str, old: ir.Role, new: ir.Role, pair: Pair, sheet: Sheet) -> None:
    living = {name for name, one in pair.new.permissions.items() if one.lifecycle.stage is not ir.Stage.REMOVED}
    for name in sorted({*old.permissions} - {*new.permissions}):
        if name in living:
            sheet.say("role-narrowed", path, f"does not hold {name} any more")
    for name in sorted({*new.permissions} - {*old.permissions}):
        if name in pair.old.permissions:
            sheet.say("role-widened", path, f"holds {name} now")
