"""What is known again of a message is what decoding it would say, whatever stands there."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libvdsm.bindings.amqp import messages
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.amqp import encoding
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import Byte, Int, Short, Symbol, Timestamp, UByte, UInt, ULong, UShort

_TEXTS = st.one_of(st.none(), st.text(max_size=8), st.builds(Symbol, st.text(max_size=4, alphabet="ab")))
_IDS = st.one_of(_TEXTS, st.binary(max_size=4), st.builds(ULong, st.integers(0, 9)), st.uuids(), st.booleans())
_FIELDS = st.tuples(
    _IDS,
    st.one_of(st.none(), st.binary(max_size=4)),
    _TEXTS,
    _TEXTS,
    _TEXTS,
    _IDS,
    _TEXTS,
    _TEXTS,
    st.one_of(st.none(), st.builds(Timestamp, st.integers(0, 9))),
)
_SIMPLE = st.one_of(
    st.text(max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.builds(UInt, st.integers(0, 2**32 - 1)),
    st.builds(Int, st.integers(-(2**31), 2**31 - 1)),
    st.booleans(),
    st.none(),
    st.builds(Symbol, st.text(max_size=4, alphabet="ab")),
    st.uuids(),
)
_BODY = b"\x00\x53\x75\xa0\x01x"


def read(payload: bytes) -> tuple[Message, str | None, bytes | None] | str:
    try:
        return messages.read(payload, 100.0)
    except DecodeError as failure:
        return str(failure)


def forget() -> None:
    messages._known_header.cache_clear()
    messages._known_properties.cache_clear()
    messages._known_headers.cache_clear()


def section(code: int, value: object) -> bytes:
    return bytes((0x00, 0x53, code)) + encoding.encode(value)


@given(_FIELDS, st.integers(0, 9), st.lists(st.tuples(st.integers(3, 60), st.integers(0, 255)), max_size=2))
def test_properties_are_what_they_would_be_decoded_to(fields: tuple[object, ...], count: int, damage: list[tuple[int, int]]) -> None:
    """Right ones and damaged ones, the first time and the second."""
    octets = bytearray(section(0x73, list(fields[:count])))
    for place, octet in damage:
        if place < len(octets):
            octets[place] = octet
    payload = bytes(octets) + _BODY
    forget()
    first = read(payload)
    assert read(payload) == first
    try:
        said, to, user, ends = messages._decode_properties(payload, 3)
    except DecodeError:
        assert isinstance(first, str)
        return
    if not isinstance(first, str):  # damage may have moved where the section ends
        message, *rest = first
        assert rest == [to, user]
        assert message.expires_at == ends
        assert replace(said, body=message.body, amqp=message.amqp, durable=False, expires_at=ends) == message


@given(st.dictionaries(st.text(max_size=4), _SIMPLE, max_size=4), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=2))
def test_headers_are_what_they_would_be_decoded_to(found: dict[str, object], damage: list[tuple[int, int]]) -> None:
    """Those of usual values are read without the decoder, and say the same; of all others nothing is said."""
    octets = bytearray(encoding.encode(found))
    for place, octet in damage:
        if 2 <= place < len(octets):
            octets[place] = octet
    usual = messages._usual_headers(bytes(octets))
    if usual is not None:
        assert dict(usual) == messages._decode_headers(bytes(octets), 0)


def test_usual_headers_need_no_decoder() -> None:
    """Texts, whole numbers of all widths, and constants."""
    numbers = [
        UByte(200),
        UShort(60_000),
        UInt(7),
        UInt(70_000),
        ULong(7),
        ULong(2**63),
        Byte(-1),
        Short(-2),
        Int(-3),
        5,
        2**40,
        Timestamp(9),
    ]
    found = {str(place): value for place, value in enumerate([*numbers, "text", True, False, None, UInt(0), ULong(0)])}
    assert messages._usual_headers(encoding.encode(found)) == {name: messages.text_of(value) for name, value in found.items()}


def test_ids_differ_where_all_else_is_known() -> None:
    """Each message has its own id, time to live and headers, though what it shares is decoded once."""
    told = []
    forget()
    for number in range(3):
        header = section(0x70, [True, UByte(7), UInt(2_000)])
        properties = section(0x73, [f"m-{number}", None, "/queue/a", "subject"])
        message, to, _user = messages.read(header + properties + section(0x74, {"a": "b"}) + _BODY, float(number))
        assert (to, message.subject, message.durable, message.priority, message.headers) == ("/queue/a", "subject", True, 7, {"a": "b"})
        told.append((message.message_id, message.expires_at))
    assert told == [("m-0", 2.0), ("m-1", 3.0), ("m-2", 4.0)]
    assert messages._known_properties.cache_info().hits == 2
    assert messages._known_headers.cache_info().hits == 2


_HEADS = st.lists(st.one_of(st.booleans(), st.integers(0, 12).map(UByte), st.integers(0, 9).map(UInt), st.none()), max_size=6)
_NAMES = st.text(max_size=4)
_VALUES = st.one_of(
    st.text(max_size=4), st.integers(-9, 2**40), st.booleans(), st.none(), st.floats(allow_nan=False), st.binary(max_size=4)
)
_SECTIONS = st.one_of(
    _HEADS.map(lambda fields: section(0x70, fields)),
    st.sampled_from([section(0x71, {}), section(0x78, {}), section(0x76, [1]), section(0x77, [1])]),
    st.sampled_from(["x-opt-a", f"{messages.OWN}user", "a" * 300]).map(lambda name: section(0x72, {Symbol(name): "b"})),
    st.sampled_from(["", "t", "ü" * 128, b"", b"t" * 256]).map(lambda value: section(0x77, value)),
    _FIELDS.map(lambda fields: section(0x73, list(fields))),
    st.dictionaries(_NAMES, _VALUES, max_size=3).map(lambda found: section(0x74, found)),
    st.sampled_from([0, 1, 255, 256]).map(lambda octets: section(0x75, b"x" * octets)),
)


@given(st.lists(_SECTIONS, max_size=5), st.booleans(), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=2))
def test_a_usual_message_is_read_as_any_other(pieces: list[bytes], is_sorted: bool, damage: list[tuple[int, int]]) -> None:
    """Whichever way it goes: the same message, or the same complaint that ends the same."""
    if is_sorted:
        pieces = sorted(pieces, key=lambda piece: piece[2])
    octets = bytearray(b"".join(pieces))
    for place, octet in damage:
        if place < len(octets):
            octets[place] = octet
    forget()
    assert judged(messages.read, bytes(octets)) == judged(messages._read_unusual, bytes(octets))


def judged(way: Callable[..., tuple[Message, str | None, bytes | None]], payload: bytes) -> object:
    try:
        return way(payload, 100.0, "user:alice")
    except DecodeError as failure:
        return str(failure), failure.scope, failure.condition


def test_what_a_reader_does_to_its_message_is_nobody_elses() -> None:
    """The headers of equal messages are not one and the same."""
    payload = section(0x74, {"a": "b"}) + _BODY
    first, second = messages.read(payload, 0.0)[0], messages.read(payload, 0.0)[0]
    assert first.headers == second.headers
    assert first.headers is not second.headers
