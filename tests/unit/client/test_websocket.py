"""The client's side of WebSocket, without a socket; the examples are those of RFC 6455."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.client import ApiError, StreamRefusedError
from libvdsm.client.runtime import wire
from libvdsm.client.runtime.errors import ProtocolError
from libvdsm.client.runtime.websocket import WebSocketWire, apply_mask, encode_frame

KEY = base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: jsonrpc\r\n\r\n"
).encode()


def spoken(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    """A frame of a server."""
    first = bytes([(0x80 if is_last else 0) | opcode])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return first + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return first + b"\x7f" + struct.pack("!Q", len(payload)) + payload


def ready() -> WebSocketWire:
    made = WebSocketWire("host:1", key=KEY)
    made.hello()
    assert made.receive(SWITCHING) == []
    assert made.is_ready
    return made


def test_the_handshake() -> None:
    made = WebSocketWire("host:1", "/there", key=KEY)
    hello = made.hello().decode()
    assert hello.startswith("GET /there HTTP/1.1\r\nHost: host:1\r\n")
    assert "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" in hello
    assert not made.is_ready
    assert made.goodbye() == b""
    for at in range(len(SWITCHING)):
        assert made.receive(SWITCHING[at : at + 1]) == []
    assert made.is_ready


@pytest.mark.parametrize(
    ("old", "new"),
    (
        (ACCEPT, "AAAA"),
        ("jsonrpc", "v12.stomp"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Sec-WebSocket-Extensions: permessage-deflate"),
        ("HTTP/1.1", "SMTP"),
    ),
)
def test_a_handshake_that_is_not_one(old: str, new: str) -> None:
    with pytest.raises(ProtocolError):
        WebSocketWire("host", key=KEY).receive(SWITCHING.replace(old.encode(), new.encode()))


def test_a_handshake_that_never_ends() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        WebSocketWire("host", key=KEY).receive(b"HTTP/1.1 101 " + b"x" * 70_000)


def test_a_refused_handshake_is_told() -> None:
    with pytest.raises(StreamRefusedError, match="403"):
        WebSocketWire("host", key=KEY).receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}")
    body = b'{"error":{"code":1,"message":"no","data":{"error":"PermissionDenied"}}}'
    with pytest.raises(ApiError, match="no"):
        WebSocketWire("host", key=KEY).receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_masking_is_as_in_the_example() -> None:
    assert apply_mask(b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("7f9f4d5158")


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_twice_is_nothing(payload: bytes, mask: bytes) -> None:
    assert apply_mask(apply_mask(payload, mask), mask) == payload


@pytest.mark.parametrize("size", (0, 1, 125, 126, 65535, 65536))
def test_every_length_is_written_masked(size: int) -> None:
    frame = encode_frame(1, b"x" * size)
    assert frame[1] & 0x80
    head = 2 if size < 126 else 4 if size < 65536 else 10
    assert apply_mask(frame[head + 4 :], frame[head : head + 4]) == b"x" * size


@given(st.lists(st.integers(0, 70_000), max_size=4), st.data())
def test_any_split_gives_the_same_messages(sizes: list[int], data: st.DataObject) -> None:
    messages: list[dict[str, Any]] = [{"id": number, "result": "y" * size} for number, size in enumerate(sizes)]
    stream = b"".join(spoken(1, wire.encode(message)) for message in messages)
    made, found = ready(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += made.receive(stream[:size])
        stream = stream[size:]
    assert found == messages


def test_fragments_are_joined_around_a_ping() -> None:
    made = ready()
    said = spoken(1, b'{"id"', is_last=False) + spoken(9, b"there?") + spoken(0, b":1}")
    assert made.receive(said) == [{"id": 1}]
    pong = made.outgoing()
    assert (pong[0], apply_mask(pong[6:], pong[2:6])) == (0x8A, b"there?")
    assert made.outgoing() == b""


def test_a_close_is_answered_once() -> None:
    made = ready()
    assert made.receive(spoken(8, struct.pack("!H", 1001) + b"bye") * 2) == []
    answer = made.outgoing()
    assert (answer[0], apply_mask(answer[6:], answer[2:6])) == (0x88, struct.pack("!H", 1001))
    assert made.goodbye() == b""
    other = ready()
    assert other.goodbye()[0] == 0x88
    assert other.goodbye() == b""


@pytest.mark.parametrize(
    "frame",
    (
        b"\x81\x80\0\0\0\0",  # masked
        b"\xc1\x00",  # compressed, which was not agreed
        b"\x80\x00",  # goes on with nothing
        b"\x83\x00",  # of no known kind
        b"\x09\x00",  # half a ping
        b"\x8b\x00",  # a control frame of no known kind
        b"\x89\x7e\x00\x7e" + b"x" * 126,  # a long ping
        spoken(1, b"{", is_last=False) + spoken(1, b"}"),  # a message within a message
        b"\x81\x7f" + b"\x7f" + b"\xff" * 7,  # longer than anything
        spoken(1, b"nonsense"),
    ),
)
def test_what_is_not_in_the_protocol_is_the_peers_fault(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        ready().receive(frame)
