"""The shape of definitions: their traits, and the words and forms of the traits' values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from libvdsm.schema import ir, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Position
from libvdsm.schema.loader import Definition, Draft
from libvdsm.schema.source import Table

VERSION: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_MAX_SUMMARY: Final = 200


@dataclass(frozen=True, slots=True)
class Trait:
    """A key of a definition."""

    form: str  # one of _FORMS, or "word:<name of a list of words>"
    required: bool = False


def _needs(form: str) -> Trait:
    return Trait(form, required=True)


_LIFE: Final = {"summary": _needs("summary"), "since": _needs("version"), "lifecycle": _needs("lifecycle")}
_MEMBER_LIFE: Final = {"summary": _needs("summary"), "since": Trait("version"), "lifecycle": Trait("lifecycle")}
_VALUE: Final = {
    "type": _needs("type"),
    "unit": Trait("word:units"),
    "min": Trait("number"),
    "max": Trait("number"),
    "multiple_of": Trait("integer"),
    "min_length": Trait("integer"),
    "max_length": Trait("integer"),
    "pattern": Trait("text"),
    "min_items": Trait("integer"),
    "max_items": Trait("integer"),
    "names": Trait("names"),
}
_ARGUMENT: Final = _MEMBER_LIFE | _VALUE | {"optional": Trait("optional"), "default": Trait("any"), "requires": Trait("texts")}
_TYPE: Final = _LIFE | {"kind": _needs("any")}

#: Kind of a definition -> what may and what must stand in it.
TRAITS: Final[Mapping[str, Mapping[str, Trait]]] = {
    "api": {
        "version": _needs("version"),
        "summary": _needs("summary"),
        "subsystems": _needs("texts"),
        "units": _needs("texts"),
        "costs": _needs("texts"),
        "faults": _needs("texts"),
    },
    "interface": _LIFE | {"interface": _needs("text"), "methods": Trait("any"), "types": Trait("any"), "events": Trait("any")},
    "method": _LIFE
    | {
        "description": Trait("text"),
        "kind": _needs("word:kinds"),
        "subsystem": _needs("word:subsystems"),
        "permission": _needs("text"),
        "object": Trait("text"),
        "params": Trait("any"),
        "result": _needs("text"),
        "errors": Trait("texts"),
        "idempotent": _needs("flag"),
        "cost": _needs("word:costs"),
        "timeout": _needs("number"),
        "probe": Trait("word:probes"),
        "progress_unit": Trait("word:units"),
        "paged": Trait("flag"),
        "requires": Trait("texts"),
        "works_in": Trait("texts"),
        "done_in": Trait("texts"),
        "example": _needs("example"),
        "names": Trait("names"),
    },
    "param": _ARGUMENT,
    "field": _ARGUMENT | {"change": Trait("word:changes")},
    "record": _TYPE | {"writable": Trait("flag"), "object": Trait("text"), "direction": Trait("word:directions"), "fields": _needs("any")},
    "enum": _TYPE | {"open": Trait("flag"), "values": _needs("any")},
    "value": _MEMBER_LIFE,
    "union": _TYPE | {"discriminator": _needs("text"), "open": Trait("flag"), "branches": _needs("any")},
    "branch": _MEMBER_LIFE | {"record": _needs("text")},
    "patch": _TYPE | {"of": _needs("text")},
    "view": _TYPE | {"of": _needs("text"), "key": _needs("text")},
    "event": _LIFE | {"topic": _needs("text"), "document": _needs("text"), "permission": _needs("text")},
    "error": _LIFE
    | {
        "number": _needs("integer"),
        "message": _needs("text"),
        "remedy": _needs("text"),
        "fault": _needs("word:faults"),
        "retryable": _needs("flag"),
        "params": Trait("any"),
    },
    "permission": _LIFE | {"write": _needs("flag"), "demanded_by": Trait("text")},
    "role": _LIFE | {"permissions": _needs("texts")},
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "kinds": tuple(kind.value for kind in ir.Kind),
    "probes": ("metadata", "state", "none"),
    "changes": ("live", "restart", "recreate"),
    "directions": ("input", "output"),
}
_STAGES: Final = tuple(stage.value for stage in ir.Stage)
_LIFE_KEYS: Final = ("stage", "deprecated", "replacement", "sunset", "removed")


def words_of(draft: Draft) -> Mapping[str, tuple[str, ...]]:
    """The words that the profile declares for its traits, with those of the language."""
    table = draft.api.table if draft.api else Table(Position("", 0), {}, {})
    return dict(_WORDS) | {name: table.texts(name) for name in ("subsystems", "units", "costs", "faults")}


def check_shape(draft: Draft, report: Report) -> None:
    """Note everything that is wrong with the form of the definitions."""
    if draft.api is None:
        file = next((d.position.file for d in draft.roots()), "api.yaml")
        report.say("no-api", Position(file, 1), "api", "is not there: no file has a section api")
    judge = _Judge(words_of(draft), report)
    for one in draft.walk():
        judge.definition(one)


class _Judge:
    """Holds definitions against ``TRAITS``."""

    def __init__(self, words: Mapping[str, tuple[str, ...]], report: Report) -> None:
        self._words = words
        self._report = report
        self._forms: Mapping[str, Callable[[Definition, str], None]] = {
            "any": lambda _one, _key: None,
            "text": self._text,
            "texts": self._texts,
            "flag": self._flag,
            "number": self._number,
            "integer": self._integer,
            "summary": self._summary,
            "version": self._version,
            "type": self._type,
            "optional": self._optional,
            "lifecycle": self._lifecycle,
            "names": self._names,
            "example": self._example,
        }

    def definition(self, one: Definition) -> None:
        traits = TRAITS[one.kind]
        for key in one.table.entries:
            if key not in traits:
                self._say("unknown-key", one, key, f"has an unknown trait {key!r}; a {one.kind} knows {', '.join(sorted(traits))}")
            elif traits[key].form.startswith("word:"):
                self._word(one, key, self._words[traits[key].form.removeprefix("word:")])
            else:
                self._forms[traits[key].form](one, key)
        for key, trait in traits.items():
            if trait.required and key not in one.table.entries:
                self._report.say("missing-trait", one.position, one.path, f"lacks {key}")

    def _say(self, rule: str, one: Definition, key: str, message: str) -> None:
        self._report.say(rule, one.table.where(key), one.path, message)

    def _mistyped(self, one: Definition, key: str, wanted: str) -> None:
        self._say("trait-type", one, key, f"{key} is not {wanted}")

    def _text(self, one: Definition, key: str) -> None:
        if not one.table.text(key).strip():
            self._mistyped(one, key, "a text")

    def _texts(self, one: Definition, key: str) -> None:
        value = one.table.value(key)
        if not isinstance(value, list) or len(one.table.texts(key)) != len(value):
            self._mistyped(one, key, "a list of texts")
        elif len(set(value)) != len(value):
            self._mistyped(one, key, "a list of different texts")

    def _flag(self, one: Definition, key: str) -> None:
        if not isinstance(one.table.value(key), bool):
            self._mistyped(one, key, "true or false")

    def _number(self, one: Definition, key: str) -> None:
        if one.table.number(key) is None:
            self._mistyped(one, key, "a number")

    def _integer(self, one: Definition, key: str) -> None:
        if one.table.integer(key) is None:
            self._mistyped(one, key, "an integer")

    def _word(self, one: Definition, key: str, words: tuple[str, ...]) -> None:
        value = one.table.value(key)
        if words and value not in words:  # no words: their list is missing, and that was said
            self._say("trait-word", one, key, f"{key} is {value!r}, not one of {', '.join(words)}")

    def _summary(self, one: Definition, key: str) -> None:
        text = one.table.text(key)
        if not text.endswith(".") or "\n" in text or text != text.strip() or len(text) > _MAX_SUMMARY:
            self._say("summary-style", one, key, f"summary is not one line of at most {_MAX_SUMMARY} characters that ends with a full stop")

    def _version(self, one: Definition, key: str) -> None:
        self._version_in(one, one.table, key)

    def _version_in(self, one: Definition, table: Table, key: str) -> None:
        if not VERSION.fullmatch(table.text(key)):
            self._report.say("version-form", table.where(key), one.path, f"{key} is {table.value(key)!r}, not a version such as '1.0'")

    def _type(self, one: Definition, key: str) -> None:
        word = one.table.text(key)
        if typeref.parse(word) is not None:
            return
        if word.count("<") > 1:
            self._say("nested-container", one, key, f"type {word} is a container in a container; name a record in between")
        else:
            self._say("type-word", one, key, f"{one.table.value(key)!r} is no type")

    def _optional(self, one: Definition, key: str) -> None:
        words = (True, "input", "output") if one.kind == "field" else (True,)
        value = one.table.value(key)
        if not any(value is word or (isinstance(word, str) and value == word) for word in words):
            self._say("trait-word", one, key, f"optional is {value!r}, not one of {', '.join(str(word).lower() for word in words)}")

    def _lifecycle(self, one: Definition, key: str) -> None:
        table = one.table.table(key)
        if table is None:
            self._word(one, key, _STAGES)
            return
        for name in table.entries:
            if name not in _LIFE_KEYS:
                self._report.say("unknown-key", table.where(name), one.path, f"has an unknown trait {name!r} in lifecycle")
        if table.text("stage") not in _STAGES:
            self._report.say(
                "trait-word", table.where("stage"), one.path, f"stage is {table.value('stage')!r}, not one of {', '.join(_STAGES)}"
            )
        for name in ("deprecated", "sunset", "removed"):
            if name in table.entries:
                self._version_in(one, table, name)

    def _names(self, one: Definition, key: str) -> None:
        table = one.table.table(key)
        if table is None or any(not table.text(name) for name in table.entries):
            self._mistyped(one, key, "a mapping of languages to names")

    def _example(self, one: Definition, key: str) -> None:
        table = one.table.table(key)
        if table is None or set(table.entries) != {"params", "result"} or None in (table.table("params"), table.table("result")):
            self._mistyped(one, key, "a mapping of params and result, both mappings")
