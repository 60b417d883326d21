"""The detector: which protocol, from as few octets as can tell."""

from __future__ import annotations

import pytest

from libvdsm.wire.detect import LONGEST_PREFIX, Protocol, Undecided, detect

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI")
# What a client begins with, and how many octets of it tell.
BEGINNINGS = [
    (b'{"jsonrpc"', Protocol.JSON, 1),
    (b"[{", Protocol.JSON, 1),
    (b"  \r\n\t {", Protocol.JSON, 7),
    (b"\n[", Protocol.JSON, 2),
    *((f"{method} / HTTP/1.1\r\n".encode(), Protocol.HTTP, len(method) + 1) for method in METHODS),
    (b"\r\nGET / HTTP/1.1\r\n", Protocol.HTTP, 6),
    (b"CONNECT\naccept-version:1.2\n", Protocol.STOMP, 8),
    (b"CONNECT\r\nhost:x\r\n", Protocol.STOMP, 8),
    (b"\nSTOMP\n", Protocol.STOMP, 7),
    (b"STOMP\r\n", Protocol.STOMP, 6),
    (b"SUBSCRIBE\nid:1\n", Protocol.STOMP, 10),
    (b"AMQP\x03\x01\x00\x00", Protocol.AMQP, 4),
]


@pytest.mark.parametrize(("beginning", "protocol", "needed"), BEGINNINGS)
def test_every_prefix_is_undecided_until_it_tells(beginning: bytes, protocol: Protocol, needed: int) -> None:
    """Octet by octet: more is asked for until the last candidate but one is out, and no longer."""
    for length in range(needed):
        assert detect(beginning[:length]) is Undecided.NEED_MORE
    for length in range(needed, len(beginning) + 1):
        assert detect(beginning[:length]) is protocol


@pytest.mark.parametrize(
    ("garbage", "needed"),
    (
        (b"\x16\x03\x01", 1),
        (b"get / HTTP/1.1", 1),
        (b"GETS ", 4),
        (b"FETCH / HTTP/1.1", 1),
        (b"SSH-2.0", 2),
        (b'"text"', 1),
        (b"\xef\xbb\xbf{}", 1),
        (b"AMQ ", 4),
        (b" AMQP", 2),
        (b"CONNECTED\n", 8),
        (b"\x00", 1),
        (b" GET / HTTP/1.1", 2),
    ),
)
def test_strangers_are_known_at_the_first_octet_that_tells(garbage: bytes, needed: int) -> None:
    """Nothing is waited for once no candidate is left."""
    for length in range(needed):
        assert detect(garbage[:length]) is Undecided.NEED_MORE
    for length in range(needed, len(garbage) + 1):
        assert detect(garbage[:length]) is Undecided.NONE_OF_OURS


def test_blanks_do_not_go_on_for_ever() -> None:
    """Blanks without end are nobody's protocol."""
    assert detect(b" " * (LONGEST_PREFIX - 1)) is Undecided.NEED_MORE
    assert detect(b" " * LONGEST_PREFIX) is Undecided.NONE_OF_OURS


@pytest.mark.parametrize("word", (b'{"a"', b"CONNECT\n", b"GET / HTTP/1.1\r\n"))
@pytest.mark.parametrize("before", range(LONGEST_PREFIX - 6, LONGEST_PREFIX + 2))
def test_it_does_not_depend_on_how_the_octets_come(word: bytes, before: int) -> None:
    """What is none of ours one octet after the other is none of ours all at once."""
    octets = b"\n" * before + word
    pieces = next((found for end in range(len(octets)) if (found := detect(octets[: end + 1])) is not Undecided.NEED_MORE), None)
    assert detect(octets) is pieces
