"""AMQP's types (1.0 part 1) and Python's: octets in, values out, and back.

A value that Python has no type for is a subclass of what comes nearest: ``UInt`` is an ``int``, ``Symbol`` a ``str``. A plain
``int`` is a long (or an ulong beyond it), ``float`` a double, ``str`` a string, ``bytes`` a binary. Decoding takes time and
memory in proportion to the octets, whatever they claim.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Final

import msgspec

from libvdsm.wire.amqp.errors import DecodeError

#: Lists, maps, arrays and descriptors may stand this deep in each other.
DEEPEST: Final = 32
#: Elements of an array that take no octets at all.
_MOST_OF_NOTHING: Final = 1_024


class Symbol(str):
    """A word of a constrained domain."""

    __slots__ = ()


class Char(str):
    """One character."""

    __slots__ = ()


class UByte(int):
    """Eight bits without a sign."""

    __slots__ = ()


class UShort(int):
    """Sixteen bits without a sign."""

    __slots__ = ()


class UInt(int):
    """Thirty-two bits without a sign."""

    __slots__ = ()


class ULong(int):
    """Sixty-four bits without a sign."""

    __slots__ = ()


class Byte(int):
    """Eight bits."""

    __slots__ = ()


class Short(int):
    """Sixteen bits."""

    __slots__ = ()


class Int(int):
    """Thirty-two bits."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970 in UTC."""

    __slots__ = ()


class Float(float):
    """A float of thirty-two bits."""

    __slots__ = ()


class Decimal(bytes):
    """A decimal of 4, 8 or 16 octets, as IEEE 754 encodes it; nobody calculates with it here."""

    __slots__ = ()


class Described(msgspec.Struct, frozen=True):
    """A value with a descriptor."""

    descriptor: object
    value: object


class Array(msgspec.Struct, frozen=True):
    """Values that have one constructor."""

    items: tuple[object, ...]
    code: int = 0  # the elements' constructor, as it was received; 0: of the first element


_Reader = Callable[[bytes, int, int], tuple[object, int]]

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from
_u64 = struct.Struct(">Q").unpack_from
_i8 = struct.Struct(">b").unpack_from
_i16 = struct.Struct(">h").unpack_from
_i32 = struct.Struct(">i").unpack_from
_i64 = struct.Struct(">q").unpack_from
_f32 = struct.Struct(">f").unpack_from
_f64 = struct.Struct(">d").unpack_from

# Reading. Every reader answers where the next value begins; whoever knows the end compares once. What lies behind the end of the
# octets raises IndexError or struct.error, or shortens a slice, which that comparison sees as well.


def _constant(value: object) -> _Reader:
    def read(_data: bytes, position: int, _depth: int) -> tuple[object, int]:
        return value, position

    return read


def _number(unpack: Callable[[bytes, int], tuple[object, ...]], octets: int, make: Callable[..., object] | None) -> _Reader:
    if make is None:

        def read_plain(data: bytes, position: int, _depth: int) -> tuple[object, int]:
            return unpack(data, position)[0], position + octets

        return read_plain

    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        return make(unpack(data, position)[0]), position + octets

    return read


def _octet(make: Callable[[int], object]) -> _Reader:
    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        return make(data[position]), position + 1

    return read


def _small_signed(make: Callable[[int], object]) -> _Reader:
    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        return make(_i8(data, position)[0]), position + 1

    return read


def _fixed(octets: int, make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        end = position + octets
        if end > len(data):
            raise DecodeError("a value is not complete")
        return make(data[position:end]), end

    return read


def _variable(width: int, make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, position: int, _depth: int) -> tuple[object, int]:
        start = position + width
        end = start + (data[position] if width == 1 else _u32(data, position)[0])
        if end > len(data):
            raise DecodeError("a value is not complete")
        return make(data[start:end]), end

    return read


def _text(octets: bytes) -> str:
    return octets.decode()


def _symbol(octets: bytes) -> Symbol:
    return Symbol(octets.decode("ascii"))


def _same(octets: bytes) -> bytes:
    return bytes(octets)


def _boolean(octet: int) -> bool:
    if octet > 1:
        raise DecodeError("a boolean is neither 0 nor 1")
    return octet == 1


def _character(data: bytes, position: int, _depth: int) -> tuple[object, int]:
    return Char(chr(_u32(data, position)[0])), position + 4


def _uuid(octets: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=bytes(octets))


def _bounds(data: bytes, position: int, width: int) -> tuple[int, int, int]:
    """Where a compound begins and ends, and how many values it claims to have."""
    if width == 1:
        size, count = data[position], data[position + 1]
    else:
        size, count = _u32(data, position)[0], _u32(data, position + 4)[0]
    end = position + width + size
    if size < width or end > len(data):
        raise DecodeError("the size of a compound value is wrong")
    return position + 2 * width, end, count


def _compound(width: int) -> _Reader:
    def read(data: bytes, position: int, depth: int) -> tuple[object, int]:
        start, end, count = _bounds(data, position, width)
        return _items(data, start, end, count, depth + 1), end

    return read


_NULL: Final = 0x40
_STR8: Final = 0xA1


def _items(data: bytes, position: int, end: int, count: int, depth: int, readers: list[_Reader] | None = None) -> list[object]:
    if count > end - position or depth > DEEPEST:
        raise DecodeError("a list with too many values, or too deep")
    items: list[object] = []
    readers = readers or _READERS
    for _each in range(count):
        code = data[position]
        if code == _NULL:
            items.append(None)
            position += 1
        elif code == _STR8:  # the commonest, without a call
            start = position + 2
            position = start + data[position + 1]
            items.append(data[start:position].decode())
        else:
            item, position = readers[code](data, position + 1, depth)
            items.append(item)
    if position != end:
        raise DecodeError("the size of a list is not that of its values")
    return items


def _map(width: int) -> _Reader:
    def read(data: bytes, position: int, depth: int) -> tuple[object, int]:
        start, end, count = _bounds(data, position, width)
        if count & 1:
            raise DecodeError("a map with a key that has no value")
        items = _items(data, start, end, count, depth + 1)
        try:
            pairs = dict(zip(items[::2], items[1::2], strict=True))
        except TypeError:
            raise DecodeError("a key of a map is no simple value") from None
        if 2 * len(pairs) != count:
            raise DecodeError("a key occurs twice in a map")
        return pairs, end

    return read


def _array(width: int) -> _Reader:
    def read(data: bytes, position: int, depth: int) -> tuple[object, int]:
        position, end, count = _bounds(data, position, width)
        depth += 1
        if depth > DEEPEST:
            raise DecodeError("an array too deep in others")
        descriptors: list[object] = []
        while data[position] == 0:
            if len(descriptors) >= DEEPEST:
                raise DecodeError("an array of values described too often")
            descriptor, position = _READERS[data[position + 1]](data, position + 2, depth)
            descriptors.append(descriptor)
        code = data[position]
        position += 1
        if count > max(end - position, _MOST_OF_NOTHING):
            raise DecodeError("an array with too many values")
        reader, items = _READERS[code], []
        for _each in range(count):
            item, position = reader(data, position, depth)
            if position > end:
                raise DecodeError("an array is not complete")
            for descriptor in reversed(descriptors):
                item = Described(descriptor, item)
            items.append(item)
        if position != end:
            raise DecodeError("the size of an array is not that of its values")
        return Array(tuple(items), code), end

    return read


def _described(data: bytes, position: int, depth: int) -> tuple[object, int]:
    if depth >= DEEPEST:
        raise DecodeError("a value described too often")
    descriptor, position = _READERS[data[position]](data, position + 1, depth + 1)
    value, position = _READERS[data[position]](data, position + 1, depth + 1)
    return Described(descriptor, value), position


def _unknown(_data: bytes, _position: int, _depth: int) -> tuple[object, int]:
    raise DecodeError("a constructor that nobody knows")


def _empty_list(_data: bytes, position: int, _depth: int) -> tuple[object, int]:
    return [], position


_READERS: Final[list[_Reader]] = [_unknown] * 256
for _code, _reader in {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(UInt(0)),
    0x44: _constant(ULong(0)),
    0x45: _empty_list,
    0x50: _octet(UByte),
    0x51: _number(_i8, 1, Byte),
    0x52: _octet(UInt),
    0x53: _octet(ULong),
    0x54: _small_signed(Int),
    0x55: _number(_i8, 1, None),
    0x56: _octet(_boolean),
    0x60: _number(_u16, 2, UShort),
    0x61: _number(_i16, 2, Short),
    0x70: _number(_u32, 4, UInt),
    0x71: _number(_i32, 4, Int),
    0x72: _number(_f32, 4, Float),
    0x73: _character,
    0x74: _fixed(4, Decimal),
    0x80: _number(_u64, 8, ULong),
    0x81: _number(_i64, 8, None),
    0x82: _number(_f64, 8, None),
    0x83: _number(_i64, 8, Timestamp),
    0x84: _fixed(8, Decimal),
    0x94: _fixed(16, Decimal),
    0x98: _fixed(16, _uuid),
    0xA0: _variable(1, _same),
    0xA1: _variable(1, _text),
    0xA3: _variable(1, _symbol),
    0xB0: _variable(4, _same),
    0xB1: _variable(4, _text),
    0xB3: _variable(4, _symbol),
    0xC0: _compound(1),
    0xC1: _map(1),
    0xD0: _compound(4),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}.items():
    _READERS[_code] = _reader

#: The same with plain numbers and words: of the fields of a performative the types are known.
_PLAIN: Final[list[_Reader]] = list(_READERS)
for _code, _reader in {
    0x43: _constant(0),
    0x44: _constant(0),
    0x50: _octet(int),
    0x52: _octet(int),
    0x53: _octet(int),
    0x60: _number(_u16, 2, None),
    0x70: _number(_u32, 4, None),
    0x80: _number(_u64, 8, None),
}.items():
    _PLAIN[_code] = _reader

#: What Python raises about octets that end too early or are no text, before anybody compared ends.
FAULTS: Final = (IndexError, struct.error, ValueError, OverflowError)


def decode(data: bytes, position: int = 0) -> tuple[object, int]:
    """The value that begins at ``position``, and where the next one does. Raises ``DecodeError``."""
    try:
        value, end = _READERS[data[position]](data, position + 1, 0)
    except FAULTS as fault:
        raise DecodeError("a value is not complete, or is no text") from fault
    if end > len(data):
        raise DecodeError("a value is not complete")
    return value, end


def decode_list(data: bytes, position: int, end: int) -> tuple[list[object], int]:
    """The values of the list that begins at ``position`` and may reach to ``end``, numbers as plain ones. Raises ``DecodeError``."""
    try:
        code = data[position]
        if code == 0x45:  # noqa: PLR2004 - the empty list
            return [], position + 1
        if code == 0xC0:  # noqa: PLR2004 - list8
            start, stop, count = _bounds(data, position + 1, 1)
        elif code == 0xD0:  # noqa: PLR2004 - list32
            start, stop, count = _bounds(data, position + 1, 4)
        else:
            raise DecodeError("there is no list where one must be")
        if stop > end:
            raise DecodeError("a list is longer than its frame")
        return _items(data, start, stop, count, 1, _PLAIN), stop
    except FAULTS as fault:
        raise DecodeError("a value is not complete, or is no text") from fault


def skip(data: bytes, position: int) -> int:
    """Where the value that begins at ``position`` ends, judged by its constructor alone. Raises ``DecodeError``."""
    try:
        for _each in range(DEEPEST):
            code = data[position]
            if code:
                break
            position = skip(data, position + 1)
        else:
            raise DecodeError("a value described too often")
        width = _WIDTHS.get(code >> 4)
        if width is None:
            raise DecodeError("a constructor that nobody knows")
        position += 1
        if width >= 0:
            position += width
        else:
            position += 1 + data[position] if width == -1 else 4 + _u32(data, position)[0]
    except FAULTS as fault:
        raise DecodeError("a value is not complete") from fault
    if position > len(data):
        raise DecodeError("a value is not complete")
    return position


#: Octets behind a constructor by its first half (part 1, 1.2); -1 and -4: a length of so many octets says it.
_WIDTHS: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16, 0xA: -1, 0xB: -4, 0xC: -1, 0xD: -4, 0xE: -1, 0xF: -4}

# Writing.

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
