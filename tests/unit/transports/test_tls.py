"""TLS on the one port: told from plain, however slowly it comes; who is known by it, and until when."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from libvdsm.base.tls import server_context
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.transports.tls import First, peek, peer_certificate
from tests.fakes.certificates import DAY_S, Pki
from tests.fakes.recording_bridge import Client, Served, post, serve, until

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def connect(served: Served, context: ssl.SSLContext, name: str = "localhost") -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", served.port, ssl=context, server_hostname=name))


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log's words about handshakes that were refused."""
    return [record.getMessage() for record in caplog.records if "TLS:" in record.getMessage()]


class Shown(asyncio.Transport):
    """A transport whose peer has proved to hold a certificate with such an end."""

    def __init__(self, until: str) -> None:
        super().__init__({"ssl_object": self})
        self.until = until

    def getpeercert(self, *, binary_form: bool = False) -> bytes | dict[str, str]:
        """See ``ssl.SSLObject``."""
        return b"DER" if binary_form else {"notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": self.until, "serialNumber": "0A"}


def test_a_certificate_may_end_in_a_leap_second() -> None:
    """It is read as the second that follows."""
    ends = [peer_certificate(Shown(until)) for until in ("Dec 31 23:59:60 2026 GMT", "Jan  1 00:00:00 2027 GMT")]
    assert [end.not_after for end in ends if end is not None] == [1_798_761_600.0] * 2


@pytest.mark.parametrize(
    "until", ("Bad time value", "Dec 31 23:59:61 2026 GMT", "Feb 30 00:00:00 2026 GMT", "Foo  1 00:00:00 2026 GMT", "")
)
def test_a_certificate_whose_end_cannot_be_read_proves_nothing(until: str) -> None:
    """OpenSSL's words for a time that is none are refused, as any other proof that is not good."""
    with pytest.raises(NotAuthenticated):
        peer_certificate(Shown(until))


class Pieces:
    """A TLS client whose records leave in pieces of any size."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._link = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def shake_hands(self, size: int, glued: bytes = b"") -> None:
        """``glued`` is application data that leaves together with the last record of the handshake."""
        while True:
            try:
                self._link.do_handshake()
            except ssl.SSLWantReadError:
                await self._send(size)
                await self._receive()
            else:
                break
        if glued:
            self._link.write(glued)
        await self._send(size)

    async def read(self) -> bytes:
        while True:
            try:
                return self._link.read(65536)
            except ssl.SSLWantReadError:
                await self._receive()

    async def _send(self, size: int) -> None:
        data = self._outgoing.read()
        for start in range(0, len(data), size):
            await self._loop.sock_sendall(self._sock, data[start : start + size])
            await asyncio.sleep(0)

    async def _receive(self) -> None:
        data = await self._loop.sock_recv(self._sock, 65536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


@pytest.mark.parametrize("size", (1, 7, 1000))
async def test_a_hello_may_come_in_pieces_of_any_size(pki: Pki, size: int) -> None:
    """And what comes together with the end of the handshake is not lost."""
    async with serve(tls=server_context(pki.keys)) as served:
        with closing(socket.create_connection(("127.0.0.1", served.port))) as sock:
            sock.setblocking(False)
            client = Pieces(pki.context(), sock)
            await client.shake_hands(size, PING)
            assert await client.read() == PONG


async def test_the_roads_are_the_same_over_tls(pki: Pki) -> None:
    """JSON and HTTP, told apart after the handshake; under any name that the certificate vouches for."""
    async with serve(tls=server_context(pki.keys)) as served:
        stream = await connect(served, pki.context())
        stream.send(PING)
        assert await stream.line() == PONG
        web = await connect(served, pki.context())
        web.send(post(PING, host="any.name.example"))
        assert (await web.response()).body == PONG
        stream.close()
        web.close()
        assert served.tcp.counters.by_protocol == {"json": 1, "http": 1}
        assert {call.caller.identity for call in served.bridge.calls} == {"anonymous"}


async def test_plain_at_a_tls_port_is_told_so_if_it_is_http(pki: Pki) -> None:
    """Any other is closed without a word; a bad request reaches nobody."""
    async with serve(tls=server_context(pki.keys)) as served:
        web = await served.connect()
        web.send(post(PING))
        answer = await web.response()
        assert (answer.status, answer.body) == (400, b'{"error":"this port speaks TLS: use https"}\n')
        assert answer.headers["connection"] == "close"
        assert await web.rest() == b""
        assert await served.ask("tcp", PING) == b""
        web.close()
        await until(lambda: served.tcp.connections == 0)
        assert served.tcp.counters.refused_plain == 2
        assert not served.bridge.calls


async def test_the_unix_socket_stays_plain(pki: Pki) -> None:
    """There the kernel vouches for the peer."""
    async with serve(tls=server_context(pki.keys)) as served:
        assert await served.ask("unix", PING) == PONG


async def test_with_insecure_one_port_speaks_both(pki: Pki) -> None:
    """Plain beside TLS, told apart by the first octet."""
    async with serve(tls=server_context(pki.keys), policy=ListenerPolicy(anonymous=True)) as served:
        assert await served.ask("tcp", PING) == PONG
        client = await connect(served, pki.context())
        client.send(PING)
        assert await client.line() == PONG
        client.close()


async def test_until_there_are_keys_everybody_is_turned_away(pki: Pki) -> None:
    """A port that is to speak TLS speaks nothing else meanwhile, and begins without a restart."""
    async with serve(policy=ListenerPolicy(tls=True)) as served:
        assert await served.ask("tcp", PING) == b""
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await connect(served, pki.context())
        served.tcp.renew(server_context(pki.keys))
        client = await connect(served, pki.context())
        client.send(PING)
        assert await client.line() == PONG
        client.close()


async def test_tls_1_2_only_if_it_is_said(pki: Pki) -> None:
    """1.3 is the least unless the settings say otherwise; older ones never."""
    old = pki.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serve(tls=server_context(pki.keys)) as served:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await connect(served, old)
        await until(lambda: served.tcp.counters.refused_handshakes == 1)
    async with serve(tls=server_context(pki.keys, "1.2")) as served:
        client = await connect(served, old)
        client.send(PING)
        assert await client.line() == PONG
        client.close()


async def test_alpn_offers_http(pki: Pki) -> None:
    """And whoever asks for something else is served by what he then says."""
    for asked, chosen in ((["h2", "http/1.1"], "http/1.1"), (["other"], None)):
        context = pki.context()
        context.set_alpn_protocols(asked)
        async with serve(tls=server_context(pki.keys)) as served:
            client = await connect(served, context)
            assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
            client.close()


async def test_garbage_after_the_first_octet_is_refused_with_a_reason(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    """What begins like TLS and is none ends the connection, and the log says what it was."""
    caplog.set_level("INFO")
    async with serve(tls=server_context(pki.keys)) as served:
        client = await served.connect()
        client.send(b"\x16" + b"\xff" * 20)
        with pytest.raises((ConnectionError, AssertionError)):
            assert await client.rest() == b"anything"
        await until(lambda: served.tcp.connections == 0)
        assert refusals(caplog) == ["main: refused 127.0.0.1: TLS: wrong version number"]
        client.close()


async def test_four_octets_and_silence_cost_nothing_and_end_after_ten_seconds(pki: Pki) -> None:
    """As do one octet, and none; meanwhile others are served."""
    async with serve(Limits(login_s=1_000), tls=server_context(pki.keys)) as served:
        silent = [await served.connect() for _ in range(60)]
        for client, said in zip(silent, (b"\x16\x03\x01\x02", b"\x16", b"") * 20, strict=True):
            if said:
                client.send(said)
        await until(lambda: served.tcp.connections == 60)
        spent: list[float] = []
        while min(spent, default=1.0) >= 0.05:  # whatever is done about what was sent, is done some day
            assert len(spent) < 20, spent
            before = time.process_time()
            await asyncio.sleep(0.5)
            spent.append(time.process_time() - before)
        other = await connect(served, pki.context())
        other.send(PING)
        assert await other.line() == PONG
        served.pass_time(9.9)
        assert served.tcp.connections == 61
        served.pass_time(0.1)
        await until(lambda: served.tcp.connections == 1)
        assert served.tcp.counters.detect_timeouts == 60
        other.send(PING)
        assert await other.line() == PONG
        for client in (*silent, other):
            client.close()


async def test_after_the_handshake_the_same_ten_seconds_go_on(pki: Pki) -> None:
    """Who has shaken hands and says nothing is still a stranger."""
    async with serve(tls=server_context(pki.keys)) as served:
        client = await connect(served, pki.context())
        served.pass_time(9.9)
        assert served.tcp.connections == 1
        served.pass_time(0.1)
        await until(lambda: served.tcp.connections == 0)
        client.close()


async def test_a_late_first_octet_is_no_new_beginning(pki: Pki) -> None:
    """Who was silent for eight of his ten seconds has two for his hello, and for all that follows."""
    async with serve(Limits(login_s=1_000), tls=server_context(pki.keys)) as served:
        late, prompt = await served.connect(), await served.connect()
        await until(lambda: served.tcp.connections == 2)
        served.pass_time(8)
        late.send(b"\x16")
        await until(lambda: any(door.entering is not None for door in served.tcp._strangers))
        client = await connect(served, pki.context())
        served.pass_time(1.9)
        assert served.tcp.connections == 3
        served.pass_time(0.1)
        await until(lambda: served.tcp.connections == 1)
        assert served.tcp.counters.detect_timeouts == 2
        for each in (late, prompt, client):
            each.close()


async def test_strangers_are_bounded_before_the_handshake(pki: Pki) -> None:
    """By address; who is refused costs no handshake."""
    async with serve(Limits(strangers_per_address=2), tls=server_context(pki.keys)) as served:
        silent = [await served.connect() for _ in range(2)]
        await until(lambda: served.tcp.connections == 2)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await connect(served, pki.context())
        assert served.tcp.counters.refused_limit == 1
        for client in silent:
            client.close()


async def test_a_certificate_says_who_it_is(pki: Pki) -> None:
    """All that the mapping may want to know of it."""
    alice = pki.client()
    async with serve(tls=server_context(pki.keys)) as served:
        client = await connect(served, pki.context(alice))
        client.send(PING)
        assert await client.line() == PONG
        (shown,) = served.authenticator.certificates
        assert shown.names == ("URI:urn:libvdsm:identity:user:alice",)
        assert shown.subject == "CN=user:alice"
        assert shown.issuer == "O=libvdsm,CN=test CA"
        assert len(shown.fingerprint) == 64
        assert shown.not_before < time.time() < shown.not_after
        client.close()


async def test_a_connection_ends_with_its_certificate(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    """In the sweep, and on the road over HTTP too; one without a certificate goes on."""
    caplog.set_level("INFO")
    offset = [0.0]
    async with serve(tls=server_context(pki.keys), wall=lambda: time.time() + offset[0]) as served:
        clients = [await connect(served, pki.context(pki.client())) for _ in range(2)]
        clients[0].send(PING)
        assert await clients[0].line() == PONG
        clients[1].send(post(PING))
        assert (await clients[1].response()).body == PONG
        other = await connect(served, pki.context())
        other.send(PING)
        assert await other.line() == PONG
        offset[0] = 29 * DAY_S
        served.pass_time(1)
        assert served.tcp.connections == 3
        offset[0] = 31 * DAY_S
        served.pass_time(1)
        assert await clients[0].rest() == await clients[1].rest() == b""
        await until(lambda: served.tcp.connections == 1)
        assert "ends the connection of CN=user:alice from 127.0.0.1: its certificate has expired" in caplog.text
        other.send(PING)
        assert await other.line() == PONG
        for client in (*clients, other):
            client.close()


async def test_who_is_revoked_gets_the_answer_that_is_due_and_is_closed(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    """Its own connection alone, and the log says why."""
    caplog.set_level("INFO")
    async with serve(tls=server_context(pki.keys)) as served:
        alice, bob = [await connect(served, pki.context(pki.client(name))) for name in ("user:alice", "user:bob")]
        for client in (alice, bob):
            client.send(PING)
            assert await client.line() == PONG
        served.bridge.calls[0].caller.revoke("it was stolen")
        assert await alice.rest() == b""
        assert "ends the connection of CN=user:alice from 127.0.0.1: it was stolen" in caplog.text
        bob.send(PING)
        assert await bob.line() == PONG
        for client in (alice, bob):
            client.close()


async def test_new_keys_are_for_new_connections(pki: Pki, tmp_path: Path) -> None:
    """Those that are open go on with what they have."""
    newer = Pki(tmp_path)
    async with serve(tls=server_context(pki.keys)) as served:
        old = await connect(served, pki.context())
        served.tcp.renew(server_context(newer.keys))
        new = await connect(served, newer.context())
        for client in (old, new):
            client.send(PING)
            assert await client.line() == PONG
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(served, pki.context())
        old.close()
        new.close()


async def test_a_peer_that_does_not_say_goodbye_is_not_waited_for(pki: Pki) -> None:
    """TLS has a last word of its own, for which the loop would wait half a minute."""
    async with serve(Limits(goodbye_s=0.1), tls=server_context(pki.keys)) as served:
        client = await connect(served, pki.context())
        client.send(b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        await until(lambda: served.tcp.counters.requests == 1)
        await until(lambda: served.tcp.connections == 0)
        client.writer.transport.abort()


async def test_stopping_ends_strangers_of_every_kind(pki: Pki) -> None:
    """Bare sockets, half-shaken hands and silent ones; nothing of them stays open."""
    async with serve(tls=server_context(pki.keys)) as served:
        bare = await served.connect()
        half = await served.connect()
        half.send(b"\x16\x03\x01\x02\x00\x01")
        shaken = await connect(served, pki.context())
        await until(lambda: served.tcp.connections == 3)
        await served.tcp.stop(grace_s=1)
        await until(lambda: served.tcp.connections == 0)
        for client in (bare, half, shaken):
            client.close()


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def test_a_look_takes_nothing(sockets: tuple[socket.socket, socket.socket]) -> None:
    """The first octet tells, and stays where it is."""
    near, far = sockets
    assert peek(near) is First.NOTHING_YET
    far.send(b"\x16")
    assert peek(near) is First.TLS
    assert near.recv(10) == b"\x16"
    far.send(b"{}")
    assert peek(near) is First.PLAIN
    assert near.recv(10) == b"{}"
    far.close()
    assert peek(near) is First.GONE


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers


async def test_descriptors_return_after_handshakes_that_fail(pki: Pki) -> None:
    """A hundred of them, of all kinds, leave no descriptor open."""
    async with serve(tls=server_context(pki.keys)) as served:
        (await served.connect()).vanish()  # what the loop opens once, it opens now
        await until(lambda: served.tcp.counters.accepted == 1 and served.tcp.connections == 0)
        before = descriptors()
        for number in range(100):
            client = await served.connect()
            client.send((b"\x16\x03\x01", b"\x16" + b"\0" * 30, b"\x00", b"")[number % 4])
            client.vanish()
        await until(lambda: served.tcp.connections == 0)
        await until(lambda: descriptors() <= before)


async def test_handshakes_begin_a_few_in_each_turn(pki: Pki) -> None:
    """Who comes with a hundred others is served after them; what he waits for us is not taken from his time."""
    async with serve(Limits(detect_s=5), tls=server_context(pki.keys)) as served:
        context, loop = pki.context(), asyncio.get_running_loop()
        socks = []
        for _ in range(100):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", served.port))
            socks.append(sock)
        coming = [asyncio.ensure_future(asyncio.open_connection(sock=sock, ssl=context, server_hostname="localhost")) for sock in socks]
        most = 0
        while not all(each.done() for each in coming):
            most = max(most, served.tcp.waiting)
            served.pass_time(0.01)
            await asyncio.sleep(0)
        clients = [Client(*each.result()) for each in coming]
        for client in clients:
            client.send(PING)
        assert [await client.line() for client in clients] == [PONG] * 100
        assert (served.tcp.waiting, served.tcp.counters.detect_timeouts) == (0, 0)
        assert most > 0
        for client in clients:
            client.close()


async def test_a_stranger_who_goes_while_he_waits_is_forgotten(pki: Pki) -> None:
    """And when the listener stops, nobody is left waiting."""
    async with serve(tls=server_context(pki.keys)) as served:
        with closing(socket.create_connection(("127.0.0.1", served.port))) as sock:
            sock.sendall(b"\x16")
            await until(lambda: served.tcp.connections == 1)
            await served.tcp.stop(grace_s=0)
            await until(lambda: served.tcp.connections == 0)
        assert served.tcp.waiting == 0
