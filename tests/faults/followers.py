"""Followers of events over every door, for tests of faults: each knows its first words, and finds numbers and tokens in what it hears.

Octets are searched and not parsed: records are JSON in every protocol, and the daemon's WebSocket frames are not masked.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from libvdsm.wire.amqp.values import Described, Symbol
from tests.fakes import websocket_peer

PATIENCE_S: Final = 60.0
_SEQUENCE: Final = re.compile(rb'"sequence":(\d+)')
_RESUME: Final = Symbol("vdsm:resume")
_ROOM: Final = 1 << 31


def json_words(after: bytes | None) -> bytes:
    """A subscription by JSON-RPC."""
    params: dict[str, object] = {"topics": ["vm.#"]} | ({"after": after.decode()} if after else {})
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Event.subscribe", "params": params}).encode()


def stomp_words(after: bytes | None) -> bytes:
    """A greeting and a subscription, without beats."""
    resume = b"resume:%b\n" % after if after else b""
    return b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0SUBSCRIBE\nid:1\ndestination:/topic/vm.#\nreceipt:subscribed\n%b\n\0" % resume


def amqp_words(after: bytes | None) -> bytes:
    """A session without bounds, and a link with all credit."""
    wanted = {_RESUME: Described(_RESUME, after.decode())} if after else None
    frames = (
        p.Open("follower"),
        p.Begin(None, 0, _ROOM - 1, _ROOM - 1),
        p.Attach("events", 0, role=True, source=p.Source("/topic/vm.#", filter=wanted), target=p.Target()),
        p.Flow(0, _ROOM - 1, 0, _ROOM - 1, 0, 0, _ROOM - 1),
    )
    return AMQP_HEADER + b"".join(encode_frame(0, each) for each in frames)


def sse_words(after: bytes | None) -> bytes:
    """A GET that does not end."""
    query = f"?topics={quote('vm.#')}" + (f"&after={quote(after)}" if after else "")
    return f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@dataclass(frozen=True)
class Door:
    """How one protocol is spoken."""

    words: Callable[[bytes | None], bytes]
    begun: bytes  # what is heard once it has subscribed
    token: re.Pattern[bytes]
    sub_protocol: str | None = None  # in a WebSocket
    is_local: bool = False  # over the unix socket

    def first(self, after: bytes | None) -> bytes:
        """What is said."""
        words = self.words(after)
        if self.sub_protocol is None:
            return words + (b"\n" if self.words is json_words else b"")
        kind = websocket_peer.BINARY if self.words is amqp_words else websocket_peer.TEXT
        return websocket_peer.hello(protocols=self.sub_protocol) + websocket_peer.frame(kind, words)


_JSON: Final = re.compile(rb'"resume":"([^"]+)","event"')
_STOMP: Final = re.compile(rb"\nresume:([^\n]+)\n")
_AMQP: Final = re.compile(rb"x-opt-vdsm-resume\xa1.([0-9A-Za-z._:~-]+)", re.DOTALL)
_SSE: Final = re.compile(rb"\nid: ?([^\n]+)\n")
#: What the answer to an attach says, and nothing that came before it.
_ATTACHED: Final = b"\x00\x53\x12"
DOORS: Final = {
    "json": Door(json_words, b'"subscriptionId"', _JSON),
    "json, unix": Door(json_words, b'"subscriptionId"', _JSON, is_local=True),
    "stomp": Door(stomp_words, b"receipt-id:subscribed", _STOMP),
    "amqp": Door(amqp_words, _ATTACHED, _AMQP),
    "sse": Door(sse_words, b"\nretry:", _SSE),
    "json, websocket": Door(json_words, b'"subscriptionId"', _JSON, "jsonrpc"),
    "stomp, websocket": Door(stomp_words, b"receipt-id:subscribed", _STOMP, "v12.stomp"),
    "amqp, websocket": Door(amqp_words, _ATTACHED, _AMQP, "amqp"),
}


class Follower:
    """One subscription to what happens to virtual machines; reads only when it is told to."""

    def __init__(self, door: Door, port: int, path: Path, after: bytes | None = None, buffer: int | None = None) -> None:
        self.door = door
        self._stream = socket.socket(socket.AF_UNIX if door.is_local else socket.AF_INET)
        if buffer is not None:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._stream.settimeout(PATIENCE_S)
        self._stream.connect(str(path) if door.is_local else ("127.0.0.1", port))
        self._stream.sendall(door.first(after))
        self.heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read_until(self, is_enough: Callable[[], bool]) -> None:
        """Read on; that nothing comes any more fails the test."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_enough():
            data = self._stream.recv(1 << 20)
            assert data, f"the line has ended: {self.heard[-300:]!r}"
            assert time.monotonic() < deadline, self.heard[-300:]
            self.heard += data

    def await_begun(self) -> None:
        """Until it has subscribed."""
        self.read_until(lambda: self.door.begun in self.heard)

    def sequences(self) -> list[int]:
        """The numbers of the records that came."""
        return [int(found[1]) for found in _SEQUENCE.finditer(self.heard)]

    def tokens(self) -> list[bytes]:
        """Those that it has got, each of one record."""
        return self.door.token.findall(self.heard)

    def await_token(self) -> None:
        """Until it has heard of one record at least."""
        self.read_until(lambda: bool(self.tokens() and self.sequences()))

    def await_record(self, sequence: int) -> None:
        """Until this one came."""
        wanted = b'"sequence":%d' % sequence
        self.read_until(lambda: wanted in self.heard and self.sequences()[-1] >= sequence)
