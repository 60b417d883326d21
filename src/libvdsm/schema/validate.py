"""Holds JSON values against the schema, naming the place of everything that does not fit.

This is the slow and thorough judge for examples, tests and golden files; the daemon's hot path
uses decoders generated from the same description. Requests are closed: an unknown member or word
is a problem. Answers are open, unless asked to be strict.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from libvdsm.schema import ir
from libvdsm.schema.ir import Scalar

#: The largest integer that every reader of JSON keeps exactly.
INTEGER_LIMIT: Final = 2**53 - 1
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Direction(StrEnum):
    """Who wrote the value: the client (input) or the daemon (output)."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit, with its JSONPath."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason} at {self.path}"


@dataclass(frozen=True, slots=True)
class Validator:
    """Judges values by one API. ``strict`` refuses unknown members and words in answers too."""

    api: ir.Api
    direction: Direction
    strict: bool = False

    def value(self, ref: ir.TypeRef, value: object, path: str = "$") -> tuple[Problem, ...]:
        """What is wrong with a value that should be of this type."""
        return tuple(self._value(ref, value, path, ir.Constraints()))

    def field(self, field: ir.Field, value: object, path: str = "$") -> tuple[Problem, ...]:
        """What is wrong with a value of this member, its constraints included."""
        return tuple(self._value(field.type, value, path, field.constraints))

    def members(self, fields: Sequence[ir.Field], value: object, path: str = "$") -> tuple[Problem, ...]:
        """What is wrong with an object that should have these members."""
        return tuple(self._object(fields, value, path))

    @property
    def _closed(self) -> bool:
        return self.strict or self.direction is Direction.INPUT

    def _value(self, ref: ir.TypeRef, value: object, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
        match ref:
            case ir.ListRef():
                if not isinstance(value, list):
                    yield Problem(path, f"is {_kind(value)}, not a list")
                    return
                yield from _count(len(value), path, bounds)
                for at, item in enumerate(value):
                    yield from self._value(ref.item, item, f"{path}[{at}]", bounds)
            case ir.MapRef():
                if not isinstance(value, dict):
                    yield Problem(path, f"is {_kind(value)}, not a map")
                    return
                yield from _count(len(value), path, bounds)
                for key, item in value.items():
                    yield from self._value(ref.value, item, _step(path, key), bounds)
            case ir.ScalarRef():
                yield from _scalar(ref.scalar, value, path, bounds)
            case ir.NamedRef():
                yield from self._named(self.api.types[ref.name], value, path)

    def _named(self, one: ir.Type, value: object, path: str) -> Iterator[Problem]:
        match one:
            case ir.Enum():
                yield from self._word(one, value, path)
            case ir.Union():
                yield from self._branch(one, value, path)
            case ir.Patch():
                yield from self._object(one.fields, value, path, self._unclearable(one))
            case _:
                yield from self._object(one.fields, value, path)

    def _word(self, one: ir.Enum, value: object, path: str) -> Iterator[Problem]:
        known = [v.name for v in one.values]
        if not isinstance(value, str):
            yield Problem(path, f"is {_kind(value)}, not a string")
        elif value not in known and (self._closed or not one.open):
            yield Problem(path, f"is {value!r}, not one of {', '.join(known)}")

    def _branch(self, one: ir.Union, value: object, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(path, f"is {_kind(value)}, not an object")
            return
        tag = value.get(one.discriminator)
        branch = next((b for b in one.branches if b.tag == tag), None)
        if branch is None:
            if tag is None or self._closed or not one.open:
                known = ", ".join(b.tag for b in one.branches)
                yield Problem(_step(path, one.discriminator), f"is {tag!r}, not one of {known}" if tag is not None else "is missing")
            return
        rest = {key: item for key, item in value.items() if key != one.discriminator}
        yield from self._named(self.api.types[branch.record], rest, path)

    def _unclearable(self, patch: ir.Patch) -> frozenset[str]:
        """The members for which null may not stand: the record can neither be without them nor has a default."""
        record = self.api.types[patch.of]
        members = record.fields if isinstance(record, ir.Record) else ()
        return frozenset(f.name for f in members if f.on_input is ir.Presence.REQUIRED and not f.has_default)

    def _object(self, fields: Sequence[ir.Field], value: object, path: str, held: frozenset[str] = frozenset()) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(path, f"is {_kind(value)}, not an object")
            return
        known = {f.name: f for f in fields}
        for name, item in value.items():
            if name in known:
                yield from self._member(known[name], item, _step(path, name), may_clear=name not in held)
            elif self._closed:
                yield Problem(_step(path, name), "is unknown")
        for name, field in known.items():
            if name not in value and self._needed(field):
                yield Problem(_step(path, name), "is missing")

    def _member(self, field: ir.Field, value: object, path: str, *, may_clear: bool) -> Iterator[Problem]:
        if value is None and self.direction is Direction.INPUT and may_clear and not self._needed(field):
            return  # null is the same as absent; in a patch it clears
        yield from self._value(field.type, value, path, field.constraints)

    def _needed(self, field: ir.Field) -> bool:
        presence = field.on_input if self.direction is Direction.INPUT else field.on_output
        return presence is ir.Presence.REQUIRED


def params_problems(api: ir.Api, method: ir.Method, value: object) -> tuple[Problem, ...]:
    """What is wrong with the parameters of a call."""
    return Validator(api, Direction.INPUT).members(method.params, value)


def result_problems(api: ir.Api, method: ir.Method, value: object, *, strict: bool = False) -> tuple[Problem, ...]:
    """What is wrong with the result of a verb; of an operation, with that of its task."""
    return Validator(api, Direction.OUTPUT, strict).value(ir.NamedRef(method.result), value)


def _count(number: int, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
    if bounds.min_items is not None and number < bounds.min_items:
        yield Problem(path, f"has {number} entries, fewer than {bounds.min_items}")
    if bounds.max_items is not None and number > bounds.max_items:
        yield Problem(path, f"has {number} entries, more than {bounds.max_items}")


def _scalar(scalar: Scalar, value: object, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
    match scalar:
        case Scalar.JSON:
            return
        case Scalar.BOOLEAN:
            if not isinstance(value, bool):
                yield Problem(path, f"is {_kind(value)}, not a boolean")
        case Scalar.INTEGER | Scalar.NUMBER:
            yield from _numeric(scalar, value, path, bounds)
        case _ if isinstance(value, str):
            yield from _form(scalar, value, path)
            yield from _text(value, path, bounds)
        case _:
            yield Problem(path, f"is {_kind(value)}, not a string")


def _numeric(scalar: Scalar, value: object, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Problem(path, f"is {_kind(value)}, not {'an integer' if scalar is Scalar.INTEGER else 'a number'}")
    elif scalar is Scalar.INTEGER and not isinstance(value, int):
        yield Problem(path, "is a number, not an integer")
    elif not math.isfinite(value):
        yield Problem(path, "is not finite")
    elif scalar is Scalar.INTEGER and abs(value) > INTEGER_LIMIT:
        yield Problem(path, "is beyond ±(2^53-1)")
    else:
        yield from _range(value, path, bounds)


def _range(value: float, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
    if bounds.minimum is not None and value < bounds.minimum:
        yield Problem(path, f"is less than {bounds.minimum}")
    if bounds.maximum is not None and value > bounds.maximum:
        yield Problem(path, f"is more than {bounds.maximum}")
    if bounds.multiple_of is not None and value % bounds.multiple_of != 0:
        yield Problem(path, f"is not a multiple of {bounds.multiple_of}")


def _form(scalar: Scalar, value: str, path: str) -> Iterator[Problem]:
    if scalar is Scalar.UUID and not _UUID.fullmatch(value):
        yield Problem(path, "is not a UUID in lower case")
    elif scalar is Scalar.TIMESTAMP and not _is_timestamp(value):
        yield Problem(path, "is not an RFC 3339 time in UTC with a final Z")
    elif scalar is Scalar.DECIMAL and not _DECIMAL.fullmatch(value):
        yield Problem(path, "is not a decimal integer")
    elif scalar is Scalar.BASE64 and not _is_base64(value):
        yield Problem(path, "is not base64")


def _text(value: str, path: str, bounds: ir.Constraints) -> Iterator[Problem]:
    if bounds.min_length is not None and len(value) < bounds.min_length:
        yield Problem(path, f"is shorter than {bounds.min_length}")
    if bounds.max_length is not None and len(value) > bounds.max_length:
        yield Problem(path, f"is longer than {bounds.max_length}")
    if bounds.pattern is not None and not re.fullmatch(bounds.pattern, value):
        yield Problem(path, f"does not match {bounds.pattern}")


def _is_timestamp(value: str) -> bool:
    if not _TIMESTAMP.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _step(path: str, name: object) -> str:
    return f"{path}.{name}" if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else f"{path}[{name!r}]"


def _kind(value: object) -> str:
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
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
