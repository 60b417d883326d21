"""WebSockets, line by line. The numbers are those of the project's checklist; the Autobahn catalogue has a file of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.interfaces.messaging import Message
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.wire.http.connection import HttpLimits
from libvdsm.wire.websocket.connection import FRAGMENT_OCTETS
from tests.fakes.exchange import FakeExchange
from tests.fakes.recording_bridge import RecordingBridge, Served, serve, until
from tests.fakes.websocket_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, closing, frame, hello

PAGE = "https://console.example"
STOMP = "v10.stomp, v11.stomp, v12.stomp"
CALL = b'{"jsonrpc":"2.0","id":1,"method":"sum","params":[1,2]}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":3}\n'


async def knock(served: Served, request: bytes, road: str = "unix") -> tuple[int, Peer]:
    """Ask for a WebSocket."""
    client = await served.connect(road)
    peer = Peer(client.reader, client.writer)
    return await peer.handshake(request), peer


async def status_of(served: Served, request: bytes) -> int:
    """What becomes of a request for a WebSocket that is not used."""
    status, peer = await knock(served, request)
    peer.writer.close()
    return status


@contextlib.asynccontextmanager
async def opened(served: Served, protocols: str = "jsonrpc", road: str = "unix") -> AsyncIterator[Peer]:
    """A WebSocket that is open; over the unix socket of somebody known, over TCP of a stranger."""
    status, peer = await knock(served, hello(protocols=protocols), road)
    assert status == 101
    try:
        yield peer
    finally:
        peer.writer.close()


async def failure(sent: bytes, limits: Limits | None = None) -> int:
    """The code with which a fresh connection is closed for what was sent."""
    async with serve(limits) as served, opened(served) as peer:
        peer.send(sent)
        return await peer.close_code()


# The handshake.


@pytest.mark.parametrize(
    ("old", "new", "status"),
    (
        ("GET ", "POST ", 400),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("Host: localhost\r\n", "", 400),
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade\r\n", "", 426),
        ("Connection: Upgrade", "Connection: keep-alive", 426),
        ("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n", "", 400),
        ("AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0O", 400),
        ("AAECAwQFBgcICQoLDA0ODw==", "not base64 at all", 400),
        ("AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==", 400),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 8, 13", 426),
    ),
)
async def test_ws_001_each_part_of_the_handshake_is_needed(old: str, new: str, status: int) -> None:
    """400 for what is wrong, 426 with the version for what could be said better; never 101."""
    async with serve() as served:
        request = hello().decode()
        assert old in request
        answered, peer = await knock(served, request.replace(old, new, 1).encode())
        assert answered == status
        if status == 426:
            assert peer.headers["sec-websocket-version"] == "13"
            assert peer.headers["upgrade"] == "websocket"
        peer.writer.close()


@pytest.mark.parametrize(
    ("old", "new"),
    (
        ("Upgrade: websocket", "uPGRADE: WebSocket"),
        ("Connection: Upgrade", "Connection: keep-alive, uPgRaDe"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
        ("Upgrade: websocket", "Upgrade:   websocket  "),
        ("Version: 13", "Version: 13 "),
        ("GET /ws", "GET http://localhost/ws"),
    ),
)
async def test_ws_001_tokens_in_any_case_and_among_others(old: str, new: str) -> None:
    """The header Connection is a list, and neither it nor Upgrade has a case; what is accepted is proved by the key."""
    async with serve() as served:
        status, peer = await knock(served, hello().decode().replace(old, new, 1).encode())
        assert status == 101
        peer.text(CALL)
        assert await peer.message() == ANSWER
        await peer.leave()


async def test_ws_001_a_refused_upgrade_leaves_a_connection_that_goes_on() -> None:
    """What is wrong is said, and the same connection may say it right."""
    async with serve() as served:
        status, peer = await knock(served, hello().replace(b"Version: 13", b"Version: 7"))
        assert status == 426
        assert await peer.handshake(hello()) == 101
        peer.text(CALL)
        assert await peer.message() == ANSWER
        await peer.leave()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    (
        ("", None),
        ("jsonrpc", "jsonrpc"),
        ("x, jsonrpc", "jsonrpc"),
        ("v12.stomp, jsonrpc", "v12.stomp"),
        ("jsonrpc, v12.stomp", "jsonrpc"),
        ("v10.stomp,v11.stomp", "v10.stomp"),
    ),
)
async def test_ws_002_the_first_of_the_clients_that_is_served(offered: str, chosen: str | None) -> None:
    """Only what was offered is chosen; offered none, none is named, and JSON-RPC is spoken."""
    async with serving_stomp() as served:
        status, peer = await knock(served, hello(protocols=offered))
        assert status == 101
        assert peer.headers.get("sec-websocket-protocol") == chosen
        if chosen is None:
            peer.text(CALL)
            assert await peer.message() == ANSWER
        peer.writer.close()


@pytest.mark.parametrize("offered", ("mqtt", "JSONRPC", "v13.stomp, amqp", "amqp"))
async def test_ws_002_none_in_common_is_refused(offered: str) -> None:
    """400, with the names of those that are served."""
    async with serving_stomp() as served:
        status, peer = await knock(served, hello(protocols=offered))
        assert status == 400
        assert "jsonrpc, v12.stomp, v11.stomp, v10.stomp, binary" in json.loads(peer.body)["error"]
        peer.writer.close()


async def test_ws_002_what_a_listener_does_not_speak_is_not_offered_in_a_websocket_either() -> None:
    """The protocols of the policy hold for both roads, and /ws itself can be switched off."""
    async with serving_stomp(ListenerPolicy(anonymous=True, protocols=frozenset({"http", "websocket", "json"}))) as served:
        assert await status_of(served, hello(protocols=STOMP)) == 400
    async with serving_stomp(ListenerPolicy(anonymous=True, protocols=frozenset({"http", "json"}))) as served:
        assert await status_of(served, hello()) == 404


@pytest.mark.parametrize(
    ("headers", "origin", "status"),
    (
        ((), PAGE, 101),
        ((), PAGE.upper(), 101),
        ((), "https://evil.example", 403),
        ((), PAGE + ".evil.example", 403),
        ((), "null", 403),
        ((), "", 101),
        (("Cookie: session=1",), "", 403),
        (("Sec-Fetch-Mode: websocket",), "", 101),  # as Node's own client does
        (("Cookie: session=1",), PAGE, 101),
    ),
)
async def test_ws_003_a_page_may_only_come_from_where_it_is_allowed(headers: tuple[str, ...], origin: str, status: int) -> None:
    """The origin is looked at before 101; without one comes who is no browser."""
    async with serve(policy=ListenerPolicy(anonymous=True, origins=(PAGE,))) as served:
        answered, peer = await knock(served, hello(*headers, origin=origin))
        assert answered == status
        peer.writer.close()


async def test_ws_003_a_page_offers_its_token_beside_the_sub_protocols() -> None:
    """It can send no header of its own; the token is never echoed, and a bad one is 401."""
    async with serve(policy=ListenerPolicy(anonymous=True, origins=(PAGE,))) as served:
        offered = "jsonrpc, bearer.good-token"
        assert await status_of(served, hello(protocols=offered, origin="https://evil.example")) == 403
        assert await status_of(served, hello(protocols="jsonrpc, bearer.bad", origin=PAGE)) == 401
        status, peer = await knock(served, hello(protocols=offered, origin=PAGE))
        assert status == 101
        assert peer.headers["sec-websocket-protocol"] == "jsonrpc"
        peer.text(CALL)
        await peer.message()
        assert served.bridge.calls[-1].caller.identity == "user:good-token"
        assert served.bridge.calls[-1].caller.sink is not None
        await peer.leave()


async def test_ws_003_the_header_authorization_serves_as_well() -> None:
    """Of a client that is no browser; a bad token is 401 before 101."""
    async with serve() as served:
        assert await status_of(served, hello("Authorization: Bearer bad")) == 401
        status, peer = await knock(served, hello("Authorization: Bearer good"))
        assert status == 101
        peer.text(CALL)
        await peer.message()
        assert served.bridge.calls[-1].caller.identity == "user:good"
        await peer.leave()


async def test_ws_004_limits_of_the_head() -> None:
    """Too many headers, too long a head: 431; a head that does not end: closed when its time is up."""
    async with serve(Limits(http=HttpLimits(headers=20, head_octets=4_096))) as served:
        assert await status_of(served, hello(*(f"X-{number}: y" for number in range(20)))) == 431
        assert await status_of(served, hello("X-Long: " + "y" * 4_096)) == 431
    async with serve() as served:
        client = await served.connect("unix")
        client.send(hello()[:-2])
        await until(lambda: any(connection.received_octets for connection in served.unix._connections))
        served.pass_time(served.unix.limits.head_s + 1)
        assert (await client.response()).status == 408
        client.close()


async def test_f22_a_frame_that_drips_ends_in_time_and_costs_the_others_nothing() -> None:
    """A slow-loris within a frame or between fragments: its message must be finished within its time."""
    async with serve() as served, opened(served) as dripping, opened(served) as fragmenting, opened(served) as other:
        dripped = frame(TEXT, CALL)
        dripping.send(dripped[:7])
        fragmenting.send(frame(TEXT, CALL[:7], fin=False))
        await until(lambda: sum(each._codec.is_partial for each in served.unix._connections) == 2)  # type: ignore[attr-defined]
        served.pass_time(1)
        for octet in dripped[7:12]:
            dripping.send(bytes((octet,)))
            served.pass_time(5)
        other.text(CALL)
        assert await other.message() == ANSWER
        for number in range(3):
            fragmenting.send(frame(CONTINUATION, CALL[7 + number : 8 + number], fin=False))
            await asyncio.sleep(0.001)
            served.pass_time(5)
        assert await closed(dripping) == 1008
        assert await closed(fragmenting) == 1008
        assert served.unix.counters.slow_senders == 2
        other.text(CALL)
        assert await other.message() == ANSWER


async def test_each_message_has_its_own_time() -> None:
    """A client that never ends a write with a message, and goes on for longer than one may take; a ping is none."""
    async with serve(Limits(beat_s=1e9)) as served, opened(served) as peer:
        whole = frame(TEXT, CALL)
        peer.send(whole[:9])
        for _ in range(4):
            peer.send(whole[9:] + whole[:9])
            assert await peer.message() == ANSWER
            await until(lambda: any(getattr(each, "_partial_since", 0) == served.clock[0] for each in served.unix._connections))
            served.pass_time(20)
        assert served.unix.counters.slow_senders == 0
        peer.send(whole[9:] + frame(TEXT, CALL[:9], fin=False))
        assert await peer.message() == ANSWER
        for _ in range(2):
            peer.send(frame(PING, b"x"))
            assert await peer.frame() == (PONG, b"x")
            served.pass_time(20)
        assert await closed(peer) == 1008


async def closed(peer: Peer) -> int:
    """The code of the close, behind pings."""
    while (each := await peer.frame())[0] == PING:
        pass
    opcode, data = each
    assert opcode == CLOSE
    return int.from_bytes(data[:2], "big")


async def test_ws_005_what_comes_with_the_request_is_kept() -> None:
    """Frames in the same write as the handshake are answered behind it."""
    async with serve() as served:
        status, peer = await knock(served, hello() + frame(TEXT, CALL) + frame(PING, b"x"))
        assert status == 101
        assert await peer.frame() == (TEXT, ANSWER)
        assert await peer.frame() == (PONG, b"x")
        await peer.leave()


# Frames.


async def test_ws_010_frames_of_a_client_are_masked() -> None:
    """1002, and nothing is carried out."""
    assert await failure(frame(TEXT, CALL, masked=False)) == 1002


@pytest.mark.parametrize("rsv", range(1, 8))
async def test_ws_011_reserved_bits(rsv: int) -> None:
    """No extension was agreed on: 1002."""
    assert await failure(frame(TEXT, CALL, rsv=rsv)) == 1002


@pytest.mark.parametrize("opcode", (3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
async def test_ws_012_reserved_opcodes(opcode: int) -> None:
    """1002."""
    assert await failure(frame(opcode, b"x")) == 1002


@pytest.mark.parametrize("opcode", (CLOSE, PING, PONG))
async def test_ws_013_control_frames_are_whole_and_short(opcode: int) -> None:
    """Fragmented or longer than 125 octets: 1002."""
    assert await failure(frame(opcode, b"", fin=False)) == 1002
    assert await failure(frame(opcode, b"\x03\xe8" + b"x" * 124)) == 1002


async def test_ws_014_fragments_follow_each_other() -> None:
    """A continuation of nothing, and a message within a message: 1002."""
    assert await failure(frame(CONTINUATION, b"x")) == 1002
    assert await failure(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x")) == 1002
    assert await failure(frame(TEXT, b"x", fin=False) + frame(BINARY, b"x")) == 1002


@pytest.mark.parametrize(
    "head",
    (b"\x81\xfe\x00\x7d", b"\x81\xff" + bytes(6) + b"\xff\xff", b"\x81\xff\x80" + bytes(7)),
    ids=("125 in two octets", "65535 in eight", "the first bit of eight"),
)
async def test_ws_015_lengths_are_written_as_short_as_can_be(head: bytes) -> None:
    """1002."""
    assert await failure(head + bytes(4)) == 1002


async def test_ws_016_control_frames_between_fragments_are_served_at_once() -> None:
    """A pong comes before the message that was begun earlier is whole."""
    async with serve() as served, opened(served) as peer:
        peer.send(frame(TEXT, CALL[:10], fin=False) + frame(PING, b"now"))
        assert await peer.frame() == (PONG, b"now")
        peer.send(frame(CONTINUATION, CALL[10:]))
        assert await peer.frame() == (TEXT, ANSWER)
        peer.send(frame(TEXT, CALL[:10], fin=False) + closing(1000))
        assert await peer.close_code() == 1000


async def test_ws_017_pings_are_answered_pongs_are_not_and_a_flood_is_bounded() -> None:
    """Whoever pings and does not read is not read from: what is owed to him is bounded, and he goes in the end."""
    async with serve(Limits(write_octets=50_000)) as served, opened(served) as peer:
        peer.send(frame(PONG, b"nobody asked") + frame(PING, b"payload"))
        assert await peer.frame() == (PONG, b"payload")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = frame(PING, b"x" * 125) * 400
        for _ in range(100):
            peer.send(flood)
        await until(lambda: any(connection.is_full() for connection in served.unix._connections))
        (connection,) = served.unix._connections
        for _ in range(20):
            await asyncio.sleep(0)
        assert connection.unsent_octets() < 200_000
        assert connection.received_octets < 100 * len(flood)
        served.pass_time(served.unix.limits.full_s + 1)
        served.pass_time(served.unix.limits.linger_s + 1)
        await until(lambda: not served.unix.connections)
        assert served.unix.counters.slow_readers == 1
        assert served.bridge.calls == []


async def test_ws_018_text_is_utf8_across_fragments_and_fails_fast() -> None:
    """1007 at the first octet that cannot be, in a frame whose end never comes; a character may be cut by a fragment."""
    assert await failure(frame(TEXT, b"\xce", fin=False) + frame(CONTINUATION, b"\xce", fin=False)) == 1007
    assert await failure(frame(TEXT, b'"\xf4\x90', declared=100)) == 1007
    assert await failure(frame(TEXT, b'"\xce')) == 1007
    async with serve() as served, opened(served) as peer:
        call = '{"jsonrpc":"2.0","id":1,"method":"echo","params":["ü€𐍈"]}'.encode()
        for cut in range(len(call)):
            peer.send(frame(TEXT, call[:cut], fin=False) + frame(CONTINUATION, call[cut:]))
            assert json.loads(await peer.message())["result"] == ["ü€𐍈"]


async def test_ws_019_the_limit_is_that_of_the_message() -> None:
    """Its frames and fragments together: 1009, before any of the frame that is too much has come."""
    limits = Limits(message_octets=100_000)
    assert await failure(frame(TEXT, b"", declared=100_001), limits) == 1009
    assert await failure(frame(TEXT, b" " * 60_000, fin=False) + frame(CONTINUATION, b"", declared=40_001), limits) == 1009
    async with serve(limits) as served, opened(served) as peer:
        peer.text(CALL.ljust(100_000))
        assert await peer.message() == ANSWER
        peer.send(frame(TEXT, CALL.ljust(60_000), fin=False) + frame(CONTINUATION, b" " * 40_000))
        assert await peer.message() == ANSWER


async def test_ws_019_empty_fragments_weigh_something() -> None:
    """Ten thousand of them are more than a message may have."""
    assert Limits().message_octets < 10_000 * FRAGMENT_OCTETS
    assert await failure(frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 10_000) == 1009


async def test_ws_019_a_stranger_has_less_until_he_logs_in() -> None:
    """64 KiB; then, on the same connection, what everybody has."""
    async with serve(Limits()) as served:
        async with opened(served, road="tcp") as peer:
            peer.send(frame(TEXT, b"", declared=64 * 1024 + 1))
            assert await peer.close_code() == 1009
        async with opened(served, road="tcp") as peer:
            peer.text(CALL)
            await peer.message()
            caller = served.bridge.calls[-1].caller
            caller.become("user:known", "token", (), caller.rights)
            peer.text(CALL.ljust(200_000))
            assert await peer.message() == ANSWER


@pytest.mark.parametrize("code", (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999))
async def test_ws_020_codes_that_may_be_sent_are_answered(code: int) -> None:
    """By the same code."""
    assert await failure(closing(code, b"because")) == code


@pytest.mark.parametrize("code", (0, 1, 999, 1004, 1005, 1006, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535))
async def test_ws_020_codes_that_may_not_be_sent(code: int) -> None:
    """1002: those that mean that nothing was sent, and those that nobody defined for a client to send."""
    assert await failure(closing(code)) == 1002


async def test_ws_020_half_a_code_bad_reasons_and_what_comes_after() -> None:
    """1002, 1007; a second close and data after the first are not looked at."""
    assert await failure(frame(CLOSE, b"\x03")) == 1002
    assert await failure(closing(1000, b"\xff")) == 1007
    assert await failure(frame(CLOSE)) == 0
    assert await failure(closing(1000) + closing(1001) + frame(TEXT, CALL) + b"\xff" * 100) == 1000


async def test_ws_021_who_does_not_answer_a_close_is_dropped() -> None:
    """We say the last word, wait for a while, and go."""
    async with serve() as served, opened(served) as peer:
        peer.send(frame(TEXT, CALL, masked=False))
        assert (await peer.frame())[0] == CLOSE
        for _ in range(20):
            peer.send(frame(TEXT, CALL))
            await asyncio.sleep(0)
        assert served.unix.connections == 1
        served.pass_time(served.unix.limits.linger_s + 0.1)
        await until(lambda: not served.unix.connections)
        assert served.bridge.calls == []


async def test_ws_022_compression_is_not_agreed_on() -> None:
    """Offered in every form, it is not in the answer, and a frame that is compressed all the same is 1002."""
    async with serve() as served:
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-deflate"
        status, peer = await knock(served, hello(offer))
        assert status == 101
        assert "sec-websocket-extensions" not in peer.headers
        peer.send(frame(TEXT, b"\x00\x00\x00\xff\xff", rsv=4))
        assert await peer.close_code() == 1002
        peer.writer.close()


async def test_ws_023_frames_are_split_at_each_octet() -> None:
    """Of every length's form: the same answers, wherever a read ends."""
    calls = [CALL, CALL.ljust(126), CALL.ljust(300)]
    octets = b"".join(frame(TEXT, call) for call in calls)
    async with serve() as served, opened(served) as peer:
        for cut in range(1, len(octets)):
            peer.send(octets[:cut])
            await asyncio.sleep(0)
            peer.send(octets[cut:])
            for _ in calls:
                assert await peer.message() == ANSWER
        for octet in octets:
            peer.send(bytes((octet,)))
            await asyncio.sleep(0)
        for _ in calls:
            assert await peer.message() == ANSWER


async def test_ws_024_a_slow_reader_is_told_why_and_dropped() -> None:
    """No more is carried out than has room; when the time is up comes 1013, for whoever still reads on."""
    async with serve(Limits(write_octets=100_000)) as served, opened(served) as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        echo = frame(TEXT, b'{"jsonrpc":"2.0","method":"echo","params":["' + b"x" * 10_000 + b'"],"id":1}')
        for _ in range(1_000):
            peer.send(echo)
        await until(lambda: any(connection.is_full() for connection in served.unix._connections))
        for _ in range(20):
            await asyncio.sleep(0)
        (connection,) = served.unix._connections
        carried_out = len(served.bridge.calls)
        assert carried_out < 100
        assert connection.unsent_octets() < 200_000
        served.pass_time(served.unix.limits.full_s + 1)
        assert served.unix.counters.slow_readers == 1
        served.pass_time(served.unix.limits.linger_s - 1)  # in which it may still read why
        assert served.unix.counters.slow_readers == 1
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(carried_out):
            assert (await peer.frame())[0] == TEXT
        assert await closed(peer) == 1013
        assert len(served.bridge.calls) == carried_out


async def test_ws_024_f18_who_reads_again_gets_everything() -> None:
    """Back-pressure loses nothing and keeps the order."""
    async with serve(Limits(write_octets=50_000)) as served, opened(served) as peer:

        async def send() -> None:
            for index in range(1_000):
                peer.text(b'{"jsonrpc":"2.0","method":"echo","params":["' + b"x" * 5_000 + b'"],"id":%d}' % index)
                await peer.writer.drain()

        sending = asyncio.create_task(send())
        await until(lambda: any(connection.is_full() for connection in served.unix._connections))
        for index in range(1_000):
            assert (await peer.message()).startswith(b'{"jsonrpc":"2.0","id":%d,' % index)
        await sending


# STOMP.


@contextlib.asynccontextmanager
async def serving_stomp(policy: ListenerPolicy | None = None) -> AsyncIterator[Served]:
    """A listener that speaks STOMP as well, over a broker in memory."""

    def login(caller: Caller, token: str) -> None:
        if token != "good":
            raise NotAuthenticated(reason="the token is not valid")
        caller.become("user:good", "token", (), caller.rights)

    stomp = StompEndpoint(exchange=_Exchange(), rpc=JsonRpcEndpoint(RecordingBridge()), login=login)
    async with serve(policy=policy, stomp=stomp) as served:
        yield served


class _Exchange(FakeExchange):
    """What is published is delivered in the next turn."""

    def put(self, destination: str, message: Message) -> None:
        super().put(destination, message)
        asyncio.get_running_loop().call_soon(self.run)


CONNECT = b"CONNECT\naccept-version:1.2\nhost:x\n\n\0"
SUBSCRIBE = b"SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0"
SEND = b"SEND\ndestination:/topic/a\n\nhello\0"


@pytest.mark.parametrize("opcode", (TEXT, BINARY))
@pytest.mark.parametrize("size", (1, 7, 1_000))
async def test_ws_025_stomp_frames_and_messages_are_cut_where_they_like(opcode: int, size: int) -> None:
    """Several frames in a message and one over many, as text and as binary: it is one stream."""
    stream = CONNECT + SUBSCRIBE + SEND + SEND
    async with serving_stomp() as served, opened(served, STOMP.split(", ")[2]) as peer:
        for at in range(0, len(stream), size):
            peer.send(frame(opcode, stream[at : at + size]))
        assert (await peer.message()).startswith(b"CONNECTED\n")
        for _ in range(2):
            got = await peer.message()
            assert got.startswith(b"MESSAGE\n")
            assert got.endswith(b"\n\nhello\0")
        await peer.leave()


async def test_ws_025_what_is_not_utf8_comes_in_binary() -> None:
    """A body of any octets; everything else is text."""
    async with serving_stomp() as served, opened(served, "v12.stomp") as peer:
        peer.send(frame(TEXT, CONNECT + SUBSCRIBE))
        assert (await peer.frame())[0] == TEXT
        for body, opcode in ((b"\xff\xfe", BINARY), ("ü".encode(), TEXT)):
            peer.send(frame(BINARY, b"SEND\ndestination:/topic/a\ncontent-length:2\n\n" + body + b"\0"))
            got = await peer.frame()
            assert got[0] == opcode
            assert body in got[1]


async def test_ws_025_the_version_is_that_of_the_sub_protocol() -> None:
    """A client that chose v11.stomp is not answered in 1.2."""
    async with serving_stomp() as served, opened(served, "v11.stomp") as peer:
        peer.text(b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:x\n\n\0")
        assert b"\nversion:1.1\n" in await peer.message()


async def test_ws_025_limits_are_those_of_the_stomp_frame() -> None:
    """However small the messages are: headers without an end are refused as over TCP."""
    async with serving_stomp() as served, opened(served, "v12.stomp") as peer:
        peer.send(frame(TEXT, CONNECT))
        await peer.message()
        for _ in range(2_000):
            peer.send(frame(TEXT, b"SEND\n" if _ == 0 else b"x:" + b"y" * 100 + b"\n"))
        assert (await peer.message()).startswith(b"ERROR\n")
        assert await peer.close_code() == 1000


# Who, and for how long.


async def test_ws_026_a_stranger_must_log_in_in_time() -> None:
    """Also over a WebSocket, also if it pings all the while; who is known may take its time."""
    async with serve() as served, opened(served, road="tcp") as stranger, opened(served) as known, opened(served, road="tcp") as late:
        late.text(CALL)
        await late.message()
        caller = served.bridge.calls[-1].caller
        caller.become("user:known", "token", (), caller.rights)
        stranger.send(frame(PING))
        assert await stranger.frame() == (PONG, b"")
        served.pass_time(served.tcp.limits.login_s - 0.1)
        assert served.tcp.connections == 2
        served.pass_time(0.2)
        assert await stranger.close_code() == 1008
        for peer in (known, late):
            peer.text(CALL)
            assert await peer.message() == ANSWER


async def test_ws_027_it_counts_as_every_connection_does() -> None:
    """Toward the number of all: whoever comes after is not taken in, and when it goes there is room."""
    async with serve(Limits(connections=1)) as served:
        async with opened(served) as peer:
            assert served.unix.connections == 1
            other = await served.connect("unix")
            assert await other.rest() == b""
            other.close()
            await peer.leave()
        await until(lambda: not served.unix.connections)
        async with opened(served) as peer:
            peer.text(CALL)
            assert await peer.message() == ANSWER


async def test_ws_028_the_end_of_what_proved_the_caller_ends_the_connection() -> None:
    """A token that is revoked, and one that expires: 1008, and nothing more is carried out."""
    now = [1_000.0]
    async with serve(wall=lambda: now[0]) as served:
        for how in ("revoked", "expired"):
            status, peer = await knock(served, hello("Authorization: Bearer good-" + how))
            assert status == 101
            peer.text(CALL)
            await peer.message()
            caller = served.bridge.calls[-1].caller
            if how == "revoked":
                caller.revoke("the token was revoked")
            else:
                (connection,) = served.unix._connections
                connection.expires_at = now[0] + 5
                now[0] += 6
                served.pass_time(1)
            assert await peer.close_code() == 1008
            peer.writer.close()
            await until(lambda: not served.unix.connections)


async def test_ws_028_rights_that_change_hold_from_the_next_message_on() -> None:
    """The session has the caller of the connection, who is changed where he stands."""
    async with serve() as served, opened(served) as peer:
        peer.text(CALL)
        await peer.message()
        before = served.bridge.calls[-1].caller
        before.become("user:other", "token", (), before.rights)
        peer.text(CALL)
        await peer.message()
        assert served.bridge.calls[-1].caller is before
        assert before.identity == "user:other"


@pytest.mark.parametrize(
    "request_text",
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT /ws HTTP/1.1\r\nHost: localhost\r\n:protocol: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        hello().replace(b"GET ", b"CONNECT ", 1),
    ),
    ids=("the preface of HTTP/2", "extended CONNECT", "CONNECT and Upgrade"),
)
async def test_ws_029_extended_connect_is_refused(request_text: bytes) -> None:
    """HTTP/2 is not spoken: no tunnel and no WebSocket comes of it."""
    async with serve() as served:
        client = await served.connect("unix")
        client.send(request_text)
        client.end()
        answer = await client.rest()
        assert not answer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200"))
        client.close()


# Beyond the checklist.


async def test_f21_a_peer_that_is_gone_is_found_within_two_beats() -> None:
    """It is asked after a beat of silence and let go after two; who answers stays, and so does who speaks."""
    async with serve() as served, opened(served) as gone, opened(served) as answering, opened(served) as speaking:
        beat = served.unix.limits.beat_s
        served.pass_time(1)
        served.pass_time(beat - 2)
        speaking.text(CALL)
        await speaking.message()
        served.pass_time(3)
        assert await gone.frame() == (PING, b"")
        assert await answering.frame() == (PING, b"")
        answering.send(frame(PONG))
        await asyncio.sleep(0.01)
        served.pass_time(1)
        served.pass_time(beat)
        await until(lambda: served.unix.connections == 2)
        assert await gone.reader.read() == b""
        assert await answering.frame() == (PING, b"")
        answering.text(CALL)
        speaking.text(CALL)
        assert await answering.message() == ANSWER
        assert await speaking.message() == ANSWER


async def test_events_are_notifications_among_answers() -> None:
    """What is delivered in one turn goes out in order and in one write, each in a message of its own."""
    async with serve() as served, opened(served) as peer:
        peer.text(b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe","params":{}}')
        assert b"subscriptionId" in await peer.message()
        sink = served.bridge.calls[-1].caller.sink
        assert sink is not None
        _deliver(sink, 50)
        for index in range(50):
            assert await peer.frame() == (TEXT, b'{"jsonrpc":"2.0","method":"Event.deliver","params":{"n":%d}}\n' % index)
        await peer.leave()
        await until(lambda: bool(served.bridge.released))
        assert served.bridge.released == [sink]
        sink.deliver(b"{}")  # too late, and harmless


def _deliver(sink: Sink, count: int) -> None:
    for index in range(count):
        sink.deliver(b'{"n":%d}' % index)


async def test_answers_that_come_later_and_the_end_of_the_daemon() -> None:
    """What is running is answered, then 1001; nothing more is begun."""
    async with serve() as served, opened(served) as peer:
        peer.text(b'{"jsonrpc":"2.0","id":7,"method":"slow","params":{"word":"a"}}')
        await until(lambda: served.bridge.begun == ["a"])
        (connection,) = served.unix._connections
        connection.shut_down()
        peer.text(CALL)
        await asyncio.sleep(0.01)
        served.bridge.open_gate("a")
        assert json.loads(await peer.message()) == {"jsonrpc": "2.0", "id": 7, "result": "a"}
        assert await peer.close_code() == 1001
        assert served.bridge.methods() == ["slow"]


async def test_who_goes_away_ends_its_queries() -> None:
    """And lets go of its subscriptions."""
    async with serve() as served, opened(served) as peer:
        peer.text(b'{"jsonrpc":"2.0","id":7,"method":"slow","params":{"word":"a"}}')
        await until(lambda: served.bridge.begun == ["a"])
        peer.writer.close()
        await until(lambda: served.bridge.cancelled == ["a"])
        assert len(served.bridge.released) == 1


async def test_calls_in_binary_and_batches_are_answered_in_text() -> None:
    """A batch is one message, its answers are one; a notification has none."""
    async with serve() as served, opened(served) as peer:
        peer.send(frame(BINARY, CALL))
        assert await peer.frame() == (TEXT, ANSWER)
        peer.text(b"[" + CALL + b"," + CALL + b"]")
        assert len(json.loads(await peer.message())) == 2
        peer.text(b'{"jsonrpc":"2.0","method":"update"}')
        peer.text(b"nonsense")
        assert json.loads(await peer.message())["error"]["code"] == -32700


@pytest.mark.parametrize(
    "target",
    ("/stream/t1", "/ws?ticket=t1", "/ws?x=y&ticket=t1", "http://localhost/stream/t1", "ws://localhost/ws?ticket=t1"),
)
async def test_a_stream_by_its_ticket(target: str) -> None:
    """Octets both ways in binary messages, once; then the ticket is worth nothing."""
    async with serve() as served:
        ours, theirs = socket.socketpair()
        served.bridge.streams["t1"] = theirs
        assert (
            await status_of(served, hello(path=target, protocols="jsonrpc")) == 400
        )  # what it is, is not what was asked for; the ticket stays
        status, peer = await knock(served, hello(path=target, protocols="binary") + frame(BINARY, b"early "))
        assert status == 101
        assert peer.headers["sec-websocket-protocol"] == "binary"
        peer.send(frame(BINARY, b"and ", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"late"))
        far = Peer(*await asyncio.open_connection(sock=ours))
        assert await far.reader.readexactly(14) == b"early and late"
        assert await peer.frame() == (PONG, b"p")
        far.send(b"\x00\xff" * 100)
        assert await peer.frame() == (BINARY, b"\x00\xff" * 100)
        far.writer.close()
        assert await peer.close_code() == 1000
        peer.writer.close()
        assert await status_of(served, hello(path=target, protocols="binary")) == 404


async def test_the_clients_close_ends_the_stream() -> None:
    """The local end sees the end of what was sent."""
    async with serve() as served:
        ours, theirs = socket.socketpair()
        served.bridge.streams["t1"] = theirs
        status, peer = await knock(served, hello(path="/stream/t1"))
        assert status == 101
        far = Peer(*await asyncio.open_connection(sock=ours))
        peer.send(frame(BINARY, b"x") + closing(1000))
        assert await peer.close_code() == 1000
        peer.writer.close()
        assert await far.reader.read() == b"x"
        far.writer.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    (
        (frame(BINARY, b"x", masked=False), 1002),
        (frame(BINARY, bytes(1_001)), 1009),
        (frame(BINARY, bytes(600), fin=False) + frame(CONTINUATION, bytes(600)), 1009),
        (frame(TEXT, b"\xff"), 1007),
        (closing(999), 1002),
    ),
)
async def test_a_broken_stream_is_told_and_ends_behind_what_was_sent_before(sent: bytes, code: int) -> None:
    """A tunnel is a WebSocket like every other: its frames are judged, its messages are bounded."""
    async with serve(Limits(tunnel_octets=1_000)) as served:
        ours, theirs = socket.socketpair()
        served.bridge.streams["t1"] = theirs
        status, peer = await knock(served, hello(path="/stream/t1"))
        assert status == 101
        far = Peer(*await asyncio.open_connection(sock=ours))
        peer.send(frame(BINARY, b"before") + sent + frame(BINARY, b"behind"))
        assert await peer.close_code() == code
        assert await far.reader.read() == b"before"
        peer.writer.close()
        far.writer.close()


async def test_f21_a_stream_whose_peer_is_gone_is_found_within_two_beats() -> None:
    """Who is silent for a beat is asked, and has another one to answer; what the local end says is no sign of the peer's life."""
    async with serve() as served:
        ours, theirs = socket.socketpair()
        served.bridge.streams["t1"] = theirs
        status, peer = await knock(served, hello(path="/stream/t1"))
        assert status == 101
        far = Peer(*await asyncio.open_connection(sock=ours))
        beat_s = served.unix.limits.beat_s
        served.pass_time(1)  # from here on it is silent
        for _ in range(2):
            served.pass_time(beat_s)
            assert await peer.frame() == (PING, b"")
            peer.send(frame(PONG, b"") + frame(BINARY, b"here"))
            assert await far.reader.readexactly(4) == b"here"
            served.pass_time(1)
        served.pass_time(beat_s)
        far.send(b"x")
        assert await peer.frame() == (PING, b"")
        assert await peer.frame() == (BINARY, b"x")
        served.pass_time(beat_s - 1)
        assert served.unix.connections == 1
        served.pass_time(1)
        assert await far.reader.read() == b""
        assert served.unix.counters.idle_closed == 1
        peer.writer.close()
        far.writer.close()
