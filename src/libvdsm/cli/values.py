"""From the words of a command line to the values of the API.

A word is read by the type that the schema names for it. Structured values are written as
``key=value`` pairs with dotted keys, a union's branch standing in the key as a word of its own::

    source.file.path=/x.qcow2,source.file.format=qcow2,bus=virtio

Every complaint is a ValueError whose text names what was expected.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from libvdsm.cli import quantities, times
from libvdsm.cli.description import Enum, Member, Record, TypeUse, Union
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from libvdsm.cli.description import Description

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_MAX_DIGITS: Final = 40


def is_id(text: str) -> bool:
    """Whether a word has the form of an id."""
    return _UUID.fullmatch(text.lower()) is not None


def scalar(description: Description, member: Member, text: str) -> object:
    """Read one value of ``member``'s type; for a list or a map, of its entries' type."""
    name = member.type.name
    if not member.type.is_scalar:
        return _named(description, name, text)
    reader = _READERS.get(name)
    return text if reader is None else reader(text, member.unit)


def _named(description: Description, name: str, text: str) -> object:
    kind = description.type(name)
    if isinstance(kind, Enum):
        return enum_value(kind, text)
    return structure(description, name, text)


def enum_value(kind: Enum, text: str) -> str:
    """Read a word of an enum, in the schema's spelling or in the shell's; open enums keep unknown ones."""
    spelled = kebab(text)
    for value in kind.values:
        if text == value or spelled == kebab(value):
            return value
    if kind.open and text:
        return text
    raise ValueError(f"{text!r} is none of {', '.join(map(kebab, kind.values))}")


def _boolean(text: str, _unit: str | None) -> bool:
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise ValueError(f"{text!r} is neither true nor false")
    return found


def _integer(text: str, unit: str | None) -> int:
    if unit == "bytes":
        return quantities.parse_bytes(text)
    if unit == "seconds":
        seconds = quantities.parse_seconds(text)
        if seconds != int(seconds):
            raise ValueError(f"{text!r} is not a whole number of seconds")
        return int(seconds)
    if len(text) > _MAX_DIGITS or not re.fullmatch(r"[+-]?\d+", text.strip(), re.ASCII):
        raise ValueError(f"{text[:60]!r} is not a whole number")
    return int(text)


def _number(text: str, unit: str | None) -> float:
    if unit == "seconds":
        return quantities.parse_seconds(text)
    if unit == "bytes":
        return quantities.parse_bytes(text)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - a number that is not itself is NaN
        raise ValueError(f"{text[:60]!r} is not a number")
    return value


def _uuid(text: str, _unit: str | None) -> str:
    if not is_id(text):
        raise ValueError(f"{text!r} is not an id (8-4-4-4-12 hexadecimal digits)")
    return text.lower()


def _json(text: str, _unit: str | None) -> object:
    return read_json(text)


def _timestamp(text: str, _unit: str | None) -> str:
    return times.parse_timestamp(text)


def _secret(_text: str, _unit: str | None) -> object:
    raise ValueError("a secret is not given on the command line, where others can read it: give it in a file with --from")


_READERS: Final[dict[str, Callable[[str, str | None], object]]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "uuid": _uuid,
    "json": _json,
    "timestamp": _timestamp,
    "secret": _secret,
}


def read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read strict JSON: no NaN, no duplicate keys. ValueError tells where it fails."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member {next(n for n in names if names.count(n) > 1)!r} is there twice")
    return found


def entry(description: Description, member: Member, text: str) -> tuple[str, object]:
    """Read one ``key=value`` of the map ``member``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{text!r} is not key=value")
    return key, scalar(description, member, value)


def listing(description: Description, member: Member, text: str) -> list[object]:
    """Read a whole list: a JSON array, or plain values with commas between them."""
    if text.lstrip().startswith("["):
        found = read_json(text)
        if not isinstance(found, list):
            raise ValueError(f"{text!r} is not a list")
        return found
    if not is_plain(description, member.type):
        raise ValueError("give the whole list as a JSON array")
    return [scalar(description, member, part) for part in text.split(",") if part]


def is_plain(description: Description, use: TypeUse) -> bool:
    """Whether a value (or entry) of the type is one word: a scalar or an enum."""
    return use.is_scalar or isinstance(description.type(use.name), Enum)


def structure(description: Description, name: str, text: str) -> dict[str, object]:
    """Read a record or union written as ``key=value,...`` or as a JSON object; ``,,`` is a comma in a value."""
    if text.lstrip().startswith("{"):
        found = read_json(text)
        if not isinstance(found, dict):
            raise ValueError(f"{text!r} is not an object")
        return found
    built: dict[str, object] = {}
    for part in _parts(text):
        key, equals, value = part.partition("=")
        _assign(description, TypeUse(name), built, key.split("."), value if equals else "true", key)
    return built


def _parts(text: str) -> Iterator[str]:
    for part in text.replace(",,", "\0").split(","):
        if part:
            yield part.replace("\0", ",")


def _assign(description: Description, use: TypeUse, target: dict[str, object], keys: list[str], text: str, whole: str) -> None:
    kind = description.type(use.name)
    if isinstance(kind, Union):
        _assign_branch(description, kind, target, keys, text, whole)
        return
    if not isinstance(kind, Record):
        raise ValueError(f"{whole!r} goes on below a plain value")  # noqa: TRY004 - the complaint of this module
    member = _find(kind, keys[0], whole)
    if len(keys) == 1:
        target[member.name] = _whole(description, member, text)
    elif member.type.container == "map":
        _below(target, member.name)[".".join(keys[1:])] = scalar(description, member, text)
    elif member.type.container or is_plain(description, member.type):
        raise ValueError(f"{whole!r} goes on below a plain value")
    else:
        _assign(description, member.type, _below(target, member.name), keys[1:], text, whole)


def _assign_branch(description: Description, kind: Union, target: dict[str, object], keys: list[str], text: str, whole: str) -> None:
    """Set what ``keys`` name below a union: a branch first, or the tag, or a member of the branch that is set already."""
    word = kebab(keys[0])
    if word == kebab(kind.discriminator) and len(keys) == 1:
        _set_tag(kind, target, _tag(kind, text, whole), whole)
        return
    tag = next((tag for tag in kind.branches if kebab(tag) == word), None)
    if tag is None and kind.discriminator in target:
        tag = str(target[kind.discriminator])
        keys = ["", *keys]
    if tag is None:
        raise ValueError(f"{whole!r}: {keys[0]!r} is none of {', '.join(map(kebab, kind.branches))}")
    _set_tag(kind, target, tag, whole)
    if len(keys) > 1:
        _assign(description, TypeUse(kind.branches[tag]), target, keys[1:], text, whole)


def _set_tag(kind: Union, target: dict[str, object], tag: str, whole: str) -> None:
    before = target.setdefault(kind.discriminator, tag)
    if before != tag:
        raise ValueError(f"{whole!r}: it is {before} already, it cannot be {tag} too")


def _tag(kind: Union, text: str, whole: str) -> str:
    for tag in kind.branches:
        if kebab(text) == kebab(tag):
            return tag
    raise ValueError(f"{whole!r}: {text!r} is none of {', '.join(map(kebab, kind.branches))}")


def _whole(description: Description, member: Member, text: str) -> object:
    if member.type.container == "list":
        return listing(description, member, text)
    if member.type.container == "map":
        return dict([entry(description, member, text)])
    if not member.type.is_scalar:
        kind = description.type(member.type.name)
        if isinstance(kind, Union) and not text.startswith("{"):
            return {kind.discriminator: _tag(kind, text, member.name)}
    return scalar(description, member, text)


def _find(kind: Record, word: str, whole: str) -> Member:
    for member in kind.members:
        if kebab(member.name) == kebab(word):
            return member
    known = ", ".join(kebab(member.name) for member in kind.members) or "no members"
    raise ValueError(f"{whole!r}: {word!r} is none of {known}")


def _below(target: dict[str, object], name: str) -> dict[str, object]:
    found = target.setdefault(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name!r} is a value and has members at once")  # noqa: TRY004 - the complaint of this module
    return found


def keys_of(description: Description, name: str, prefix: str = "") -> Iterator[tuple[str, Member]]:
    """Yield every dotted key that a structure may have, with its member; for help and completion."""
    kind = description.type(name)
    if isinstance(kind, Union):
        for tag, record in kind.branches.items():
            yield from keys_of(description, record, f"{prefix}{kebab(tag)}.")
    elif isinstance(kind, Record):
        for member in kind.members:
            yield from _member_keys(description, member, prefix + kebab(member.name))


def _member_keys(description: Description, member: Member, key: str) -> Iterable[tuple[str, Member]]:
    if member.type.container or is_plain(description, member.type):
        return [(key, member)]
    kind = description.type(member.type.name)
    bare = [(key, member)] if isinstance(kind, Union) and _has_bare_branch(description, kind) else []
    return [*bare, *keys_of(description, member.type.name, key + ".")]


def _has_bare_branch(description: Description, kind: Union) -> bool:
    return any(not description.record(record).members for record in kind.branches.values())
