"""Pages on real connections: what a topic tells many, beside all else that goes over the same sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from libvdsm.base.tls import server_context
from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.broker.session import BrokerSession
from libvdsm.interfaces.caller import PageSink, Rights
from libvdsm.interfaces.generated.types import EventSubscribeParams
from libvdsm.interfaces.journal import Entry
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.transports.line import LineConnection
from libvdsm.transports.rawjson import JsonConnection
from libvdsm.wire.stomp.frames import encode
from tests.fakes.certificates import Pki
from tests.fakes.messaging import ALL, Messaging, message, turns
from tests.fakes.recording_bridge import Client, Served, serve, until
from tests.fakes.stomp_peer import FakeRpc, login
from tests.fakes.websocket_peer import BINARY, TEXT, Peer, hello

NEWS = "/topic/news"
CONNECT = b"CONNECT\naccept-version:1.2\nhost:h\n\n\0"


@dataclass
class Hall:
    """A broker behind a listener, and somebody who publishes."""

    world: Messaging
    served: Served
    sender: BrokerSession
    tls: ssl.SSLContext | None = None  # of clients

    async def greeted(self, connect: bytes = CONNECT, rights: Rights = ALL) -> Client:
        """Somebody who has connected, and may do all."""
        known = set(self.served.tcp._connections)
        if self.tls is None:
            client = await self.served.connect()
        else:
            client = Client(*await asyncio.open_connection("127.0.0.1", self.served.port, ssl=self.tls, server_hostname="localhost"))
        client.send(connect)
        assert (await client.reader.readuntil(b"\0")).startswith(b"CONNECTED\n")
        (connection,) = self.served.tcp._connections - known
        assert connection.caller is not None
        connection.caller.entitle((), rights)
        return client

    async def hearing(self, *headers: tuple[str, str], to: str = NEWS, id: str = "0", connect: bytes = CONNECT) -> Client:
        """Somebody who hears a topic."""
        client = await self.greeted(connect)
        client.send(encode("SUBSCRIBE", [("destination", to), ("id", id), ("receipt", "r"), *headers]))
        assert (await client.reader.readuntil(b"\0")).startswith(b"RECEIPT\n")
        await turns()
        return client

    async def surfing(self) -> Peer:
        """Somebody who hears the topic over a WebSocket."""
        known = set(self.served.tcp._connections)
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.served.port))
        assert await peer.handshake(hello(protocols="v12.stomp")) == 101
        (connection,) = self.served.tcp._connections - known
        assert connection.caller is not None
        connection.caller.entitle((), ALL)
        peer.text(CONNECT + encode("SUBSCRIBE", [("destination", NEWS), ("id", "0"), ("receipt", "r")]))
        for _ in range(2):
            await peer.message()
        await turns()
        return peer

    def say(self, *texts: str) -> None:
        """Publish."""
        for text in texts:
            self.sender.send(NEWS, message(text))

    @property
    def members(self) -> int:
        """How many are told together with others."""
        return sum(group.size for group in self.world.exchange._following._groups.values())

    @property
    def connections(self) -> list[LineConnection]:  # type: ignore[type-arg]  # of whatever session
        """Those of the TCP listener, the oldest first."""
        return sorted(self.served.tcp._connections, key=lambda each: each.number)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def opened(limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hall]:
    """A hall, empty."""
    world = Messaging()
    endpoint = StompEndpoint(exchange=world.exchange, rpc=FakeRpc(), login=login)
    async with serve(limits, policy=ListenerPolicy(anonymous=True), stomp=endpoint, tls=tls) as served:
        yield Hall(world, served, world.open())


async def frames(client: Client, count: int) -> list[bytes]:
    """The next frames."""
    return [await client.reader.readuntil(b"\0") for _ in range(count)]


def body(frame: bytes) -> str:
    return frame.partition(b"\n\n")[2].rstrip(b"\0").decode()


async def test_all_that_is_sent_alike_is_one_object() -> None:
    async with opened() as hall:
        clients = [await hall.hearing(), await hall.hearing(), await hall.hearing(id="other")]
        assert hall.members == 3
        hall.say("a", "b")
        got = [await frames(each, 2) for each in clients]
        assert got[0] == got[1]
        assert [body(each) for each in got[2]] == ["a", "b"]
        assert b"\nsubscription:other\n" in got[2][0]
        names = {re.search(rb"\nmessage-id:(.*)\n", each)[1] for some in got for each in some}  # type: ignore[index]
        assert len(names) == 4
        for each in clients:
            each.close()


async def test_a_page_says_what_a_frame_of_its_own_would() -> None:
    """All but the message's id: whether a subscription is told alone does not show."""
    async with opened() as hall:
        together, alone = await hall.hearing(), await hall.hearing(("ack", "client"))
        assert hall.members == 1
        sent = message(
            "ü:\n", content_type="text/plain", headers={"a:b": "c\nd"}, subject="s", priority=7, expires_at=1e9, correlation_id="7"
        )
        hall.sender.send(NEWS, sent)
        (page,), (frame,) = await frames(together, 1), await frames(alone, 1)

        def bare(data: bytes) -> bytes:
            return re.sub(rb"\n(message-id|ack):.*", b"", data)

        assert bare(page) == bare(frame)
        together.close()
        alone.close()


async def test_a_page_does_not_overtake_what_waits_to_be_written() -> None:
    async with opened() as hall:
        client = await hall.hearing()
        (connection,) = hall.connections
        hall.say("page")
        connection.put(b"RECEIPT\n\n\0")  # written at the end of the turn, as the page is
        receipt, page = await frames(client, 2)
        assert (receipt, body(page)) == (b"RECEIPT\n\n\0", "page")
        client.close()


async def test_who_is_full_is_told_the_rest_when_he_reads() -> None:
    """His buffer holds its bound, others hear everything at once, and all comes in its order."""
    async with opened(Limits(write_octets=100_000)) as hall:
        slow, quick = await hall.hearing(), await hall.hearing()
        texts = [f"{number:03}" + "x" * 20_000 for number in range(400)]
        heard = []
        for at in range(0, 400, 20):
            hall.say(*texts[at : at + 20])
            heard += [body(each) for each in await frames(quick, 20)]
        assert heard == texts
        connection = hall.connections[0]
        assert connection.is_full()
        assert connection.unsent_octets() < 300_000
        assert hall.members == 1
        assert [body(each) for each in await frames(slow, 400)] == texts
        await until(lambda: hall.members == 2)
        hall.say("end")
        assert [body(each) for each in await frames(slow, 1)] == ["end"]
        slow.close()
        quick.close()


async def test_who_never_reads_is_cut_after_his_time() -> None:
    limits = Limits(write_octets=100_000, full_s=5)
    async with opened(limits) as hall:
        slow, quick = await hall.hearing(), await hall.hearing()
        for _ in range(40):
            hall.say(*["x" * 50_000] * 4)
            await frames(quick, 4)
        assert hall.connections[0].is_full()
        hall.served.pass_time(6)
        await until(lambda: len(hall.connections) == 1)
        assert hall.served.tcp.counters.slow_readers == 1
        assert hall.world.exchange.sessions() == 2  # the sender and the quick one
        slow.close()
        quick.close()


async def test_nothing_comes_behind_the_receipt_of_an_unsubscribe() -> None:
    async with opened() as hall:
        going, staying = await hall.hearing(), await hall.hearing()
        send = encode("SEND", [("destination", NEWS)], b"x")
        going.send(send + encode("UNSUBSCRIBE", [("id", "0"), ("receipt", "gone")]) + send)
        assert [body(each) for each in await frames(staying, 2)] == ["x", "x"]
        assert b"receipt-id:gone" in (await frames(going, 1))[0]
        going.send(encode("DISCONNECT", [("receipt", "bye")]))
        assert (await going.rest()).count(b"\0") == 1
        going.close()
        staying.close()


async def test_an_error_is_the_last_word_of_a_member() -> None:
    """Its rights go while a page waits: it is told why, and nothing behind that."""
    async with opened() as hall:
        client, other = await hall.hearing(), await hall.hearing()
        hall.say("x")
        caller = hall.connections[0].caller
        assert caller is not None
        caller.entitle((), Rights())
        assert re.fullmatch(rb"ERROR\n[^\0]*\0", await client.rest())
        assert [body(each) for each in await frames(other, 1)] == ["x"]
        assert hall.members == 1
        client.close()
        other.close()


async def test_ends_of_all_kinds_leave_nobody_behind() -> None:
    """Closed by us, broken off by the peer, gone in the turn of a message: the group has only who is there."""
    async with opened() as hall:
        clients = [await hall.hearing() for _ in range(5)]
        by_us, aborted, broken, lingering, last = hall.connections
        hall.say("x")
        by_us.close()
        aborted.abort()
        lingering.linger()
        assert hall.members == 2, "they are gone at once, before the page goes out"
        clients[2].vanish()
        assert [body(each) for each in await frames(clients[4], 1)] == ["x"]
        await until(lambda: broken not in hall.served.tcp._connections)
        assert hall.members == 1
        hall.say("y")
        assert [body(each) for each in await frames(clients[4], 1)] == ["y"]
        assert hall.world.exchange.counters.dropped_answers == 0
        assert last in hall.served.tcp._connections
        for each in clients:
            each.close()


async def test_what_pages_wrote_is_in_the_book() -> None:
    async with opened() as hall:
        client = await hall.hearing()
        registry = hall.served.tcp.registry
        (entry,) = registry.after(0)
        before = entry.sent_octets
        hall.say("a", "b")
        got = b"".join(await frames(client, 2))
        for _ in range(2):
            (entry,) = registry.after(0)
            assert entry.sent_octets == before + len(got)
        hall.connections[0]._leave_pages()
        hall.say("c")
        got += (await frames(client, 1))[0]
        assert registry.find(entry.number) is entry
        assert entry.sent_octets == before + len(got)
        client.close()


async def test_pages_are_signs_of_life() -> None:
    async with opened() as hall:
        client = await hall.hearing(connect=CONNECT.replace(b"host:h", b"host:h\nheart-beat:0,20000"))
        session = hall.connections[0]._session
        session.has_paged()
        assert not session.has_paged()
        hall.say("x")
        await frames(client, 1)
        assert session.has_paged()
        assert not session.has_paged()
        client.close()


async def test_over_a_websocket_each_frame_is_a_message() -> None:
    async with opened() as hall:
        peers, client = [await hall.surfing(), await hall.surfing()], await hall.hearing()
        assert hall.members == 3
        hall.say("a", "b")
        hall.sender.send(NEWS, message("").__class__(body=b"\xff", durable=False))
        got = [[await peer.frame() for _ in range(3)] for peer in peers]
        assert got[0] == got[1]
        assert [opcode for opcode, _ in got[0]] == [TEXT, TEXT, BINARY]
        assert [body(each) for _, each in got[0][:2]] == ["a", "b"]
        assert [body(each) for each in (await frames(client, 3))[:2]] == ["a", "b"]
        for peer in peers:
            await peer.leave()
        await until(lambda: hall.members == 1)
        client.close()


async def test_the_old_java_client_is_told_alone_as_soon_as_it_is_known() -> None:
    """By the names that it uses: its frames are padded, in time for what was published before."""
    async with opened() as hall:
        client = await hall.greeted()
        client.send(encode("SUBSCRIBE", [("destination", NEWS), ("id", "0")]))
        await until(lambda: hall.members == 1)
        client.send(encode("SUBSCRIBE", [("destination", "jms.queue.events"), ("id", "1")]))
        await until(lambda: hall.members == 0)
        hall.sender.send(NEWS, message("[]", content_type="application/json"))
        (padded,) = await frames(client, 1)
        assert len(padded) > 1024
        client.close()


async def test_events_go_the_same_road_with_their_tokens() -> None:
    async with opened() as hall:
        clients = [await hall.hearing(to="/topic/vm.#") for _ in range(2)]
        for id in "12":
            sequence = hall.world.journal.next_sequence()
            event = {"epoch": "e", "sequence": sequence, "topic": f"vm.{id}", "object": {"type": "vm", "id": id}, "change": "changed"}
            hall.world.journal.append(Entry(sequence, f"vm.{id}", "vm", id, msgspec.json.encode(event)))
        got = [await frames(each, 2) for each in clients]
        assert got[0] == got[1]
        assert [json.loads(body(each))["object"]["id"] for each in got[0]] == ["1", "2"]
        token = re.search(rb"\nresume:(.*)\n", got[0][0])[1].decode()  # type: ignore[index]
        assert hall.world.exchange.counters.events == 4
        again = await hall.hearing(("resume", token), to="/topic/vm.#")
        (late,) = await frames(again, 1)
        assert json.loads(body(late))["object"]["id"] == "2"
        for each in (*clients, again):
            each.close()


async def test_raw_json_and_json_in_a_websocket_take_pages_of_events() -> None:
    """What is told together is what is told alone, behind the answer that came before it; what it was is counted and in the book."""
    async with opened() as hall:
        raw = await hall.served.connect()
        surfing = Peer(*await asyncio.open_connection("127.0.0.1", hall.served.port))
        assert await surfing.handshake(hello(protocols="jsonrpc")) == 101
        call = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
        raw.send(call + b"\n")
        surfing.text(call)
        assert json.loads(await raw.line()) == json.loads(await surfing.message())
        events = hall.served.tcp.counters.events
        for connection in hall.connections:
            assert isinstance(connection, PageSink)
            assert connection.caller is not None
            connection.caller.entitle((), ALL)
            hall.world.broker.event_subscribe(connection.caller, EventSubscribeParams())
        await turns()
        following = hall.world.broker._following
        assert sum(group.size for group in following._groups.values()) == 2
        for number in (1, 2):
            event = {"epoch": "e", "sequence": number, "topic": "vm.1", "object": {"type": "vm", "id": "1"}, "change": "changed"}
            assert hall.world.journal.next_sequence() == number
            hall.world.journal.append(Entry(number, "vm.1", "vm", "1", msgspec.json.encode(event)))
            next(each for each in hall.served.tcp._connections if isinstance(each, JsonConnection)).put(b"before\n")
            await turns()
            assert await raw.line() == b"before\n"
            told = json.loads(await raw.line())
            assert (told["method"], told["params"]["event"]["sequence"]) == ("Event.deliver", number)
            assert json.loads(await surfing.message()) == told
        assert hall.served.tcp.counters.events == events + 4
        raw.close()
        surfing.writer.close()


async def test_over_tls_the_same_holds(tmp_path: Path) -> None:
    """Its transport says as well within a write that it is full."""
    pki = Pki(tmp_path)
    async with opened(Limits(write_octets=100_000), tls=server_context(pki.keys)) as hall:
        hall.tls = pki.context()
        slow, quick = await hall.hearing(), await hall.hearing()
        assert hall.members == 2
        texts = [f"{number:03}" + "x" * 20_000 for number in range(400)]
        heard = []
        for at in range(0, 400, 20):
            hall.say(*texts[at : at + 20])
            heard += [body(each) for each in await frames(quick, 20)]
        assert heard == texts
        assert hall.members == 1
        assert [body(each) for each in await frames(slow, 400)] == texts
        slow.close()
        quick.close()
