"""Values in, octets out (AMQP 1.0 part 1), in the shortest of the forms that a type has."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Final

from libvdsm.wire.amqp.values import Array, Byte, Char, Decimal, Described, Float, Int, Short, Symbol, Timestamp, UByte, UInt, ULong, UShort

_LONG: Final = 2**63
_BYTE: Final = 256


def _encode_bool(value: object) -> bytes:
    return b"\x41" if value else b"\x42"


def encode_uint(value: int) -> bytes:
    """An uint, as short as it can be."""
    if value < _BYTE:
        return b"\x52%c" % value if value else b"\x43"
    return struct.pack(">BI", 0x70, value)


def encode_ulong(value: int) -> bytes:
    """An ulong, as short as it can be."""
    if value < _BYTE:
        return b"\x53%c" % value if value else b"\x44"
    return struct.pack(">BQ", 0x80, value)


def _encode_int(value: int) -> bytes:
    if not -_LONG <= value < _LONG:
        return encode_ulong(value)
    return struct.pack(">Bb", 0x55, value) if -128 <= value < 128 else struct.pack(">Bq", 0x81, value)  # noqa: PLR2004 - one octet


def encode_binary(value: bytes) -> bytes:
    """A binary."""
    return b"\xa0%c%b" % (len(value), value) if len(value) < _BYTE else struct.pack(">BI", 0xB0, len(value)) + value


def encode_text(value: str) -> bytes:
    """A string."""
    octets = value.encode("utf-8", "replace")
    return b"\xa1%c%b" % (len(octets), octets) if len(octets) < _BYTE else struct.pack(">BI", 0xB1, len(octets)) + octets


def encode_symbol(value: str) -> bytes:
    """A symbol; what is not ASCII becomes a question mark."""
    octets = value.encode("ascii", "replace")
    return b"\xa3%c%b" % (len(octets), octets) if len(octets) < _BYTE else struct.pack(">BI", 0xB3, len(octets)) + octets


def encode_items(items: list[bytes], *, is_map: bool = False) -> bytes:
    """A list, or a map, of values that are encoded already."""
    octets = b"".join(items)
    if not items and not is_map:
        return b"\x45"
    if len(octets) < _BYTE - 1 and len(items) < _BYTE:
        return b"%c%c%c%b" % (0xC1 if is_map else 0xC0, len(octets) + 1, len(items), octets)
    return struct.pack(">BII", 0xD1 if is_map else 0xD0, len(octets) + 4, len(items)) + octets


def _encode_list(value: list[object]) -> bytes:
    return encode_items([encode(each) for each in value])


def _encode_map(value: dict[object, object]) -> bytes:
    return encode_items([encode(each) for pair in value.items() for each in pair], is_map=True)


def _encode_described(value: Described) -> bytes:
    return b"\x00" + encode(value.descriptor) + encode(value.value)


def _encode_array(value: Array) -> bytes:
    if not value.items:
        return struct.pack(">BIIB", 0xF0, 5, 0, value.code or 0x40)
    head, bodies = b"", []
    for each in value.items:
        item, head = each, b""
        while isinstance(item, Described):
            head += b"\x00" + encode(item.descriptor)
            item = item.value
        code, body = _widest(item)
        head += b"%c" % code
        bodies.append(body)
    octets = head + b"".join(bodies)
    return struct.pack(">BII", 0xF0, len(octets) + 4, len(value.items)) + octets


def _with_length(octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + octets


#: Of each type the constructor that can say all its values, and how; arrays need one for all.
_WIDEST: Final[dict[type, tuple[int, Callable[..., bytes]]]] = {
    type(None): (0x40, lambda _value: b""),
    bool: (0x56, lambda value: b"\x01" if value else b"\x00"),
    UByte: (0x50, struct.Struct(">B").pack),
    UShort: (0x60, struct.Struct(">H").pack),
    UInt: (0x70, struct.Struct(">I").pack),
    ULong: (0x80, struct.Struct(">Q").pack),
    Byte: (0x51, struct.Struct(">b").pack),
    Short: (0x61, struct.Struct(">h").pack),
    Int: (0x71, struct.Struct(">i").pack),
    int: (0x81, struct.Struct(">q").pack),
    Float: (0x72, struct.Struct(">f").pack),
    float: (0x82, struct.Struct(">d").pack),
    Char: (0x73, lambda value: struct.pack(">I", ord(value))),
    Timestamp: (0x83, struct.Struct(">q").pack),
    uuid.UUID: (0x98, lambda value: value.bytes),
    bytes: (0xB0, _with_length),
    str: (0xB1, lambda value: _with_length(value.encode())),
    Symbol: (0xB3, lambda value: _with_length(value.encode("ascii"))),
    Array: (0xF0, lambda value: _encode_array(value)[1:]),
}


def _widest(value: object) -> tuple[int, bytes]:
    found = _WIDEST.get(type(value))
    if found is not None:
        return found[0], found[1](value)
    if isinstance(value, Decimal):
        return _DECIMALS[len(value)], bytes(value)
    if isinstance(value, list | dict):
        items = value if isinstance(value, list) else [each for pair in value.items() for each in pair]
        octets = b"".join(encode(each) for each in items)
        return 0xD0 if isinstance(value, list) else 0xD1, struct.pack(">II", len(octets) + 4, len(items)) + octets
    raise TypeError(type(value).__name__)


_DECIMALS: Final = {4: 0x74, 8: 0x84, 16: 0x94}


def _encode_fixed(value: object) -> bytes:
    code, octets = _widest(value)
    return b"%c%b" % (code, octets)


_WRITERS: Final[dict[type, Callable[..., bytes]]] = {
    type(None): lambda _value: b"\x40",
    bool: _encode_bool,
    int: _encode_int,
    str: encode_text,
    bytes: encode_binary,
    Symbol: encode_symbol,
    UInt: encode_uint,
    ULong: encode_ulong,
    list: _encode_list,
    dict: _encode_map,
    Described: _encode_described,
    Array: _encode_array,
}


def encode(value: object) -> bytes:
    """A value's octets. Raises ``TypeError`` for what has no type here."""
    return _WRITERS.get(type(value), _encode_fixed)(value)
