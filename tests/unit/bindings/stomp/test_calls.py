"""Calls over STOMP: whither answers go, options beside them, and what may not be an address for replies."""

from __future__ import annotations

import asyncio

import pytest

from libvdsm.interfaces.generated.errors import ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.messaging import Delivery, Message
from tests.fakes.stomp_peer import World

CALL = ("destination", "/exchange/requests")


def test_an_answer_goes_to_the_temporary_queue_of_the_client_s_own_name() -> None:
    peer = World().connected()
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/mine"), ("correlation-id", "c:1"), body=b"x")
    answer = peer.frame()
    assert (answer.headers["subscription"], answer.headers["destination"]) == ("/temp-queue/mine", "/temp-queue/mine")
    assert (answer.headers["correlation-id"], answer.headers["content-type"], answer.body) == ("c:1", "application/json", b"[x]")


def test_others_are_told_the_name_that_nobody_guesses() -> None:
    world = World()
    peer, other = world.connected(), world.connected()
    other.subscribe("/queue/a")
    peer.send("SEND", ("destination", "/queue/a"), ("reply-to", "/temp-queue/mine"), body=b"x")
    reply_to = other.frame().headers["reply-to"]
    assert "unguessable" in reply_to
    other.send("SEND", ("destination", reply_to), body=b"y")
    answer = peer.frame()
    assert (answer.headers["destination"], answer.body) == ("/temp-queue/mine", b"y")
    peer.send("SEND", ("destination", "/temp-queue/mine"), body=b"z")
    assert peer.frame().body == b"z"


def test_a_temporary_queue_of_somebody_else_is_not_there() -> None:
    """What we have made up ourselves is never taken for a name that the client gives to one of its own."""
    world = World()
    peer, made_up = world.connected(), "/temp-queue/" + "a" * 24
    world.exchange.refusals[made_up] = ObjectNotFound(type="queue", id=made_up)
    peer.send("SUBSCRIBE", ("destination", made_up), ("id", "1"))
    assert peer.error().headers["error"] == "ObjectNotFound"


def test_the_broker_judges_every_other_reply_address() -> None:
    world = World()
    peer = world.connected()
    peer.send("SEND", CALL, ("reply-to", "/queue/a"), body=b"x")
    assert [message.reply_to for message in world.exchange.requests] == ["/queue/a"]
    assert world.rpc.asked == []
    world.exchange.refusals["/exchange/requests"] = PermissionDenied(identity="i", permission="queue.receive")
    peer.send("SEND", CALL, ("reply-to", "/queue/b"), ("receipt", "r"), body=b"x")
    assert peer.error().headers["receipt-id"] == "r"


def test_a_name_of_one_s_own_that_nobody_hears_is_an_error() -> None:
    peer = World().connected()
    peer.send("SEND", CALL, ("reply-to", "somewhere"), body=b"x")
    assert "reply-to" in peer.error().headers["message"]
    assert peer.world.rpc.asked == []


def test_options_come_as_headers() -> None:
    peer = World().connected()
    options = (
        ("vdsm-timeout", "2.5"),
        ("vdsm-wait", "5"),
        ("vdsm-idempotency-key", "k"),
        ("vdsm-expected-generation", "7"),
        ("traceparent", "t"),
    )
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), *options, body=b"x")
    assert peer.world.rpc.asked == [(b"x", b'{"timeout":2.5,"idempotencyKey":"k","expectedGeneration":7,"wait":5,"traceparent":"t"}')]
    peer.frames()
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), ("vdsm-timeout", "soon"), body=b"x")
    assert "vdsm-timeout" in peer.error().headers["message"]


@pytest.mark.parametrize("name", ("vdsm-idempotencykey", "Vdsm-Timeout"))
def test_a_misspelt_option_is_no_call_without_it(name: str) -> None:
    """The call would run, and perhaps twice."""
    peer = World().connected()
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), (name, "1"), body=b"x")
    assert name in peer.error().headers["message"]
    assert not peer.world.rpc.asked


def test_a_subscription_that_settles_gets_its_answers_through_the_broker() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/temp-queue/r", "r", ("ack", "client"))
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), body=b"x")
    assert world.rpc.asked == []
    assert "unguessable" in (world.exchange.requests[0].reply_to or "")


def test_calls_alike_take_the_short_way_and_every_change_ends_it() -> None:
    peer = World().connected(command="STOMP")
    peer.subscribe("/temp-queue/r", "r")
    call = b"SEND\ndestination:/exchange/requests\nreply-to:/temp-queue/r\ncontent-length:3\n\nabc\0"
    assert peer.session.take(call) is None  # nothing like it has come before
    peer.raw(call)
    assert peer.frame().body == b"[abc]"
    taken = peer.session.take(call)
    assert taken is not None
    assert taken.endswith(b"\n\n[abc]\0")
    for other in (
        call + b"\n",
        call[:-1],
        call + call,
        call.replace(b"abc", b"abcd"),
        call.replace(b"\n\n", b"\nreceipt:r\n\n"),
        b"\n",
        b"",
    ):
        assert peer.session.take(other) is None if other else True
    peer.session.receive(call[:20])
    peer.session.work(10)
    assert peer.session.take(call) is None
    peer.raw(call[20:])
    assert peer.session.take(call) is not None
    peer.send("UNSUBSCRIBE", ("id", "r"))
    assert peer.session.take(call) is None


async def test_answers_that_come_when_the_client_has_gone_are_dropped_and_counted() -> None:
    world = World()
    peer = world.connected()
    for _ in range(2):
        peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), body=b"slow")
    peer.session.close()
    world.rpc.later[0].set_result(b"late")
    world.rpc.later[1].cancel()
    await asyncio.sleep(0)
    assert peer.frames() == []
    assert world.endpoint.counters.dropped_answers == 1


async def test_a_half_closed_client_still_gets_its_answers() -> None:
    peer = World().connected()
    peer.send("SEND", CALL, ("reply-to", "/temp-queue/r"), body=b"slow")
    peer.session.ended()
    assert not peer.line.is_finished
    peer.world.rpc.later[0].set_result(b"late")
    await asyncio.sleep(0)
    assert peer.frame().body == b"late"
    assert peer.line.is_finished


@pytest.mark.parametrize("destination", ("jms.topic.vdsm_requests", "jms.topic.vdsm_irs_requests", "jms.topic.vdsm_requests.more"))
def test_vdsm_s_addresses_are_calls(destination: str) -> None:
    peer = World().connected(command="STOMP")
    peer.subscribe("a-name-of-its-own", "r")
    peer.send("SEND", ("destination", destination), ("reply-to", "a-name-of-its-own"), body=b"x")
    assert peer.frame().headers["destination"] == "a-name-of-its-own"
    peer.send("SEND", ("destination", "jms.topic.vdsm_requestsx"), body=b"x")
    assert len(peer.world.rpc.asked) == 1


def test_events_carry_their_token_and_a_subscription_resumes_there() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/topic/vm.*", "v", ("resume", "e-7"))
    peer.subscribe("/topic/task.#", "t", ("snapshot", "true"))
    wishes = [each.wish for each in world.exchange.subscriptions]
    assert [(wish.after, wish.snapshot) for wish in wishes] == [("e-7", False), (None, True)]
    world.exchange.tell("vm.1", b"{}", "e:8")
    event = peer.frame()
    assert (event.headers["resume"], event.headers["destination"]) == ("e:8", "/topic/vm.1")


def test_events_are_filtered_and_merged_as_headers_say() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/topic/vm.*", "v", ("filter", '{"types":["vm"],"fields":["state"]}'), ("coalesce", "0.5"))
    (wish,) = [each.wish for each in world.exchange.subscriptions]
    assert (wish.filter, wish.coalesce_s) == (EventFilter(types=["vm"], fields=["state"]), 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    (("filter", "[1]"), ("filter", "{"), ("filter", '{"x":1}'), ("coalesce", "nan"), ("coalesce", "1e9"), ("coalesce", "x")),
)
def test_a_wish_that_cannot_be_read_is_refused(name: str, value: str) -> None:
    world = World()
    peer = world.connected()
    peer.send("SUBSCRIBE", ("destination", "/topic/vm.*"), ("id", "v"), (name, value))
    assert (peer.frame().command, list(world.exchange.subscriptions)) == ("ERROR", [])


def test_what_many_get_is_encoded_once() -> None:
    world = World()
    peers = [world.connected() for _ in range(5)]
    for peer in peers:
        peer.subscribe("/topic/vm.#", "v")
    shared: dict[str, bytes] = {}
    message = Message(body=b"x" * 300, headers={"own": "a:b"})
    for each in world.exchange.subscriptions:
        each.consumer.deliver(Delivery(tag=1, message=message, destination="/topic/vm.1", shared=shared))
    assert list(shared) == ["stomp 1.2"]
    assert [peer.frame().headers["own"] for peer in peers] == ["a:b"] * 5
