"""Every fault of a verb's parameters at once, each in the words in which the decoder refuses it.

The decoder (``bridge.validation``) stops at the first fault, as a call may; a plan tells them all. So the parameters
are walked here by the decoder's own types, and each value that has no parts is decoded for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from libvdsm.base.secret import decode_hook
from libvdsm.bridge.validation import ParamsDecoder, as_invalid_params
from libvdsm.interfaces.generated.errors import InvalidParams

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode

#: What stands behind the colon of a member of the generated types.
Kind: TypeAlias = Any

#: More than these are of no help to anybody.
MOST_FAULTS = 100


def find_faults(decode: ParamsDecoder[Any], type: type[Struct], raw: bytes) -> tuple[InvalidParams, ...]:
    """All that is wrong with ``raw``; the first is the one with which the call would be refused."""
    try:
        decode(raw)
    except InvalidParams as first:
        return (first, *_others(first, decode, type, raw))
    return ()


def _others(first: InvalidParams, decode: ParamsDecoder[Any], type: type[Struct], raw: bytes) -> Iterator[InvalidParams]:
    try:
        given = _decode_any(decode.named(raw))
    except (InvalidParams, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    told = {first.path}
    for fault in _walk(type, given, "$"):
        if len(told) >= MOST_FAULTS:
            return
        if fault.path not in told:
            told.add(fault.path)
            yield fault


def _walk(kind: Kind, value: object, path: str) -> Iterator[InvalidParams]:
    """The faults of ``value`` as one of ``kind``, an annotation of the generated types; what is sound is not entered."""
    if next(_alone(kind, value, path), None) is None:
        return
    base, metas = _parts(kind)
    origin: Kind = get_origin(base)
    if origin in (Union, UnionType):
        yield from _choice(kind, value, path)
    elif isinstance(base, type) and issubclass(base, Struct) and isinstance(value, dict):
        yield from _members(base, value, path)
    elif origin is list and isinstance(value, list):
        yield from _alone(Annotated[list[Any], *metas] if metas else list[Any], value, path)
        for place, item in enumerate(value):
            yield from _walk(get_args(base)[0], item, f"{path}[{place}]")
    elif origin is dict and isinstance(value, dict):
        yield from _alone(Annotated[dict[str, Any], *metas] if metas else dict[str, Any], value, path)
        for item in value.values():
            yield from _walk(get_args(base)[1], item, f"{path}[...]")
    else:
        yield from _alone(kind, value, path)


def _parts(kind: Kind) -> tuple[Kind, tuple[Kind, ...]]:
    """The type itself, and its constraints."""
    origin: Kind = get_origin(kind)
    base, *metas = get_args(kind) if origin is Annotated else (kind,)
    return base, tuple(metas)


def _choice(kind: Kind, value: object, path: str) -> Iterator[InvalidParams]:
    """Of an optional value, or of one of several tagged structures."""
    for case in get_args(kind):
        if case not in (NoneType, UnsetType) and _could_be(case, value):
            yield from _walk(case, value, path)
            return
    yield from _alone(kind, value, path)


def _could_be(kind: Kind, value: object) -> bool:
    """Whether ``value`` has the form of ``kind``, so that its faults are inside."""
    base, _ = _parts(kind)
    origin: Kind = get_origin(base)
    if isinstance(base, type) and issubclass(base, Struct) and isinstance(value, dict):
        config = base.__struct_config__
        return config.tag is None or value.get(config.tag_field) == config.tag
    return (origin is list and isinstance(value, list)) or (origin is dict and isinstance(value, dict))


def _members(type: type[Struct], value: Mapping[str, object], path: str) -> Iterator[InvalidParams]:
    known = {field.encode_name: field for field in msgspec.structs.fields(type)}
    tag_field = type.__struct_config__.tag_field
    for name, item in value.items():
        if name in known:
            yield from _walk(known[name].type, item, f"{path}.{name}")
        elif name != tag_field:
            yield InvalidParams(path=f"{path}.{name}", reason=f"Object contains unknown field '{name}'")
    for name, field in known.items():
        if field.required and name not in value:
            yield InvalidParams(path=f"{path}.{name}", reason=f"Object missing required field '{name}'")


def _alone(kind: Kind, value: object, path: str) -> Iterator[InvalidParams]:
    try:
        _decoder(kind).decode(_encode(value))
    except msgspec.ValidationError as error:
        yield as_invalid_params(error, path)


@lru_cache(maxsize=1000)
def _decoder(kind: Kind) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)
