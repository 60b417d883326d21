"""What strangers may do to a daemon before it knows what they speak: nothing that costs it anything (DESIGN 9)."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.own_time import await_rest
from tests.roads import ask_stream

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'
PATIENCE_S = 2  # what strangers get here, instead of ten seconds
MUCH_S = 120
#: Of a loaded machine.
SLACK_S = 30.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """A daemon with little patience."""
    yield from served(tmp_path_factory.mktemp("strangers"), PATIENCE_S)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """A daemon with more patience than what is tried with it takes."""
    yield from served(tmp_path_factory.mktemp("patient"), MUCH_S)


def served(folder: Path, stranger_seconds: int) -> Iterator[VdsmdProcess]:
    """One that gives strangers so long."""
    file = folder / "vdsmd.toml"
    file.write_text(f"[limits]\nstranger_seconds = {stranger_seconds}\nstrangers_per_address = 100\n")
    made = start_vdsmd(folder, "--config", str(file), hypervisor="simulator:1")
    yield made
    made.stop()


def by_nc(port: int, said: bytes) -> tuple[float, bytes]:
    """How long the daemon keeps a connection that says this and then nothing, and what it is told."""
    begin = time.monotonic()
    ended = subprocess.run(["nc", "127.0.0.1", str(port)], input=said, stdout=subprocess.PIPE, timeout=120, check=False)
    return time.monotonic() - begin, ended.stdout


def all_at_once(port: int, words: Sequence[bytes]) -> dict[bytes, tuple[float, bytes]]:
    with ThreadPoolExecutor(len(words)) as pool:
        return dict(zip(words, pool.map(partial(by_nc, port), words), strict=True))


def test_whoever_says_half_a_word_is_closed_when_his_time_is_up(daemon: VdsmdProcess) -> None:
    """Half a STOMP command, half an AMQP header, half a method, nothing but a blank, nothing at all: no answer, and not before."""
    assert daemon.port is not None
    for word, (lasted, told) in all_at_once(daemon.port, (b"CONNE", b"STOMP", b"AMQ", b"POS", b" ", b"\r\n", b"")).items():
        assert told == b"", word
        assert PATIENCE_S - 0.1 <= lasted < PATIENCE_S + SLACK_S, word


def test_what_is_nobodys_is_closed_at_once(patient: VdsmdProcess) -> None:
    """As soon as no candidate is left: no more octets and no more time than that needs."""
    assert patient.port is not None
    words = (b"hello\n", b"\x80\x00", b"SSH-2.0-x\r\n", b"CONNEX", b"AMQX", b"\0\0\0\0", b"GETX", b"POST\n", b"SUBSCRIBE ")
    for word, (lasted, told) in all_at_once(patient.port, words).items():
        assert told == b"", word
        assert lasted < MUCH_S / 2, word


def test_a_tls_hello_in_small_pieces_is_a_hello(vdsmd: StartVdsmd) -> None:
    """Seven octets at a time, each in a packet of its own: the handshake ends well and calls are answered."""
    daemon = vdsmd("--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    assert daemon.port is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", daemon.port), 20) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        link = context.wrap_bio(coming, going)
        while True:
            try:
                link.do_handshake()
                break
            except ssl.SSLWantReadError:
                _send_in_pieces(stream, going.read())
                coming.write(stream.recv(65536))
        link.write(PING)
        _send_in_pieces(stream, going.read())
        answer = b""
        while not answer.endswith(b"\n"):
            coming.write(stream.recv(65536))
            try:
                answer += link.read()
            except ssl.SSLWantReadError:
                continue
    assert b"result" in answer or b"error" in answer


def _send_in_pieces(stream: socket.socket, data: bytes) -> None:
    for start in range(0, len(data), 7):
        stream.send(data[start : start + 7])
        time.sleep(0.001)


def test_half_a_tls_hello_is_closed_when_its_time_is_up(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """The handshake is part of a stranger's time."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[limits]\nstranger_seconds = {PATIENCE_S}\n")
    daemon = vdsmd("--config", str(file), "--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    assert daemon.port is not None
    for word, (lasted, told) in all_at_once(daemon.port, (b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01")).items():
        assert told == b"", word
        assert PATIENCE_S - 0.1 <= lasted < PATIENCE_S + SLACK_S


def test_four_octets_and_silence_cost_nothing(patient: VdsmdProcess) -> None:
    """Ninety strangers that wait: the daemon sleeps, and serves others; one address may not have more than its number."""
    daemon = patient
    assert daemon.port is not None
    with ExitStack() as opened:
        for _ in range(90):
            opened.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 60)).sendall(b"CONN")
        assert b"pong" in ask_stream(("127.0.0.1", daemon.port), PING.rstrip())
        await_rest(daemon.front, 0.07)
        more = [opened.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 60)) for _ in range(40)]
        readable, _, _ = select.select(more, [], [], 60)
        assert readable
        assert all(each.recv(1) == b"" for each in readable)
        assert b"pong" in ask_stream(daemon.socket, PING.rstrip())


def test_strangers_of_one_address_keep_nobody_else_from_logging_in(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Who proves nothing has the connections of his address alone, whatever he says on them; there are others, from which people log in."""
    file = tmp_path / "vdsmd.toml"
    file.write_text("[limits]\nconnections_per_identity = 5\n")
    daemon = vdsmd("--config", str(file), "--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = b"GET /docs/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as opened:

        def ask(address: str) -> bytes:
            plain = socket.create_connection(("127.0.0.1", daemon.port or 0), 20, source_address=(address, 0))
            stream = opened.enter_context(context.wrap_socket(plain))
            stream.sendall(request)
            return stream.recv(12)

        assert [ask("127.0.0.1") for _ in range(6)] == [b"HTTP/1.1 200"] * 5 + [b"HTTP/1.1 429"]
        assert ask("127.0.0.2") == b"HTTP/1.1 200"


def test_who_greets_over_stomp_and_is_nobody_keeps_nothing_and_soon_goes(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """No queue of his own, which would be in the memory of all; and no more time than for a login, also in a WebSocket."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[limits]\nstranger_seconds = {PATIENCE_S}\n")
    daemon = vdsmd("--config", str(file), "--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    greeting = b"CONNECT\naccept-version:1.2\nhost:x\n\n\0"
    upgrade = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n"
    in_frame = b"\x81" + bytes((0x80 | len(greeting),)) + bytes(4) + greeting

    def told(*said: bytes) -> tuple[float, bytes]:
        begin = time.monotonic()
        with context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.port or 0), 60)) as stream:
            stream.sendall(b"".join(said))
            answer = b""
            while data := stream.recv(65536):
                answer += data
            return time.monotonic() - begin, answer

    lasted, answer = told(greeting, b"SUBSCRIBE\nid:1\ndestination:/temp-queue/own\n\n\0")
    assert b"\nerror:NotAuthenticated\n" in answer
    for said in (greeting, upgrade + in_frame):
        lasted, answer = told(said)
        assert b"CONNECTED\n" in answer
        assert b"nobody logged in" in answer
        assert PATIENCE_S - 0.1 <= lasted < PATIENCE_S + SLACK_S
