"""Old clients are served as they need it, and nobody else is: vdsm's Java client above all."""

from __future__ import annotations

import asyncio

import pytest

from libvdsm.bindings.stomp.pace import PAUSE_S
from libvdsm.interfaces.messaging import Message
from tests.fakes.recording_bridge import until
from tests.fakes.stomp_peer import Peer, World

REQUESTS = "jms.topic.vdsm_requests"
#: What an old client's reading needs; see ``pace``.
BUFFER = 1_024


def old_client(world: World, *, is_secure: bool = False) -> Peer:
    """It says what vdsm's Java client says, SUBSCRIBE before CONNECT."""
    peer = world.peer(is_secure=is_secure)
    peer.raw(b"SUBSCRIBE\ndestination:jms.queue.events\nack:auto\nid:e\n\n\0")
    peer.raw(b"CONNECT\naccept-version:1.2\nhost:null\nheart-beat:0,5000\n\n\0")
    assert peer.line.alone == [b"".join(peer.line.written)]
    assert peer.frame().headers["version"] == "1.2"
    peer.raw(b"SUBSCRIBE\ndestination:jms.topic.vdsm_responses\nack:auto\nid:r\n\n\0")
    return peer


def ask(peer: Peer, body: bytes, *lines: bytes) -> None:
    """A call, with a raw colon in a header."""
    head = b"\n".join((b"SEND", b"destination:" + REQUESTS.encode(), *lines, b"ovirtCorrelationId:a:b\\c\\t"))
    peer.raw(head + b"\ncontent-length:%d\n\n%b\0" % (len(body), body))


def test_a_call_is_answered_where_vdsm_s_clients_expect_it() -> None:
    world = World()
    peer = old_client(world)
    ask(peer, b"call")
    ask(peer, b"call", b"reply-to:jms.topic.vdsm_responses")
    first, second = peer.frames()
    assert first.headers["subscription"] == second.headers["subscription"] == "r"
    assert first.headers["destination"] == "jms.topic.vdsm_responses"
    assert world.rpc.asked[0] == (b"call", b'{"flowId":"a:b:\\\\t"}')


def test_in_plain_every_answer_is_longer_than_the_buffer() -> None:
    peer = old_client(World())
    for length in (1, 10, 700, 990, 1_010, 5_000):
        ask(peer, b"x" * length)
    written = list(peer.line.written)
    assert len(written) == 6
    assert all(len(frame) > BUFFER for frame in written)
    assert [frame.body.rstrip() for frame in peer.frames()] == [b"[" + b"x" * length + b"]" for length in (1, 10, 700, 990, 1_010, 5_000)]


def test_events_are_padded_as_well() -> None:
    world = World()
    peer = old_client(world)
    subscription = world.exchange.subscriptions[0]
    assert subscription.wish.destination == "jms.queue.events"
    world.exchange.queues.clear()
    world.exchange.put(
        "jms.queue.events",
        Message(body=b"{}", content_type="application/json"),
    )
    frame = peer.frame()
    assert (len(frame.body) > 800, frame.body.rstrip(), frame.headers["destination"]) == (True, b"{}", "jms.queue.events")


async def test_over_tls_every_answer_is_a_record_of_its_own_two_milliseconds_after_the_one_before() -> None:
    peer = old_client(World(), is_secure=True)
    for _ in range(5):
        ask(peer, b"call")
    assert len(peer.line.alone) == 2  # CONNECTED and one answer
    began = asyncio.get_running_loop().time()
    await until(lambda: len(peer.line.alone) == 6)
    assert asyncio.get_running_loop().time() - began >= 3 * PAUSE_S
    assert all(frame.startswith(b"MESSAGE\n") for frame in peer.line.alone[1:])
    peer.session.close()


async def test_over_tls_the_end_comes_behind_the_last_answer() -> None:
    peer = old_client(World(), is_secure=True)
    for _ in range(3):
        ask(peer, b"call")
    peer.raw(b"DISCONNECT\nreceipt:r\n\n\0")
    assert not peer.line.is_finished
    await until(lambda: peer.line.is_finished)
    assert peer.line.alone[-1].startswith(b"RECEIPT")


def test_a_content_type_a_receipt_or_a_modern_greeting_shows_another_client() -> None:
    peer = old_client(World())
    ask(peer, b"call", b"content-type:application/json")
    ask(peer, b"call")
    assert all(len(frame) < BUFFER for frame in peer.line.written)
    for greeting in (
        b"STOMP\naccept-version:1.2\nhost:h",
        b"CONNECT\naccept-version:1.1,1.2\nhost:h",
        b"CONNECT\naccept-version:1.2\nlogin:anonymous",
    ):
        peer = World().peer()
        peer.raw(greeting + b"\n\n\0SUBSCRIBE\ndestination:jms.topic.vdsm_responses\nid:r\n\n\0")
        assert peer.frame().command == "CONNECTED"
        peer.raw(b"SEND\ndestination:%b\n\ncall\0" % REQUESTS.encode())
        assert len(peer.line.written[0]) < BUFFER
        peer.raw(b"SEND\ndestination:/queue/a\nown:a:b\n\n\0")
        assert "colon" in peer.error().headers["message"]


@pytest.mark.parametrize(
    "sign",
    (
        b"SUBSCRIBE\ndestination:/queue/a\nid:1\nack:client\n\n\0",
        b"SEND\ndestination:/queue/a\nreceipt:1\n\n\0",
        b"BEGIN\ntransaction:t\n\n\0",
    ),
)
def test_what_is_modern_is_held_to_the_letter(sign: bytes) -> None:
    odd = b"SEND\ndestination:/queue/a\nown:a:b\\t\n\n\0"
    peer = World().connected()
    peer.raw(odd + odd)
    assert not peer.line.is_finished
    peer.raw(sign + odd)
    assert peer.frames()[-1].command == "ERROR"


def test_a_strict_listener_serves_nobody_like_this() -> None:
    peer = World().peer(is_strict=True)
    peer.raw(b"CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\ndestination:jms.topic.vdsm_responses\nid:r\n\n\0")
    assert peer.frame().command == "CONNECTED"
    peer.raw(b"SEND\ndestination:%b\n\ncall\0" % REQUESTS.encode())
    assert len(peer.line.written[0]) < BUFFER
    peer.raw(b"SEND\ndestination:/queue/a\nown:a:b\n\n\0")
    peer.error()
