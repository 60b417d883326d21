"""Types: what is written is read again, and whatever else is read ends in one error, soon."""

from __future__ import annotations

import struct
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.wire.amqp import decoding, encoding
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import (
    Array,
    Byte,
    Char,
    Decimal,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300)
_SIMPLE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2**8 - 1).map(UByte),
    st.integers(0, 2**16 - 1).map(UShort),
    st.integers(0, 2**32 - 1).map(UInt),
    st.integers(0, 2**64 - 1).map(ULong),
    st.integers(-(2**7), 2**7 - 1).map(Byte),
    st.integers(-(2**15), 2**15 - 1).map(Short),
    st.integers(-(2**31), 2**31 - 1).map(Int),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Timestamp),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(Float),
    st.characters(exclude_categories=["Cs"]).map(Char),
    st.sampled_from([4, 8, 16]).flatmap(lambda octets: st.binary(min_size=octets, max_size=octets)).map(Decimal),
    st.uuids(),
    st.binary(max_size=300),
    _TEXT,
    st.text(alphabet=st.characters(max_codepoint=127), max_size=300).map(Symbol),
)
_VALUES = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(_TEXT, inner, max_size=5),
        st.builds(Described, st.integers(0, 2**64 - 1).map(ULong), inner),
    ),
    max_leaves=20,
)


def _with_types(value: object) -> object:
    """The same with all types written down, since 1 is equal to UInt(1)."""
    if isinstance(value, list):
        return [_with_types(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_types(each) for key, each in value.items()}
    if isinstance(value, Array):
        return tuple(_with_types(each) for each in value.items)
    if isinstance(value, Described):
        return (_with_types(value.descriptor), _with_types(value.value))
    return (type(value).__name__, value)


@given(_VALUES)
def test_am_022_every_type_comes_back_as_it_was(value: object) -> None:
    octets = encoding.encode(value)
    found, end = decoding.decode(octets)
    assert end == len(octets)
    assert _with_types(found) == _with_types(value)
    assert decoding.skip(octets, 0) == end


@given(st.sampled_from([UInt, Symbol, uuid.UUID, bool, Byte, str]), st.integers(0, 300))
def test_am_022_arrays_of_one_constructor(kind: Any, count: int) -> None:
    item = uuid.UUID(int=1) if kind is uuid.UUID else kind(1)
    octets = encoding.encode(Array((item,) * count))
    found, end = decoding.decode(octets)
    assert end == len(octets)
    assert isinstance(found, Array)
    assert found.items == (item,) * count


def test_am_022_an_array_of_arrays_and_an_array_of_described_values() -> None:
    nested = Array((Array((UInt(1), UInt(2))), Array((UInt(3),))))
    found, _end = decoding.decode(encoding.encode(nested))
    assert _with_types(found) == _with_types(nested)
    described = Array((Described(ULong(5), "a"), Described(ULong(5), "b")))
    found, _end = decoding.decode(encoding.encode(described))
    assert _with_types(found) == _with_types(described)


#: Every constructor of part 1, 1.6, with octets by hand.
_KNOWN: dict[str, object] = {
    "40": None, "41": True, "42": False, "5600": False, "5601": True, "50ff": UByte(255), "60ffff": UShort(65535), "70ffffffff": UInt(2**32 - 1),
    "5207": UInt(7), "43": UInt(0), "80ffffffffffffffff": ULong(2**64 - 1), "5307": ULong(7), "44": ULong(0), "51ff": Byte(-1), "61fffe": Short(-2),
    "71fffffffd": Int(-3), "54fc": Int(-4), "81fffffffffffffffb": -5, "55fa": -6, "723f800000": Float(1), "823ff0000000000000": 1.0,
    "7400000001": Decimal(b"\0\0\0\1"), "840000000000000001": Decimal(b"\0" * 7 + b"\1"), "94" + "00" * 16: Decimal(bytes(16)), "730001f600": Char("\U0001f600"),
    "83ffffffffffffffff": Timestamp(-1), "98" + "01" * 16: uuid.UUID(bytes=b"\1" * 16), "a00161": b"a", "b00000000161": b"a", "a10161": "a", "b10000000161": "a",
    "a30161": Symbol("a"), "b30000000161": Symbol("a"), "45": [], "c0020141": [True], "d0000000050000000141": [True], "c103024142": {True: False},
    "d100000006000000024142": {True: False},
}  # fmt: skip


@pytest.mark.parametrize("octets", _KNOWN)
def test_am_022_every_constructor(octets: str) -> None:
    data = bytes.fromhex(octets)
    found, end = decoding.decode(data)
    assert end == len(data) == decoding.skip(data, 0)
    assert _with_types(found) == _with_types(_KNOWN[octets])


_BROKEN = {
    "no octet": "",
    "an unknown constructor": "3f",
    "a list that claims more octets": "c0ff0141",
    "a list that claims more values": "c002ff41",
    "a list with an octet too many": "c003014141",
    "a list of 2**32 values": "d000000005ffffffff41",
    "a list shorter than its count": "c000",
    "a map with an odd count": "c1020141",
    "a map with a key twice": "c10904a1016141a1016141",
    "a map whose key is a list": "c103024541",
    "an array of 2**32 nothings": "f000000005ffffffff40",
    "an array that is not complete": "e003034100",
    "an array without a constructor": "e00100",
    "an array described for ever": "e0ff01" + "00" * 300,
    "an array of arrays too deep": "f0000000ff00000001" * 60,
    "a text that is none": "a101ff",
    "a symbol that is none": "a301ff",
    "a boolean of 2": "5602",
    "a character beyond all": "73ffffffff",
    "a long binary": "b0ffffffff61",
    "described by nothing": "00",
    "described without end": "0053" + "24" + "00" * 400,
    "too deep": "c0ff01" * 100,
    "too deep, and well formed": "",
}  # fmt: skip


@pytest.mark.parametrize("name", _BROKEN)
def test_am_022_what_is_wrong_is_a_decode_error(name: str) -> None:
    octets = bytes.fromhex(_BROKEN[name])
    if name == "too deep, and well formed":
        octets = b"\x45"
        for _each in range(decoding.DEEPEST + 2):
            octets = struct.pack(">BII", 0xD0, len(octets) + 4, 1) + octets
    with pytest.raises(DecodeError):
        decoding.decode(octets)


@given(st.binary(max_size=200))
def test_am_022_any_octets_are_a_value_or_a_decode_error(octets: bytes) -> None:
    try:
        _value, end = decoding.decode(octets)
    except DecodeError:
        return
    assert 0 < end <= len(octets)


@given(_VALUES, st.data())
def test_am_022_a_value_cut_short_or_changed_is_a_decode_error_or_another_value(value: object, data: st.DataObject) -> None:
    octets = bytearray(encoding.encode(value))
    cut = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(DecodeError):
        decoding.decode(bytes(octets[:cut]))
    octets[cut] = data.draw(st.integers(0, 255))
    try:
        _value, end = decoding.decode(bytes(octets))
    except DecodeError:
        return
    assert 0 < end <= len(octets)
