"""AMQP 1.0 against a real daemon: over TLS with certificates and tokens, in plain, on the unix socket, in a WebSocket (AM-010, AM-102, AM-103)."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, SASL_HEADER, FrameStream, encode_frame
from tests.daemon_process import start_vdsmd
from tests.fakes.amqp_peer import body_of, message
from tests.secure import LISTEN, Files, Secured

T = TypeVar("T")
_TIMEOUT_S = 60.0


class Wire:
    """A client that waits; ``send`` and ``receive`` are those of whatever carries the octets."""

    def __init__(self, send: Callable[[bytes], object], receive: Callable[[], bytes]) -> None:
        self.send = send
        self._receive = receive
        self.stream = FrameStream()
        self.stream.largest = 1 << 20

    def header(self) -> bytes | None:
        while (found := self.stream.take_header() if self.stream.has_more else None) is None:
            data = self._receive()
            if not data:
                return None
            self.stream.receive(data)
        return found

    def until(self, kind: type[T]) -> tuple[T, bytes]:
        """The next performative of this kind, and its payload."""
        stream = self.stream
        while True:
            while not stream.next():
                data = self._receive()
                assert data, f"the end, before {kind.__name__}"
                stream.receive(data)
            if stream.body == stream.end:
                continue
            found, after = p.decode(stream.data, stream.body, stream.end)
            if isinstance(found, kind):
                return found, stream.data[after : stream.end]

    def log_in(self, mechanism: str, response: bytes) -> tuple[tuple[str, ...], int]:
        """What was offered, and the outcome."""
        self.send(SASL_HEADER)
        assert self.header() == SASL_HEADER
        offered, _none = self.until(p.SaslMechanisms)
        self.send(encode_frame(0, p.SaslInit(mechanism, response), kind=1))
        outcome, _none = self.until(p.SaslOutcome)
        return offered.mechanisms, outcome.code

    def open(self) -> None:
        self.send(AMQP_HEADER + encode_frame(0, p.Open("test")) + encode_frame(0, p.Begin(None, 0, 1_000, 1_000)))
        assert self.header() == AMQP_HEADER
        self.until(p.Begin)

    def call(self, method: str, params: dict[str, object] | None = None) -> dict[str, Any]:
        """A request through a dynamic node."""
        frames: list[Any] = [
            p.Attach("replies", 1, role=True, source=p.Source(dynamic=True), target=p.Target()),
            p.Flow(0, 1_000, 0, 1_000, 1, 0, 10),
            p.Attach("requests", 0, role=False, source=p.Source(), target=p.Target("/exchange/requests"), initial_delivery_count=0),
        ]
        self.send(b"".join(encode_frame(0, each) for each in frames))
        replies, _none = self.until(p.Attach)
        assert replies.source is not None
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})
        request = message(body, properties=["1", None, None, None, replies.source.address, "c"])
        self.send(encode_frame(0, p.Transfer(0, 0, b"t", 0), request))
        _transfer, payload = self.until(p.Transfer)
        found: dict[str, Any] = json.loads(body_of(payload))
        return found


_OPEN: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def over(sock: socket.socket) -> Wire:
    _OPEN.append(sock)
    sock.settimeout(_TIMEOUT_S)

    def receive() -> bytes:
        return sock.recv(65_536)

    return Wire(sock.sendall, receive)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder: Path = tmp_path_factory.mktemp("amqp")
    daemon = start_vdsmd(folder / "daemon", *LISTEN, listen=None)
    try:
        yield Secured(daemon, folder)
    finally:
        daemon.stop()


def tls(secured: Secured, files: Files | None = None) -> Wire:
    assert secured.daemon.port is not None
    raw = socket.create_connection(("127.0.0.1", secured.daemon.port), timeout=_TIMEOUT_S)
    return over(secured.context(files).wrap_socket(raw, server_hostname="127.0.0.1"))


def local(secured: Secured) -> Wire:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(secured.daemon.socket))
    return over(sock)


def test_am_010_external_with_a_client_certificate(secured: Secured) -> None:
    files = secured.issue("carol", "--role", "operator")
    wire = tls(secured, files)
    assert wire.log_in("EXTERNAL", b"") == (("EXTERNAL", "PLAIN"), 0)
    wire.open()
    assert wire.call("Identity.whoAmI")["result"]["source"] == "certificate"


def test_am_010_external_on_the_unix_socket_and_without_a_login(secured: Secured) -> None:
    wire = local(secured)
    assert wire.log_in("EXTERNAL", b"")[1] == 0
    wire.open()
    assert wire.call("Identity.whoAmI")["result"]["source"] == "unix"
    bare = local(secured)
    bare.open()
    assert len(bare.call("VM.list")["result"]["items"]) == 3


def test_am_010_plain_with_a_token_over_tls_and_nothing_without(secured: Secured) -> None:
    admin = local(secured)
    admin.open()
    made = admin.call("Identity.createToken", {"label": "amqp"})["result"]
    wire = tls(secured)
    assert wire.log_in("PLAIN", b"\0token\0" + made["token"].encode()) == (("PLAIN",), 0)
    wire.open()
    assert wire.call("Host.ping")["result"] is not None
    wrong = tls(secured)
    assert wrong.log_in("PLAIN", b"\0token\0wrong-wrong-wrong-wrong") == (("PLAIN",), 1)
    bare = tls(secured)
    bare.send(AMQP_HEADER)
    assert bare.header() == SASL_HEADER
    assert bare.header() is None


def test_am_103_a_connection_ends_with_its_token_and_says_so(secured: Secured) -> None:
    admin = local(secured)
    admin.open()
    made = admin.call("Identity.createToken", {"label": "amqp"})["result"]
    wire = tls(secured)
    assert wire.log_in("PLAIN", b"\0\0" + made["token"].encode())[1] == 0
    wire.open()
    secured.shell("identity", "revoke-token", made["tokenId"])
    close, _none = wire.until(p.Close)
    assert close.error is not None
    assert close.error.condition == "amqp:connection:forced"


@pytest.fixture(scope="module")
def anybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a daemon that asks nobody who he is."""
    daemon = start_vdsmd(tmp_path_factory.mktemp("anybody") / "daemon")
    try:
        assert daemon.port is not None
        yield daemon.port
    finally:
        daemon.stop()


def test_am_010_in_plain_anybody_where_it_is_allowed(anybodys: int) -> None:
    wire = over(socket.create_connection(("127.0.0.1", anybodys)))
    assert wire.log_in("ANONYMOUS", b"me") == (("ANONYMOUS",), 0)
    wire.open()
    assert len(wire.call("VM.list")["result"]["items"]) == 3


def test_am_102_in_a_websocket(anybodys: int) -> None:
    with connect_websocket(f"ws://127.0.0.1:{anybodys}/ws", subprotocols=[Subprotocol("amqp")], compression=None) as websocket:
        assert websocket.subprotocol == "amqp"

        def receive() -> bytes:
            data = websocket.recv(timeout=_TIMEOUT_S)
            assert isinstance(data, bytes)
            return data

        wire = Wire(websocket.send, receive)
        assert wire.log_in("ANONYMOUS", b"")[1] == 0
        wire.open()
        assert len(wire.call("VM.list")["result"]["items"]) == 3


_FATAL = {
    "a frame that is too short": (struct.pack(">IBBH", 7, 2, 0, 0), "amqp:connection:framing-error"),
    "a frame that is too long": (struct.pack(">IBBH", 1 << 31, 2, 0, 0), "amqp:connection:framing-error"),
    "no performative": (struct.pack(">IBBH", 12, 2, 0, 0) + bytes((255,) * 4), "amqp:decode-error"),
    "a second open": (encode_frame(0, p.Open("again")), "amqp:illegal-state"),
}


@pytest.mark.parametrize("name", _FATAL)
def test_am_100_the_close_reaches_a_peer_that_still_sends(anybodys: int, name: str) -> None:
    """Half a megabyte behind the fault: the reason is read all the same, and nothing behind it."""
    octets, condition = _FATAL[name]
    wire = over(socket.create_connection(("127.0.0.1", anybodys)))
    wire.open()
    with contextlib.suppress(OSError):
        wire.send(octets)
        for _ in range(25):
            wire.send(bytes(20_000))
    close, _none = wire.until(p.Close)
    assert close.error is not None
    assert close.error.condition == condition
    assert close.error.description


def test_am_100_links_end_with_their_queue_whoever_deletes_it(anybodys: int) -> None:
    """One by which is sent, and one by which is received; the connection goes on."""
    wire, other = (over(socket.create_connection(("127.0.0.1", anybodys))) for _ in range(2))
    for each in (wire, other):
        each.open()
    assert other.call("Queue.create", {"name": "brief"})["result"]["id"] == "brief"
    ends: list[p.Attach] = [
        p.Attach("to", 5, role=False, source=p.Source(), target=p.Target("/queue/brief"), initial_delivery_count=0),
        p.Attach("from", 6, role=True, source=p.Source("/queue/brief"), target=p.Target()),
    ]
    for end in ends:
        wire.send(encode_frame(0, end))
        wire.until(p.Attach)
    admin = over(socket.create_connection(("127.0.0.1", anybodys)))
    admin.open()
    assert "result" in admin.call("Queue.delete", {"queueId": "brief"})
    told = [wire.until(p.Detach)[0] for _ in ends]
    assert {detach.handle for detach in told} == {5, 6}
    for detach in told:
        assert detach.closed
        assert detach.error is not None
        assert detach.error.condition == "amqp:resource-deleted"
        wire.send(encode_frame(0, p.Detach(detach.handle, closed=True)))
    assert wire.call("Host.ping")["result"] == {"pong": True}
