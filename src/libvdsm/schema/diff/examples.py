"""Examples: the calls that clients were shown, held against the new description.

They also stand for golden vectors as long as the profile has none: the same call is to be
answered with the same members in the same JSON form. Values may differ, for examples age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from libvdsm.schema import ir
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.validate import Problem, params_problems, result_problems


def judge_examples(path: str, old: ir.Method, new: ir.Method, pair: Pair, sheet: Sheet) -> None:
    """Note examples of a verb that are gone, do not fit any more, or are answered in another form."""
    if len(new.examples) < len(old.examples):
        sheet.say("example-removed", path, f"the number of examples was {len(old.examples)} and is {len(new.examples)}")
    known = set(_problems(old, old.examples, pair.old))
    for problem in {*_problems(new, new.examples, pair.new), *_problems(new, old.examples, pair.new, answers=False)} - known:
        sheet.say("example-invalid", path, str(problem))
    for before in old.examples:
        for after in new.examples:
            if before.params == after.params:
                _form(path, before.result, after.result, sheet)


def _problems(method: ir.Method, examples: Sequence[ir.Example], api: ir.Api, *, answers: bool = True) -> Iterator[Problem]:
    """What does not fit a verb of this API; an old answer need not fit, for answers may have grown."""
    try:
        for example in examples:
            yield from params_problems(api, method, dict(example.params))
            if answers:
                yield from result_problems(api, method, dict(example.result))
    except KeyError as error:
        yield Problem("$", f"needs the type {error}, which is not there,")


def _form(path: str, old: object, new: object, sheet: Sheet) -> None:
    for place, reason in _differences("$", old, new):
        sheet.say("golden-changed", path, f"the example's answer {reason} at {place}")


def _differences(place: str, old: object, new: object) -> Iterator[tuple[str, str]]:
    if _form_of(old) != _form_of(new):
        yield place, f"was {_form_of(old)} and is {_form_of(new)}"
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name, item in sorted(old.items()):
            if name in new:
                yield from _differences(f"{place}.{name}", item, new[name])
            else:
                yield f"{place}.{name}", "is missing"
    elif isinstance(old, list) and isinstance(new, list):
        for at, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from _differences(f"{place}[{at}]", before, after)


def _form_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
