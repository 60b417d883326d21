"""Octets in, values out (AMQP 1.0 part 1): in time and memory in proportion to the octets, whatever they claim."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Final

from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import Array, Byte, Char, Decimal, Described, Float, Int, Short, Symbol, Timestamp, UByte, UInt, ULong, UShort

#: Lists, maps, arrays and descriptors may stand this deep in each other.
DEEPEST: Final = 32
#: Elements of an array that take no octets at all.
_MOST_OF_NOTHING: Final = 1_024

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

# Every reader answers where the next value begins; whoever knows the end compares once. What lies behind the end of the
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
