"""Parameters that the schema refuses, each with the one place where the fault lies; made from the schema itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from libvdsm.schema import compiled
from libvdsm.schema.ir import (
    Constraints,
    Enum,
    Field,
    ListRef,
    MapRef,
    Patch,
    Presence,
    Record,
    Scalar,
    ScalarRef,
    TypeRef,
    Union,
)

API = compiled.load()
TYPES = API.types

#: A value of each kind of JSON.
_KINDS: dict[str, Any] = {"object": {"oddMember": 1}, "array": [[]], "string": "text", "boolean": True, "integer": 12, "number": 1.5}
#: Which kinds a scalar takes; what else it takes is its constraints' business.
_TAKES: dict[Scalar, set[str]] = {
    Scalar.STRING: {"string"},
    Scalar.BOOLEAN: {"boolean"},
    Scalar.INTEGER: {"integer"},
    Scalar.NUMBER: {"integer", "number"},
}
_SMALL = 64  # longer lists are not made too long
_UUID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Spoiled:
    """A value with one fault, and where that is (JSONPath, from the value on)."""

    value: Any
    path: str
    what: str
    is_exact: bool = True  # the place can be told exactly; else it may be told one step too high or too low


Faults = list[st.SearchStrategy[Spoiled]]


def spoiled_fields(fields: Sequence[Field]) -> st.SearchStrategy[Spoiled]:
    """An object of these members with one fault anywhere inside; every place is as likely as any other."""
    return st.one_of(faults_of_fields(fields))


def faults_of_fields(fields: Sequence[Field]) -> Faults:
    """One strategy for each place where an object of these members can be wrong."""
    background = valid_fields(fields)
    faults = [background.map(_with_unknown_member)]
    faults += [background.map(_without(field.name)) for field in fields if field.on_input is Presence.REQUIRED]
    for field in fields:
        faults += [st.tuples(background, inner).map(_put(field.name)) for inner in faults_of_type(field.type, field.constraints)]
    return faults


def _with_unknown_member(members: dict[str, Any]) -> Spoiled:
    return Spoiled(members | {"oddMember": len(members)}, ".oddMember", "unknown member")


def _without(name: str) -> Callable[[dict[str, Any]], Spoiled]:
    def remove(members: dict[str, Any]) -> Spoiled:
        return Spoiled({key: value for key, value in members.items() if key != name}, f".{name}", "missing")

    return remove


def _put(name: str) -> Callable[[tuple[dict[str, Any], Spoiled]], Spoiled]:
    def put(parts: tuple[dict[str, Any], Spoiled]) -> Spoiled:
        members, inner = parts
        return Spoiled(members | {name: inner.value}, f".{name}{inner.path}", inner.what, inner.is_exact)

    return put


def faults_of_type(type: TypeRef, constraints: Constraints) -> Faults:
    """One strategy for each place where a value of this type can be wrong; none for a type that takes everything."""
    if isinstance(type, ScalarRef):
        return _faults_of_scalar(type.scalar, constraints)
    if isinstance(type, ListRef):
        return _faults_of_list(type, constraints)
    if isinstance(type, MapRef):
        return _faults_of_map(type, constraints)
    return _faults_of_named(TYPES[type.name])


def _wrong_kinds(takes: set[str]) -> list[Spoiled]:
    return [Spoiled(value, "", f"{kind} in place of {'/'.join(sorted(takes))}") for kind, value in _KINDS.items() if kind not in takes]


def _faults_of_scalar(scalar: Scalar, constraints: Constraints) -> Faults:
    if scalar is Scalar.JSON:
        return []
    faults = _wrong_kinds(_TAKES.get(scalar, {"string"}))
    if scalar in {Scalar.INTEGER, Scalar.NUMBER}:
        faults += _out_of_range(constraints)
    elif scalar in {Scalar.STRING, Scalar.SECRET}:
        faults += _wrong_texts(constraints)
    elif scalar is not Scalar.BOOLEAN:
        faults += [Spoiled(text, "", f"no {scalar.value}") for text in ("", "no such thing !")]
    return [st.sampled_from(faults)]


def _out_of_range(constraints: Constraints) -> list[Spoiled]:
    faults = [Spoiled(sign * 2**70, "", "far out of range", is_exact=False) for sign in (1, -1)]
    if constraints.minimum is not None:
        faults.append(Spoiled(constraints.minimum - 1, "", "below the minimum"))
    if constraints.maximum is not None:
        faults.append(Spoiled(constraints.maximum + (constraints.multiple_of or 1), "", "above the maximum"))
    if constraints.multiple_of is not None and constraints.minimum is not None:
        faults.append(Spoiled(int(constraints.minimum) + 1, "", "no multiple"))
    return faults


def _wrong_texts(constraints: Constraints) -> list[Spoiled]:
    faults = []
    if constraints.min_length:
        faults.append(Spoiled("", "", "too short"))
    if constraints.max_length is not None:
        faults.append(Spoiled("a" * (constraints.max_length + 1), "", "too long"))
    if constraints.pattern is not None:
        faults.append(Spoiled("\x00\x1f", "", "does not fit the pattern"))
        faults.append(Spoiled("/dev/ua-a\n", "", "a line's end after what fits"))
    return faults


def _faults_of_list(type: ListRef, constraints: Constraints) -> Faults:
    faults: Faults = [st.sampled_from(_wrong_kinds({"array"}))]
    item = valid_type(type.item, _of_items(constraints))
    most = constraints.max_items
    if constraints.min_items:
        faults.append(st.just(Spoiled([], "", "too few")))
    if most is not None and most <= _SMALL:
        faults.append(item.map(lambda value: Spoiled([value] * (most + 1), "", "too many")))
    before = st.lists(item, max_size=min(2, (most or _SMALL) - 1))
    return faults + [st.tuples(before, inner).map(_append) for inner in faults_of_type(type.item, _of_items(constraints))]


def _append(parts: tuple[list[Any], Spoiled]) -> Spoiled:
    items, fault = parts
    return Spoiled([*items, fault.value], f"[{len(items)}]{fault.path}", fault.what, fault.is_exact)


def _faults_of_map(type: MapRef, constraints: Constraints) -> Faults:
    faults: Faults = [st.sampled_from(_wrong_kinds({"object"}))]
    for inner in faults_of_type(type.value, _of_items(constraints)):
        faults.append(inner.map(lambda fault: Spoiled({"key": fault.value}, ".key", fault.what, is_exact=False)))
    if constraints.max_items is not None:
        too_many = {f"key{number}": "x" for number in range(constraints.max_items + 1)}
        faults.append(st.just(Spoiled(too_many, "", "too many members")))
    return faults


def _of_items(constraints: Constraints) -> Constraints:
    return Constraints(min_length=constraints.min_length, max_length=constraints.max_length, pattern=constraints.pattern)


def _faults_of_named(type: object) -> Faults:
    if isinstance(type, Enum):
        return [st.sampled_from([*_wrong_kinds({"string"}), Spoiled("noSuchValue", "", "no value"), Spoiled("", "", "no value")])]
    if isinstance(type, Union):
        return _faults_of_union(type)
    assert isinstance(type, Record | Patch)
    return [st.sampled_from(_wrong_kinds({"object"})), *faults_of_fields(type.fields)]


def _faults_of_union(union: Union) -> Faults:
    faults: Faults = [
        st.sampled_from(_wrong_kinds({"object"})),
        st.just(Spoiled({}, "", "no discriminator", is_exact=False)),
        st.just(Spoiled({union.discriminator: "noSuchBranch"}, f".{union.discriminator}", "no branch", is_exact=False)),
    ]
    for branch in union.branches:
        record = TYPES[branch.record]
        assert isinstance(record, Record)
        faults += [inner.map(_tagged(union.discriminator, branch.tag)) for inner in faults_of_fields(record.fields)]
    return faults


def _tagged(discriminator: str, tag: str) -> Callable[[Spoiled], Spoiled]:
    return lambda fault: Spoiled({discriminator: tag} | fault.value, fault.path, fault.what, fault.is_exact)


def valid_fields(fields: Sequence[Field]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that the schema takes."""
    required = {field.name: valid_type(field.type, field.constraints) for field in fields if field.on_input is Presence.REQUIRED}
    optional = {field.name: valid_type(field.type, field.constraints) for field in fields if field.on_input is not Presence.REQUIRED}
    return st.fixed_dictionaries(required, optional=optional)


def valid_type(type: TypeRef, constraints: Constraints) -> st.SearchStrategy[Any]:
    """A value that the schema takes."""
    if isinstance(type, ScalarRef):
        return _valid_scalar(type.scalar, constraints)
    if isinstance(type, ListRef):
        item = valid_type(type.item, _of_items(constraints))
        return st.lists(item, min_size=constraints.min_items or 0, max_size=min(2, constraints.max_items or 2))
    if isinstance(type, MapRef):
        return st.dictionaries(st.sampled_from(["a", "b"]), valid_type(type.value, _of_items(constraints)), max_size=2)
    return st.deferred(lambda: _valid_named(TYPES[type.name]))


def _valid_scalar(scalar: Scalar, constraints: Constraints) -> st.SearchStrategy[Any]:
    if scalar in {Scalar.STRING, Scalar.SECRET}:
        return _valid_text(constraints)
    if scalar is Scalar.BOOLEAN:
        return st.booleans()
    if scalar in {Scalar.INTEGER, Scalar.NUMBER}:
        step = constraints.multiple_of or 1
        low = int(constraints.minimum or 0)
        return st.integers(0, 3).map(lambda number: min(low + step * (number + 1), int(constraints.maximum or 2**53 - 1)))
    if scalar is Scalar.UUID:
        return st.just(_UUID)
    if scalar is Scalar.TIMESTAMP:
        return st.just("2026-01-01T00:00:00Z")
    return st.just("AAAA")


def _valid_text(constraints: Constraints) -> st.SearchStrategy[str]:
    if constraints.pattern is None:
        shortest = constraints.min_length or 0
        return st.text(st.characters(codec="ascii"), min_size=shortest, max_size=max(shortest, min(8, constraints.max_length or 8)))
    low, high = constraints.min_length or 0, constraints.max_length or 64
    return st.from_regex(constraints.pattern, fullmatch=True, alphabet=st.characters(codec="ascii")).filter(
        lambda text: low <= len(text) <= high
    )


def _valid_named(type: object) -> st.SearchStrategy[Any]:
    if isinstance(type, Enum):
        return st.sampled_from([value.name for value in type.values])
    if isinstance(type, Union):
        return st.one_of([_valid_branch(type, branch.tag, branch.record) for branch in type.branches])
    assert isinstance(type, Record | Patch)
    return valid_fields(type.fields)


def _valid_branch(union: Union, tag: str, record: str) -> st.SearchStrategy[Any]:
    found = TYPES[record]
    assert isinstance(found, Record)
    return valid_fields(found.fields).map(lambda members: {union.discriminator: tag} | members)
