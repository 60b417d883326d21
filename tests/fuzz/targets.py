"""What is fuzzed: every reader of octets that strangers or a damaged disk choose. Each target is a function of some octets.

A target fails by raising. It takes the protocol's own error for an answer, and asks besides: that there is progress, that the answer
does not depend on how the octets were split, and that what was read can be written and read again where there is a writer.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from libvdsm.base.clock import SystemClock
from libvdsm.bindings.amqp import messages
from libvdsm.bindings.jsonrpc.values import NotACallError, is_batch, read_batch, read_member, read_request
from libvdsm.daemon.config import ConfigError
from libvdsm.daemon.config_reader import read_config
from libvdsm.ipc.frames import FrameError, FrameReader, frame
from libvdsm.journal.database import Database
from libvdsm.journal.failures import StoreError
from libvdsm.journal.opening import open_sound
from libvdsm.journal.place import WAL, Place
from libvdsm.journal.wal import examine, salvage
from libvdsm.wire import strict
from libvdsm.wire.amqp import decoding, encoding, performatives
from libvdsm.wire.amqp.connection import AmqpConnection, State
from libvdsm.wire.amqp.errors import AmqpError
from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from libvdsm.wire.detect import LONGEST_PREFIX, Undecided, detect
from libvdsm.wire.http.connection import HttpConnection, HttpLimits
from libvdsm.wire.http.events import Refused
from libvdsm.wire.jsonstream import Broken as BrokenJson
from libvdsm.wire.jsonstream import JsonStream
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import StompError, StompLimits
from libvdsm.wire.websocket.connection import WebSocketConnection
from libvdsm.wire.websocket.events import Broken as BrokenSocket
from tests.faults.state_on_disk import Content, copy, fill, read_all
from tests.fuzz import requests
from tests.fuzz.indifferent import Indifferent

#: More turns than octets can need.
_TURNS: Final = 64


class Parts(NamedTuple):
    """The same octets, split as their first octet says."""

    whole: bytes
    pieces: list[bytes]


def split(data: bytes) -> Parts:
    """The first octet is how long the pieces are."""
    size, whole = (data[0] % 32 + 1 if data else 1), data[1:]
    return Parts(whole, [whole[at : at + size] for at in range(0, len(whole), size)])


def detector(data: bytes) -> None:
    """What is decided stays decided, and is decided in time."""
    found: object = Undecided.NEED_MORE
    for length in range(min(len(data), LONGEST_PREFIX + 8) + 1):
        now = detect(data[:length])
        assert found is Undecided.NEED_MORE or now is found, (found, now)
        found = now
    assert found is not Undecided.NEED_MORE or len(data) < LONGEST_PREFIX


def json_stream(data: bytes) -> None:
    """The messages do not depend on the split; each is bounded."""
    parts = split(data)
    assert _json(parts.pieces) == _json([parts.whole])


def _json(pieces: list[bytes]) -> list[bytes]:
    """The messages before the first that is broken: how much is passed over behind it depends on what was there to see."""
    stream = JsonStream(longest=256)
    found: list[bytes] = []
    for piece in pieces:
        stream.receive_data(piece)
        for event in stream.events():
            if isinstance(event, BrokenJson):
                return found
            if event:
                assert len(event) <= 257
                found.append(event)
        assert not stream.has_more
    return found


def envelope(data: bytes) -> None:
    """A request, a member or a batch, or ``NotACallError``; what is read as a request is one JSON value."""
    for read in (read_request, read_member):
        with contextlib.suppress(NotACallError):
            read(data)
            assert read is read_member or json.loads(data)["method"] is not None
    with contextlib.suppress(NotACallError):
        if is_batch(data):
            assert all(len(each) <= len(data) for each in read_batch(data, 8))
    if strict.find_fault(data) is None:
        json.loads(data)


def http(data: bytes) -> None:
    """Requests do not depend on the split; after a refusal nothing more comes."""
    parts = split(data)
    whole, pieces = _http([parts.whole]), _http(parts.pieces)
    assert [each for each in pieces if not each.startswith("Refused")] == [each for each in whole if not each.startswith("Refused")]


def _http(pieces: list[bytes]) -> list[str]:
    connection = HttpConnection(HttpLimits(headers=8, head_octets=512, body_octets=256))
    found: list[str] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            if type(event).__name__ == "Upgraded":
                return found  # the rest is another protocol's
            assert not (found and found[-1].startswith("Refused")), "something after a refusal"
            found.append(f"Refused {event.status}" if isinstance(event, Refused) else repr(event))
    return found


def stomp(data: bytes) -> None:
    """Frames do not depend on the split, in all versions, lenient and strict."""
    parts = split(data)
    for version in ("1.0", "1.1", "1.2"):
        for is_strict in (False, True):
            assert _stomp(parts.pieces, version, is_strict) == _stomp([parts.whole], version, is_strict)


def _stomp(pieces: list[bytes], version: str, is_strict: bool) -> list[str]:
    stream = StompStream(limits=StompLimits(headers=8, body_octets=256), is_strict=is_strict)
    found: list[str] = []
    stream.set_rules(version=version, is_strict=is_strict)
    try:
        for piece in pieces:
            stream.receive_data(piece)
            found.extend(map(repr, stream.events()))  # what came before an error counts
    except StompError:
        found.append("error")
    return found


def websocket(data: bytes) -> None:
    """Messages do not depend on the split."""
    parts = split(data)
    assert _websocket(parts.pieces) == _websocket([parts.whole])


def _websocket(pieces: list[bytes]) -> list[str]:
    connection = WebSocketConnection(longest=256)
    found: list[str] = []
    for piece in pieces:
        connection.receive_data(piece)
        found += [f"Broken {each.code}" if isinstance(each, BrokenSocket) else repr(each) for each in connection.events()]
        assert not connection.has_more
    return found


def amqp_values(data: bytes) -> None:
    """What is read can be written and read again; what is skipped is as long as what is read."""
    try:
        value, end = decoding.decode(data)
    except AmqpError:
        return
    assert 0 < end <= len(data)
    assert decoding.skip(data, 0) == end
    written = encoding.encode(value)
    assert encoding.encode(decoding.decode(written)[0]) == written


def amqp(data: bytes) -> None:
    """A conversation after its open: it goes on or ends by one close; and a message."""
    parts = split(data)
    out: list[bytes] = []
    connection = AmqpConnection(Indifferent(), out.append)
    for piece in (AMQP_HEADER + encode_frame(0, performatives.Open("fuzz")), *parts.pieces):
        connection.receive_data(piece)
        turns = 0
        while connection.has_more:
            connection.work(50)
            turns += 1
            assert turns < _TURNS + len(data), "no progress"
    assert connection.state is not State.OVER or out
    with contextlib.suppress(AmqpError):
        messages.read(parts.whole, 0)


def ipc(data: bytes) -> None:
    """Frames do not depend on the split; written, they are read again."""
    parts = split(data)
    found = [_ipc(each) for each in ([parts.whole], parts.pieces)]
    assert found[0] == found[1]
    assert list(FrameReader().receive(frame(parts.whole))) == [parts.whole]


def _ipc(pieces: list[bytes]) -> list[bytes]:
    reader = FrameReader()
    found: list[bytes] = []
    with contextlib.suppress(FrameError):
        for piece in pieces:
            found.extend(reader.receive(piece))  # what came before an error counts
    return found


def journal(data: bytes) -> None:
    """A write-ahead log with some octets replaced, and perhaps cut: the store has all that was acknowledged, or is refused."""
    template, folder = _template(), _scratch() / "store"
    log = bytearray((template.folder / WAL).read_bytes())
    for at in range(2, len(data) - 2, 3):
        log[int.from_bytes(data[at : at + 2], "big") * 7 % len(log)] = data[at + 2]
    cut = int.from_bytes(data[:2], "big") % len(log) if data[:1] > b"\x80" else 0
    octets = bytes(log[: len(log) - cut])
    report = examine(octets)
    assert report.committed_octets <= max(len(octets), 32)
    assert len(salvage(octets)) <= len(octets) // 512
    copy(template.folder, folder)
    (folder / WAL).write_bytes(octets)
    with contextlib.suppress(StoreError):
        assert read_all(folder) == template.content


class _Template(NamedTuple):
    folder: Path
    content: Content


@functools.cache
def _scratch() -> Path:
    """A folder of this process, in memory if there is such a place."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="vdsm-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _template() -> _Template:
    """A store as a daemon that was killed leaves it, and what is in it."""
    live, folder, read = (_scratch() / name for name in ("live", "template", "read"))
    live.mkdir()
    place, clock = Place.at(live), SystemClock()
    database = Database(open_sound(place, clock), place, clock)
    fill(database, 12)
    copy(live, folder)
    database.close()
    log = (folder / WAL).read_bytes()
    (folder / WAL).write_bytes(log[: examine(log).committed_octets])
    copy(folder, read)
    return _Template(folder, read_all(read))


def config(data: bytes) -> None:
    """A configuration, or ``ConfigError``."""
    file = _scratch() / "vdsmd.toml"
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        read_config(["--config", str(file)])


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "detector": detector,
    "json-stream": json_stream,
    "envelope": envelope,
    "http": http,
    "stomp": stomp,
    "websocket": websocket,
    "amqp": amqp,
    "amqp-values": amqp_values,
    "ipc": ipc,
    "journal": journal,
    "config": config,
    "http-ranges": requests.http_ranges,
    "websocket-handshake": requests.websocket_handshake,
    "queries": requests.queries,
    "names": requests.names,
    "stomp-headers": requests.stomp_headers,
}
