"""F-26 over JSON, WebSocket, STOMP and AMQP: what is too much is refused at its limit, in constant memory, and costs nobody else anything."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterable, Iterator
from itertools import chain, count, repeat
from typing import Final

import pytest

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.fakes.websocket_peer import BINARY, CONTINUATION, TEXT, frame, hello
from tests.faults.bombs import MOST, in_constant_memory, nested

_KIB: Final = 1024
#: After so many octets it is looked whether the refusal is there.
_LOOK: Final = 16 * _KIB
_GREETING: Final = b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0"
_SEND: Final = b"SEND\ndestination:/topic/news\n"
_AMQP: Final = AMQP_HEADER + b"".join(
    encode_frame(0, each)
    for each in (
        p.Open("bomb"),
        p.Begin(None, 0, 1 << 30, 1 << 30),
        p.Attach("a", 0, role=False, source=p.Source(), target=p.Target("/topic/news"), initial_delivery_count=0),
    )
)


def fragments() -> Iterator[bytes]:
    """A text without an end."""
    return chain([hello(), frame(TEXT, b'"', fin=False)], repeat(frame(CONTINUATION, b"x" * 4096, fin=False)))


def parts() -> Iterator[bytes]:
    """A message without an end."""
    first = encode_frame(0, p.Transfer(0, 0, b"t", 0, more=True), b"\x00\x53\x75\xb0\x7f\xff\xff\xff")
    return chain([_AMQP, first], repeat(encode_frame(0, p.Transfer(0, more=True), bytes(8192))))


def deep_value(depth: int) -> bytes:
    """A message whose annotations are lists in lists."""
    value = b"\x45"
    for _ in range(depth):
        value = b"\xd0" + (len(value) + 4).to_bytes(4, "big") + (1).to_bytes(4, "big") + value
    return b"\x00\x53\x77" + value


BOMBS: Final[dict[str, tuple[Iterable[bytes], bytes]]] = {
    "JSON without an end": (chain([b'{"jsonrpc":"'], repeat(b"x" * 4096)), b'"ParseError"'),
    "JSON 100,000 brackets deep": ([nested(100_000), b"\n"], b'"ParseError"'),
    "JSON of brackets without an end": (repeat(b"[" * 4096), b'"ParseError"'),
    "a batch of 100,000": ([b"[" + b",".join([b"1"] * 100_000) + b"]\n"], b'"error"'),
    "a frame of a WebSocket beyond all bounds": ([hello(), frame(BINARY, b"x", declared=1 << 62)], b"\x88"),
    "fragments of a WebSocket without an end": (fragments(), b"\x88"),
    "a ping of a WebSocket that is too long": ([hello(), frame(9, b"x" * 126)], b"\x88"),
    "a STOMP body beyond all bounds": ([_GREETING, _SEND + b"content-length:99999999999\n\n", b"x" * 100], b"ERROR\n"),
    "a STOMP length of 100,000 digits": ([_GREETING, _SEND + b"content-length:" + b"9" * 100_000 + b"\n\n"], b"ERROR\n"),
    "a STOMP body without an end": (chain([_GREETING, _SEND + b"\n"], repeat(b"x" * 4096)), b"ERROR\n"),
    "a STOMP command without an end": (chain([_GREETING], repeat(b"S" * 4096)), b"ERROR\n"),
    "a STOMP header without an end": (chain([_GREETING, _SEND + b"x:"], repeat(b"x" * 4096)), b"ERROR\n"),
    "STOMP headers without an end": (chain([_GREETING, _SEND], (b"h%d:1\n" % number for number in count())), b"ERROR\n"),
    "STOMP headers before the login": (chain([b"CONNECT\n"], (b"h%d:1\n" % number for number in count())), b"ERROR\n"),
    "an AMQP frame beyond all bounds": ([_AMQP, b"\x7f\xff\xff\xff\x02\0\0\0", b"x" * 100], b"amqp:"),
    "an AMQP open beyond all bounds": ([AMQP_HEADER, b"\x7f\xff\xff\xff\x02\0\0\0", b"x" * 100], b"AMQP"),
    "an AMQP message without an end": (parts(), b"amqp:"),
    "an AMQP value 10,000 lists deep": (
        [_AMQP, encode_frame(0, p.Transfer(0, 0, b"t", 0), deep_value(10_000))],
        b"amqp:",
    ),
    "an AMQP list that says it has 2^31 members": (
        [_AMQP, b"\0\0\0\x16\x02\0\0\0\0\x53\x12\xd0\0\0\0\x06\x7f\xff\xff\xff\x45\x45"],
        b"amqp:",
    ),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """One for all bombs: none may leave anything behind."""
    made = start_vdsmd(tmp_path_factory.mktemp("f26"), hypervisor="simulator:1", listen=None)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_f26_what_is_too_much_is_refused_in_constant_memory(daemon: VdsmdProcess, bomb: str) -> None:
    """The refusal arrives long before all is sent, the memory stays, a ping is answered."""
    sending, wanted = BOMBS[bomb]
    with in_constant_memory(daemon):
        told, sent = b"", 0
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(daemon.socket))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for part in sending:
                    sock.sendall(part)
                    sent += len(part)
                    if sent % _LOOK < len(part) and select.select([sock], [], [], 0)[0]:
                        told += sock.recv(65536)
                    if wanted in told or sent > MOST:
                        break
            with contextlib.suppress(ConnectionResetError):
                while wanted not in told and (data := sock.recv(65536)):
                    told += data
        assert wanted in told, (sent, told[-300:])
        assert sent < MOST
