"""The client over TLS: it verifies whom it speaks to, shows who it is, and reads while it writes."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libvdsm.base.tls import server_context
from libvdsm.client import AddressError, UntrustedError, aio, sync
from libvdsm.client.runtime.sync.tls import TlsSocket, tunnelled
from libvdsm.client.runtime.tls import Tls
from tests.fakes.certificates import Pki


def pong(request: bytes) -> bytes:
    """The daemon's answer to a ping."""
    id = json.loads(request)["id"]
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": {"pong": True}}).encode() + b"\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


class Server:
    """Serves connections over TLS, each in a thread; ``seen`` are the certificates that were shown."""

    def __init__(self, context: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], None]) -> None:
        self._context = context
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[bytes | None] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                self._begin(self._take, plain)

    def _take(self, plain: socket.socket) -> None:
        plain.settimeout(60)
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as link:
            self.seen.append(link.getpeercert(binary_form=True))
            self._serve(link)
        plain.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(90)


@contextlib.contextmanager
def serving(pki: Pki, serve: Callable[[ssl.SSLSocket], None]) -> Iterator[Server]:
    server = Server(server_context(pki.keys), serve)
    try:
        yield server
    finally:
        server.close()


def answer_ping(link: ssl.SSLSocket) -> None:
    """The daemon, as far as ``open`` needs it; over HTTP too."""
    while data := link.recv(65536):
        if data.startswith(b"POST"):
            answer = pong(data.partition(b"\r\n\r\n")[2])
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
        else:
            link.sendall(pong(data))


def echo(link: ssl.SSLSocket) -> None:
    while data := link.recv(65536):
        link.sendall(data)


@pytest.mark.parametrize("road", ("tls", "https"))
def test_both_roads_verify_and_show(pki: Pki, road: str) -> None:
    certificate = pki.write(pki.client())
    with serving(pki, answer_ping) as server:
        url = f"{road}://127.0.0.1:{server.port}"
        with sync.connect(url, ca=str(pki.ca_file)) as client:
            assert client.call("Host.ping") == {"pong": True}
        with sync.connect(url, ca=str(pki.ca_file), certificate=str(certificate), key=str(certificate.with_suffix(".key"))):
            pass
        assert server.seen[0] is None
        assert server.seen[-1] is not None


@pytest.mark.parametrize("road", ("tls", "https"))
async def test_so_does_the_other_client(pki: Pki, road: str) -> None:
    certificate = pki.write(pki.client())
    with serving(pki, answer_ping) as server:
        url = f"{road}://localhost:{server.port}"
        key = certificate.with_suffix(".key")
        async with aio.connect(url, ca=str(pki.ca_file), certificate=str(certificate), key=str(key)) as client:
            assert await client.call("Host.ping") == {"pong": True}
        assert server.seen[-1] is not None
        with pytest.raises(UntrustedError):
            await aio.connect(url).open()


def test_who_cannot_prove_its_name_is_told_nothing(pki: Pki, tmp_path: Path) -> None:
    """Another CA, another name, or none that is known: at once, without a second attempt."""
    received: list[bytes] = []
    with serving(pki, lambda link: received.append(link.recv(1))) as server:
        url = f"tls://127.0.0.1:{server.port}"
        for client, reason in (
            (sync.connect(url), "self-signed certificate"),
            (sync.connect(url, ca=str(Pki(tmp_path).ca_file)), "self-signed certificate"),
            (sync.connect(url, ca=str(pki.ca_file), server_name="other.example"), "Hostname mismatch"),
        ):
            with pytest.raises(UntrustedError, match=reason):
                client.open()
    assert b"".join(received) == b""


def test_files_that_cannot_be_used_are_named(pki: Pki, tmp_path: Path) -> None:
    certificate = pki.write(pki.client())
    for tls, reason in (
        (Tls(ca=str(tmp_path / "absent")), "the CA .*absent cannot be used"),
        (Tls(certificate=str(certificate), key=str(pki.ca_file)), "the certificate .*client.crt and its key cannot be used"),
    ):
        with pytest.raises(AddressError, match=reason):
            tls.context()


def test_a_renewed_certificate_is_shown_by_the_next_connection(pki: Pki) -> None:
    with serving(pki, answer_ping) as server:
        client = sync.connect(
            f"https://127.0.0.1:{server.port}", ca=str(pki.ca_file), certificate=str(pki.folder / "c.crt"), key=str(pki.folder / "c.key")
        )
        for name in ("user:a", "user:b"):
            pki.write(pki.client(name), "c")
            client.open()
            assert client.line._connection is not None
            client.line._connection.close()  # as if it were lost
        assert len(set(server.seen)) == 2


def linked(pki: Pki, server: Server) -> TlsSocket:
    return TlsSocket(socket.create_connection(("127.0.0.1", server.port), 10), pki.context(), "localhost")


def test_a_look_leaves_what_it_saw(pki: Pki) -> None:
    """``MSG_PEEK``, which the reading of HTTP heads stands on."""
    with serving(pki, echo) as server:
        link = linked(pki, server)
        link.sendall(b"abcdef")
        assert link.recv(3, socket.MSG_PEEK) == b"abc"
        assert link.recv(2, socket.MSG_PEEK) == b"ab"
        assert link.recv(1) == b"a"
        assert link.recv(100) in {b"bc", b"bcdef"}
        link.close()


def test_one_thread_reads_while_others_write(pki: Pki) -> None:
    """Megabytes both ways at once; not an octet is lost or in another's place."""
    blocks = [bytes([number]) * 65_536 for number in range(64)]
    received = bytearray()
    with serving(pki, echo) as server:
        link = linked(pki, server)

        def read() -> None:
            while len(received) < 64 * 65_536:
                received.extend(link.recv(100_000))

        def write(part: list[bytes]) -> None:
            for block in part:
                link.sendall(block)

        threads = [threading.Thread(target=read)] + [threading.Thread(target=write, args=(blocks[start::4],)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        link.shutdown(socket.SHUT_RDWR)
        link.close()
    assert len(received) == 64 * 65_536
    assert all(received.count(bytes([number])) == 65_536 for number in range(64))


def test_an_end_without_a_word_is_no_end(pki: Pki) -> None:
    """Whoever cuts the line cannot make a message look whole."""

    def cut(link: ssl.SSLSocket) -> None:
        link.sendall(b"half")
        socket.socket.close(link)  # without close_notify

    with serving(pki, cut) as server:
        link = linked(pki, server)
        assert link.recv(10) == b"half"
        with pytest.raises(ConnectionResetError):
            link.recv(10)
        link.close()


def test_a_byte_stream_over_tls_is_a_plain_socket(pki: Pki) -> None:
    """For callers that wait by descriptor; the end of either side is the end of both."""
    with serving(pki, echo) as server:
        near = tunnelled(linked(pki, server))
        near.settimeout(60)
        near.sendall(b"over there")
        assert near.recv(100) == b"over there"
        near.close()
