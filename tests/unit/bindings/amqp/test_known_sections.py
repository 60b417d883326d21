"""What is known again of a message is what decoding it would say, whatever stands there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bindings.amqp import messages
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.amqp import values
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import Symbol, Timestamp, UByte, UInt, ULong

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
    return bytes((0x00, 0x53, code)) + values.encode(value)


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
        members, to, user, ends = messages._decode_properties(payload, 3)
    except DecodeError:
        assert isinstance(first, str)
        return
    if not isinstance(first, str):  # damage may have moved where the section ends
        message, *rest = first
        assert rest == [to, user]
        assert message.expires_at == ends
        assert {name: getattr(message, name) for name in members} == members


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


def test_what_a_reader_does_to_its_message_is_nobody_elses() -> None:
    """The headers of equal messages are not one and the same."""
    payload = section(0x74, {"a": "b"}) + _BODY
    first, second = messages.read(payload, 0.0)[0], messages.read(payload, 0.0)[0]
    assert first.headers == second.headers
    assert first.headers is not second.headers
