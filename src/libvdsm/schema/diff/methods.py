"""Verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from libvdsm.schema.diff.examples import judge_examples
from libvdsm.schema.diff.fields import Ways, judge_fields
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.diff.rights import is_write, judge_demand
from libvdsm.schema.diff.words import judge_names, judge_order, judge_requires, judge_words
from libvdsm.schema.ir import Kind, Method

_COSTS: Final = ("free", "low", "medium", "high")
_PROBES: Final = ("metadata", "state", "none")


def judge_methods(pair: Pair, sheet: Sheet) -> None:
    """Note what changed in verbs."""
    for path, old, new, own in pair.kept("verb", pair.old.methods, pair.new.methods, sheet):
        judge_words(path, old, new, own)
        judge_names(path, old.names, new.names, own)
        judge_requires(path, old.requires, new.requires, own)
        judge_order(path, [p.name for p in old.params], [p.name for p in new.params], own)
        judge_fields(path, old.params, new.params, Ways(sent=True), pair, own)
        _answer(path, old, new, own)
        _right(path, old, new, pair, own)
        _promise(path, old, new, own)
        _states(path, old, new, own)
        _cost(path, old, new, own)
        judge_examples(path, old, new, pair, own)


def _answer(path: str, old: Method, new: Method, sheet: Sheet) -> None:
    if old.kind is not new.kind:
        sheet.say("kind-changed", path, f"the kind was {old.kind.value} and is {new.kind.value}")
    elif old.progress_unit != new.progress_unit:
        sheet.say("progress-unit-changed", path, f"progress was in {old.progress_unit} and is in {new.progress_unit}")
    if old.result != new.result:
        sheet.say("result-changed", path, f"the result was {old.result} and is {new.result}")
    if old.paged is not new.paged:
        sheet.say("paging-changed", path, "is answered page by page now" if new.paged else "is not answered page by page any more")
    for name in sorted({*new.errors} - {*old.errors}):
        sheet.say("error-added", path, f"may fail with {name} now")


def _right(path: str, old: Method, new: Method, pair: Pair, sheet: Sheet) -> None:
    if old.kind is new.kind is Kind.QUERY and is_write(pair.new, new.permission) and not is_write(pair.old, old.permission):
        sheet.say("query-needs-write", path, f"is a query and needs {new.permission}, which lets change things")
    else:
        judge_demand(path, old.permission, new.permission, pair, sheet)
    if (old.object_type, old.object_param) != (new.object_type, new.object_param):
        sheet.say("key-changed", path, f"was about {_about(old)} and is about {_about(new)}")


def _about(method: Method) -> str:
    return f"the {method.object_type} in {method.object_param}" if method.object_type else "no object"


def _promise(path: str, old: Method, new: Method, sheet: Sheet) -> None:
    if old.idempotent and not new.idempotent:
        sheet.say("idempotent-lost", path, "is not idempotent any more")
    if old.probe is not None and new.probe is not None and _rank(_PROBES, new.probe) > _rank(_PROBES, old.probe):
        sheet.say("probe-weakened", path, f"recovery looked at {old.probe} and looks at {new.probe}")


def _states(path: str, old: Method, new: Method, sheet: Sheet) -> None:
    """Without ``works_in`` a verb works in every state; a state that changes lists is lost to the one and won by the other."""
    if old.works_in and not new.works_in:
        sheet.say("states-widened", path, "works in every state now")
    elif new.works_in and not old.works_in:
        sheet.say("states-narrowed", path, f"worked in every state and works in {', '.join(new.works_in)}")
    else:
        _moved(path, "work", "works", (old.works_in, new.works_in), sheet)
    _moved(path, "count as done", "counts as done", (old.done_in, new.done_in), sheet)


def _moved(path: str, infinitive: str, verb: str, lists: tuple[Sequence[str], Sequence[str]], sheet: Sheet) -> None:
    old, new = lists
    for state in sorted({*old} - {*new}):
        sheet.say("states-narrowed", path, f"does not {infinitive} in {state} any more")
    for state in sorted({*new} - {*old}):
        sheet.say("states-widened", path, f"{verb} in {state} now")


def _cost(path: str, old: Method, new: Method, sheet: Sheet) -> None:
    if old.cost != new.cost and _rank(_COSTS, new.cost) >= _rank(_COSTS, old.cost):
        sheet.say("cost-raised", path, f"the cost was {old.cost} and is {new.cost}")
    if new.timeout_s < old.timeout_s:
        sheet.say("timeout-lowered", path, f"the default timeout was {old.timeout_s:g} s and is {new.timeout_s:g} s")


def _rank(words: Sequence[str], word: str) -> int:
    """The place of a word in a scale; one that the scale does not know is beyond its end."""
    return words.index(word) if word in words else len(words)
