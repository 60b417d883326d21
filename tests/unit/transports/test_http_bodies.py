"""Bodies that are not held whole: chunks and lengths, the pace of the slower side, ends before the end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libvdsm.base.tls import server_context
from libvdsm.bindings.pieces import Pieces
from libvdsm.interfaces.bodies import BodyWriter, Streamed
from libvdsm.interfaces.caller import Caller
from libvdsm.transports.config import Limits
from libvdsm.wire.http.events import Request, Response
from tests.fakes.certificates import Pki
from tests.fakes.recording_bridge import Client, Served, post, serve, until

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 256  # 64 KiB
PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
OCTETS = b"application/octet-stream"


@dataclass
class Store:
    """Gives as many blocks as the path says, and takes what is put."""

    made: int = 0  # blocks that were asked for
    stopped: int = 0
    taken: int = 0
    digest: str = ""
    is_open: bool = True  # takes more at once
    resume: Callable[[], None] | None = None
    refusal: Response | None = None
    later: asyncio.Future[Response] | None = None
    bound: int = 100 * MIB
    finished: list[int] = field(default_factory=list)

    def open(self, caller: Caller) -> StoreSession:
        """See ``HttpEndpoint``."""
        assert caller.identity
        return StoreSession(self)

    def most(self, request: Request) -> int | None:
        """See ``TakingEndpoint``."""
        return self.bound if request.method == b"PUT" else None


@dataclass
class StoreSession:
    """One connection."""

    store: Store

    def usual(self, request: Request) -> None:
        """See ``HttpSession``."""

    def handle(self, request: Request) -> Response | Streamed:
        """See ``HttpSession``."""
        if request.method not in (b"GET", b"HEAD"):
            return Response(200, b"%d" % len(request.body))
        kind, _slash, count = request.target.removeprefix(b"/store/").partition(b"/")
        blocks = int(count)
        if kind == b"endless":
            return Streamed(body=Waiting(self.store), content_type=b"text/plain", is_endless=True)
        length = {b"long": (blocks + 1) * len(BLOCK), b"short": (blocks - 1) * len(BLOCK), b"whole": blocks * len(BLOCK)}.get(kind)
        return Streamed(body=Counted(self.store, self._blocks(blocks, kind)), content_type=OCTETS, length=length)

    def _blocks(self, count: int, kind: bytes) -> Iterator[bytes]:
        for number in range(count):
            self.store.made += 1
            if kind == b"broken" and number == count - 1:
                msg = "the disk is gone"
                raise OSError(msg)
            yield BLOCK

    def begin(self, request: Request, resume: Callable[[], None]) -> Taker | Response:
        """See ``TakingSession``."""
        assert request.body == b""
        if self.store.refusal is not None:
            return self.store.refusal
        self.store.resume = resume
        return Taker(self.store)

    def close(self) -> None:
        """See ``HttpSession``."""


class Counted(Pieces):
    """Counts how often it is stopped."""

    def __init__(self, store: Store, blocks: Iterator[bytes]) -> None:
        super().__init__(blocks)
        self._store = store

    def stop(self) -> None:
        """See ``Body``."""
        super().stop()
        self._store.stopped += 1


class Waiting:
    """Says something each time that the clock is looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer: BodyWriter | None = None

    def start(self, writer: BodyWriter) -> None:
        """See ``Body``."""
        self._writer = writer
        writer.write(b"hello")
        writer.write(b"")

    def check_time(self, now: float) -> None:
        """See ``Body``."""
        if self._writer is not None:
            self._writer.write(b"%d" % now)

    def stop(self) -> None:
        """See ``Body``."""
        self._writer = None
        self._store.stopped += 1


class Taker:
    """Digests a body."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._octets = 0

    def take(self, data: bytes) -> bool:
        """See ``Taker``."""
        self._hash.update(data)
        self._octets += len(data)
        self._store.taken += len(data)
        return self._store.is_open

    def finish(self) -> Response | asyncio.Future[Response]:
        """See ``Taker``."""
        self._store.digest = self._hash.hexdigest()
        self._store.finished.append(self._octets)
        return self._store.later or Response(201, self._store.digest.encode())

    def stop(self) -> None:
        """See ``Taker``."""
        self._store.stopped += 1


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    return ("\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *headers]) + "\r\n\r\n").encode()


def put(length: int, *headers: str) -> bytes:
    """The head of a request with a body."""
    return get("/store/x", f"Content-Length: {length}", *headers, method="PUT")


async def taken(store: Store, octets: int) -> None:
    """So much was taken."""
    await until(lambda: store.taken == octets)


async def stopped(store: Store) -> None:
    """Whoever makes or takes the body has heard of its end."""
    await until(lambda: store.stopped == 1)


async def gone(served: Served) -> None:
    """No connection is left."""
    await until(lambda: served.tcp.connections == 0)


def peak_octets() -> int:
    """The most memory since the last ``forget_peak``."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def forget_peak() -> int:
    """Count the peak from now on; answers what is used now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_octets()


async def test_chunks_go_out_and_the_connection_goes_on() -> None:
    """Without a length, to HTTP/1.1; what was sent behind the request is answered behind the body."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(get("/store/chunks/3") + post(PING) + get("/store/whole/2"))
        answer = await client.response()
        assert (answer.status, answer.body) == (200, BLOCK * 3)
        assert "content-length" not in answer.headers
        assert (await client.response()).body.startswith(b'{"jsonrpc"')
        whole = await client.response()
        assert whole.headers["content-length"] == str(2 * len(BLOCK))
        assert whole.body == BLOCK * 2
        assert store.stopped == 2
        (connection,) = served.tcp._connections
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_limits()[1] == served.tcp.limits.write_octets - 1  # as before the bodies
        client.close()


async def test_behind_a_body_in_chunks_it_is_still_known_whose_the_connection_is() -> None:
    """A request speaks for whom it proves, as one behind any other answer does."""
    async with serve(http={"/store/": Store()}) as served:
        client = await served.connect()
        for token in ((), ("Authorization: Bearer good-one",), ()):
            client.send(get("/store/chunks/1", *token))
            assert (await client.response()).body == BLOCK
            client.send(post(PING, *token))
            assert (await client.response()).status == 200
        assert [call.caller.identity for call in served.bridge.calls] == ["anonymous", "user:good-one", "anonymous"]
        client.close()


async def test_to_http_1_0_the_end_is_the_connection_s() -> None:
    """RFC 9112, 6.3: it knows no chunks; with a length it may keep its connection."""
    async with serve(http={"/store/": Store()}) as served:
        client = await served.connect()
        client.send(get("/store/whole/1", "Connection: keep-alive", version="1.0"))
        assert (await client.response()).body == BLOCK
        client.send(get("/store/chunks/2", "Connection: keep-alive", version="1.0"))
        status, headers = await client.head()
        assert (status, headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in headers
        assert await client.rest() == BLOCK * 2
        client.close()


async def test_head_tells_what_get_would() -> None:
    """RE-011: the same head, no body, and nothing is made."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(get("/store/whole/9", method="HEAD") + get("/store/chunks/9", method="HEAD") + post(PING))
        assert (await client.response(has_body=False)).headers["content-length"] == str(9 * len(BLOCK))
        assert (await client.response(has_body=False)).headers["transfer-encoding"] == "chunked"
        assert (await client.response()).status == 200
        assert (store.made, store.stopped) == (0, 2)
        client.close()


@pytest.mark.parametrize("kind", ("broken", "long", "short"))
async def test_a_body_that_fails_is_seen_to_have_failed(kind: str) -> None:
    """RE-012: no last chunk, not all octets; the connection is gone, and nothing of what is behind it is answered."""
    async with serve(http={"/store/": Store()}) as served:
        client = await served.connect("unix")
        client.send(get(f"/store/{kind}/3") + post(PING))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.response()
        assert served.bridge.calls == []
        client.close()


async def test_who_does_not_read_holds_back_who_writes() -> None:
    """Of 64 MiB little more than the write buffer is made; then the reader gets all of it, in order."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect("unix")
        client.send(get("/store/whole/1024"))
        await until(lambda: any(each._is_full for each in served.unix._connections))
        made = store.made
        for _turn in range(50):
            await asyncio.sleep(0)
        assert store.made == made
        assert made * len(BLOCK) < 2 * MIB
        digest = hashlib.sha256((await client.response()).body).hexdigest()
        assert digest == hashlib.sha256(BLOCK * 1024).hexdigest()
        client.close()


async def test_who_never_reads_is_disconnected_and_the_body_stopped() -> None:
    """After 30 s of a full buffer."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect("unix")
        client.send(get("/store/chunks/1024"))
        await until(lambda: any(each._is_full for each in served.unix._connections))
        served.pass_time(29)
        assert served.unix.connections == 1
        served.pass_time(2)
        await until(lambda: served.unix.connections == 0)
        assert (store.stopped, served.unix.counters.slow_readers) == (1, 1)
        client.close()


async def test_64_mib_either_way_take_no_memory() -> None:
    """Down and up at the same time, over sockets, with the client in the same process."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        down, up = await served.connect(), await served.connect()

        async def read(client: Client) -> str:
            client.send(get("/store/chunks/1024"))
            assert (await client.head())[0] == 200
            digest = hashlib.sha256()
            async for chunk in client.chunks():
                digest.update(chunk)
            return digest.hexdigest()

        async def write(client: Client) -> str:
            client.send(put(64 * MIB))
            for _block in range(1024):
                client.send(BLOCK)
                await client.writer.drain()
            return (await client.response()).body.decode()

        before = forget_peak()
        digests = await asyncio.gather(read(down), write(up))
        grown = peak_octets() - before
        assert set(digests) == {hashlib.sha256(BLOCK * 1024).hexdigest()}
        assert store.finished == [64 * MIB]
        assert grown < 16 * MIB, f"{grown / MIB:.1f} MiB more"
        down.close()
        up.close()


async def test_a_body_comes_in_chunks_of_any_size() -> None:
    """Chunked upward; what follows is the next request."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        data = os.urandom(10_000)
        client.send(get("/store/x", "Transfer-Encoding: chunked", method="PUT"))
        for start, end in ((0, 1), (1, 300), (300, 9_000), (9_000, 10_000)):
            client.send(b"%x;ext=1\r\n" % (end - start) + data[start:end] + b"\r\n")
            await taken(store, end)
        client.send(b"0\r\n\r\n" + post(PING))
        assert (await client.response()).body.decode() == hashlib.sha256(data).hexdigest()
        assert (await client.response()).status == 200
        client.close()


async def test_who_takes_sets_the_pace_of_who_sends() -> None:
    """What is not taken is not read: the sender fills its own buffers, not ours. What takes again gets all."""
    store = Store(is_open=False)
    async with serve(http={"/store/": store}) as served:
        client = await served.connect("unix")
        body = os.urandom(8 * MIB)
        client.send(put(len(body)) + body + post(PING))
        await until(lambda: store.taken > 0)
        taken = store.taken
        for _turn in range(200):
            await asyncio.sleep(0)
        assert store.taken == taken
        connection = next(iter(served.unix._connections))
        held = sum(map(len, getattr(connection, "_held", ())))
        assert held < 512 * 1024
        assert not connection._transport.is_reading()  # type: ignore[union-attr]
        served.pass_time(100)  # it is we who are slow: nobody is closed for that
        store.is_open = True
        assert store.resume is not None
        store.resume()
        assert (await client.response()).body.decode() == hashlib.sha256(body).hexdigest()
        assert (await client.response()).status == 200
        client.close()


async def test_while_we_are_slow_the_sender_is_not() -> None:
    """The time in which so much must come begins when it is taken again."""
    store = Store(is_open=False)
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(put(2_000) + b"x" * 1_000)
        await taken(store, 1_000)
        served.pass_time(100)
        store.is_open = True
        assert store.resume is not None
        store.resume()
        served.pass_time(29)
        assert served.tcp.counters.slow_senders == 0
        served.pass_time(1)
        assert (await client.response()).status == 408
        client.close()


async def test_who_takes_may_answer_later() -> None:
    """And the connection waits for it."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        store.later = asyncio.get_running_loop().create_future()
        client = await served.connect()
        client.send(put(3) + b"abc" + post(PING))
        await until(lambda: store.finished == [3])
        assert served.bridge.calls == []
        store.later.set_result(Response(202, b"x"))
        assert (await client.response()).status == 202
        assert (await client.response()).status == 200
        client.close()


async def test_half_a_body_is_told_to_be_half() -> None:
    """The client goes, or says that it sends no more: no answer, and whoever took the first half hears of it."""
    for end in ("vanish", "end"):
        store = Store()
        async with serve(http={"/store/": store}) as served:
            client = await served.connect()
            client.send(put(1000) + b"x" * 500)
            await taken(store, 500)
            getattr(client, end)()
            await stopped(store)
            assert store.finished == []
            client.close()


async def test_a_body_is_asked_for_when_it_is_wanted() -> None:
    """Expect: 100-continue is answered by whoever takes the body, or by its refusal at once and the end."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(put(3, "Expect: 100-continue"))
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert (await client.response()).status == 201
        store.refusal = Response(409, b"no")
        client.send(put(3, "Expect: 100-continue"))
        answer = await client.response()
        assert (answer.status, answer.headers["connection"]) == (409, "close")
        assert await client.rest() == b""
        client.close()


@pytest.mark.parametrize(
    ("request_head", "status"),
    (
        (b"POST /rpc HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 421),
        (b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 403),
        (b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bad\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 401),
        (b"POST /none HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 404),
        (b"PUT /store/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n", 421),
        (b"PUT /store/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bad\r\nContent-Length: 9\r\n\r\n", 401),
        (b"PUT /store/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n", 413),
    ),
)
async def test_what_is_refused_anyway_is_refused_before_its_body(request_head: bytes, status: int) -> None:
    """RFC 9110, 10.1.1: no 100 Continue before a refusal that the head alone brings about."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(request_head)
        answer = await client.response()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert (store.taken, store.resume) == (0, None)
        client.close()


async def test_a_chunked_body_may_not_outgrow_its_bound() -> None:
    """Also one whose length is not said beforehand."""
    store = Store(bound=1000)
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(get("/store/x", "Transfer-Encoding: chunked", method="PUT") + b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        await until(lambda: store.taken == 1000)
        client.send(b"1\r\nx\r\n")
        assert (await client.response()).status == 413
        await until(lambda: store.stopped == 1)
        assert store.finished == []
        client.close()


async def test_f22_a_body_that_drips_is_refused() -> None:
    """F-22: what is taken while it comes needs no whole in 10 s, but 16 KiB in every 30."""
    store = Store()
    async with serve(Limits(upload_octets=1000), http={"/store/": store}) as served:
        client = await served.connect()
        client.send(put(10_000))
        for round_ in range(1, 5):  # fast enough: for two minutes
            client.send(b"x" * 1000)
            await taken(store, 1000 * round_)
            served.pass_time(30)
        client.send(b"x" * 999)
        await until(lambda: store.taken == 4999)
        served.pass_time(30)
        assert (await client.response()).status == 408
        assert (store.stopped, served.tcp.counters.slow_senders) == (1, 1)
        client.close()


async def test_an_endless_body_ends_with_its_reader() -> None:
    """A client that says that it sends no more, or is gone, is not written to any longer."""
    for end in ("end", "vanish"):
        store = Store()
        async with serve(http={"/store/": store}) as served:
            client = await served.connect()
            client.send(get("/store/endless/0"))
            status, headers = await client.head()
            assert (status, headers["connection"]) == (200, "close")
            chunks = client.chunks()
            assert await anext(chunks) == b"hello"
            served.pass_time(1)
            assert await anext(chunks) == b"1001"
            getattr(client, end)()
            await stopped(store)
            await gone(served)
            client.close()


async def test_an_endless_body_ends_properly_when_the_daemon_does() -> None:
    """With its last chunk: a proxy or client sees that all was said."""
    store = Store()
    async with serve(http={"/store/": store}) as served:
        client = await served.connect()
        client.send(get("/store/endless/0"))
        await client.head()
        chunks = client.chunks()
        assert await anext(chunks) == b"hello"
        stopping = asyncio.ensure_future(served.tcp.stop(grace_s=5))
        assert [chunk async for chunk in chunks] == []
        client.close()
        await stopping
        assert store.stopped >= 1


async def test_over_tls_bodies_are_the_same(tmp_path: Path) -> None:
    """Both ways, at the pace of the slower side; what has no end ends with its reader."""
    pki = Pki(tmp_path)
    store = Store()
    async with serve(tls=server_context(pki.keys), http={"/store/": store}) as served:

        async def connect() -> Client:
            return Client(*await asyncio.open_connection("127.0.0.1", served.port, ssl=pki.context(), server_hostname="localhost"))

        down, up, endless = await connect(), await connect(), await connect()
        down.send(get("/store/whole/512"))
        await until(lambda: any(each._is_full for each in served.tcp._connections))
        assert store.made * len(BLOCK) < 16 * MIB
        assert (await down.response()).body == BLOCK * 512
        body = os.urandom(4 * MIB)
        up.send(put(len(body)) + body)
        assert (await up.response()).body.decode() == hashlib.sha256(body).hexdigest()
        endless.send(get("/store/endless/0"))
        await endless.head()
        before = store.stopped
        endless.close()
        await until(lambda: store.stopped == before + 1)
        down.close()
        up.close()
