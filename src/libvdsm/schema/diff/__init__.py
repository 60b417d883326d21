"""Two descriptions of the API, an older and a newer one: what changed, and what that does to clients.

Pure: two sealed values give findings, each with class, rule, path and reason (DESIGN 8). One module
for each noun; ``findings`` holds the table of rules, ``life`` the automaton of lifecycles. What the
findings mean for a release is decided by ``vdsm-schema diff``.
"""

from __future__ import annotations

from libvdsm.schema.diff.errors import judge_errors
from libvdsm.schema.diff.events import judge_events
from libvdsm.schema.diff.features import judge_features
from libvdsm.schema.diff.findings import RULES, Finding, Grade, Rule, Sheet, in_order
from libvdsm.schema.diff.interfaces import judge_interfaces
from libvdsm.schema.diff.life import Pair, outermost, version
from libvdsm.schema.diff.methods import judge_methods
from libvdsm.schema.diff.rights import judge_rights
from libvdsm.schema.diff.types import judge_types
from libvdsm.schema.ir import Api

__all__ = ["RULES", "Finding", "Grade", "Rule", "compare", "version"]


def compare(old: Api, new: Api) -> tuple[Finding, ...]:
    """Every change from the old description to the new one, the worst first; nothing if they say the same."""
    sheet, pair = Sheet(), Pair(old, new)
    if version(new.version) < version(old.version):
        sheet.say("version-backwards", "api", f"the version was {old.version} and is {new.version}")
    for judge in (judge_interfaces, judge_methods, judge_events, judge_types, judge_errors, judge_rights, judge_features):
        judge(pair, sheet)
    return in_order(outermost(sheet.findings))
