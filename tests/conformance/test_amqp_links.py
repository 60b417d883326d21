"""AMQP 1.0: sessions, links, credit (AM-040 to AM-065), against the conversation that listeners serve and the broker behind it."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.broker.listeners import TopicSubscription
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import ObjectNotFound
from libvdsm.interfaces.messaging import Delivery
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.amqp.values import Described, Symbol
from tests.fakes.amqp_peer import ACCEPTED, AmqpPeer, Frame, body_of, info, message, served, turns
from tests.fakes.messaging import Messaging
from tests.fakes.messaging import message as plain


def condition(error: p.Error | None) -> str | None:
    return None if error is None else error.condition


def refused(client: AmqpPeer, attach: p.Attach) -> str | None:
    """The condition with which an attach was refused, in the form of 2.6.3."""
    answer, detach = client.attach(attach)
    assert isinstance(answer, p.Attach)
    assert (answer.source if attach.role else answer.target) is None
    assert isinstance(detach, p.Detach)
    assert detach.closed
    client.say(p.Detach(attach.handle, closed=True))
    assert client.hear() == []  # both sides have said it
    return condition(detach.error)


def in_attach(source: p.Source | None, name: str = "in", handle: int = 1, **more: Any) -> p.Attach:
    return p.Attach(name, handle, role=True, source=source, target=p.Target(), **more)


def out_attach(target: Any, name: str = "out", handle: int = 0, **more: Any) -> p.Attach:
    return p.Attach(name, handle, role=False, source=p.Source(), target=target, initial_delivery_count=0, **more)


# Sessions.


async def test_am_040_begin_is_answered_on_its_channel() -> None:
    _messaging, client = await served()
    begun = client.begin(channel=5)
    assert (begun.remote_channel, begun.handle_max) == (5, 255)
    assert begun.incoming_window == 2_048


async def test_am_040_begin_on_a_channel_in_use_and_as_an_answer() -> None:
    for begin, why in ((p.Begin(None, 0, 1, 1), "amqp:illegal-state"), (p.Begin(7, 0, 1, 1), "amqp:invalid-field")):
        _messaging, client = await served()
        client.say(begin, channel=0 if begin.remote_channel is None else 1)
        (close,) = client.heard(p.Close)
        assert condition(close.error) == why


async def test_am_040_end_ends_the_links_and_the_channel_is_free_again() -> None:
    messaging, client = await served()
    client.receiver()
    assert client.conversation.subscriptions == 1
    client.say(p.End())
    assert client.heard(p.End) == [p.End()]
    assert client.conversation.subscriptions == 0
    client.begin()
    client.receiver(credit=1)
    client.sender()
    client.send(message("x"))
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"x"]
    assert messaging.queues.get("work")[1].waiting == 0


async def test_am_040_what_comes_behind_our_end_counts_no_more() -> None:
    _messaging, client = await served()
    client.say(p.Transfer(9, 0, b"x", 0), payload=message())
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:unattached-handle"
    client.say(p.Transfer(9, 1, b"y", 0), payload=message())
    client.say(p.Flow(0, 1, 0, 1, echo=True))
    assert client.hear() == []
    client.say(p.End())
    assert client.hear() == []
    client.begin()


async def test_am_040_the_number_of_sessions_is_bounded() -> None:
    client = AmqpPeer(Messaging().exchange, wire=AmqpLimits(sessions=3))
    assert client.open().channel_max == 2
    for channel in range(3):
        client.begin(channel=channel)
    client.say(p.Begin(None, 0, 1, 1), channel=3)
    assert len(client.heard(p.Close)) == 1


async def test_am_041_no_window_no_transfers_until_a_flow() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange)
    client.open()
    client.begin(incoming_window=2)
    client.receiver(credit=0)
    client.say(p.Flow(0, 2, 0, 1_000, 1, 0, 10))
    session = messaging.open()
    for number in range(5):
        session.send("/queue/work", plain(f"{number}"))
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"0", b"1"]
    client.say(p.Flow(2, 2, 0, 1_000))
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"2", b"3"]
    client.say(p.Flow(4, 2, 0, 1_000))
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"4"]


async def test_am_041_a_peer_beyond_our_window() -> None:
    _messaging, client = await served(wire=AmqpLimits(window=4, credit=100))
    client.sender()
    frames = [p.Transfer(0, 0, b"t", 0, more=True)] + [p.Transfer(0, more=True)] * 4
    client.raw(b"".join(encode_frame(0, each, b"\x00") for each in frames))
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:window-violation"


async def test_am_041_our_window_is_opened_again() -> None:
    _messaging, client = await served(wire=AmqpLimits(window=4))
    client.sender()
    for number in range(20):
        client.send(message(str(number)), settled=True)
    assert any(each.incoming_window == 4 and each.handle is None for each in client.heard(p.Flow))


async def test_am_042_a_flow_with_echo_is_answered() -> None:
    _messaging, client = await served()
    client.say(p.Flow(0, 1_000, 0, 1_000, echo=True))
    (flow,) = client.heard(p.Flow)
    assert (flow.handle, flow.next_incoming_id, flow.incoming_window) == (None, 0, 2_048)
    client.receiver()
    client.credit(7, echo=True)
    (flow,) = client.heard(p.Flow)
    assert (flow.handle, flow.link_credit, flow.delivery_count) == (1, 7, 0)
    client.sender()
    client.say(p.Flow(0, 1_000, 0, 1_000, 0, 0, echo=True))
    (flow,) = client.heard(p.Flow)
    assert (flow.handle, flow.link_credit) == (0, 256)


async def test_am_042_a_flow_for_no_link() -> None:
    _messaging, client = await served()
    client.credit(1, handle=8)
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:unattached-handle"


# Links.


async def test_am_050_attach_is_answered_with_both_ends() -> None:
    _messaging, client = await served()
    answer = client.receiver()
    assert (answer.name, answer.role, answer.initial_delivery_count) == ("in", False, 0)
    assert answer.source is not None
    assert answer.source.address == "/queue/work"
    assert answer.target == p.Target()
    answer = client.sender()
    assert answer.role
    assert isinstance(answer.target, p.Target)
    assert answer.target.address == "/queue/work"
    assert answer.source == p.Source()


@pytest.mark.parametrize(
    ("address", "why"),
    (
        ("/queue/nothing", "amqp:not-found"),
        ("/nonsense", "amqp:invalid-field"),
        ("/exchange/requests", "amqp:unauthorized-access"),
        (None, "amqp:invalid-field"),
    ),
)
async def test_am_051_sources_that_are_refused(address: str | None, why: str) -> None:
    _messaging, client = await served()
    assert refused(client, in_attach(p.Source(address))) == why
    assert client.endpoint.counters.refused_links == (address is not None)
    client.receiver()


async def test_am_051_without_the_right() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange, caller=Caller(identity="user:eve", source="token", roles=(), rights=Rights()))
    client.open()
    client.begin()
    assert refused(client, in_attach(p.Source("/queue/work"))) in {"amqp:not-found", "amqp:unauthorized-access"}
    assert refused(client, in_attach(p.Source("/topic/chat"))) == "amqp:unauthorized-access"


@pytest.mark.parametrize(
    ("address", "why"),
    (
        ("/queue/nothing", "amqp:not-found"),
        ("/temp-queue/guessed", "amqp:not-found"),
        ("/exchange/requests", "amqp:not-found"),  # of which there are none in this broker
        ("/topic/vm.1", "amqp:unauthorized-access"),  # events are the daemon's
        ("/topic/a.*", "amqp:invalid-field"),
        ("/nonsense", "amqp:invalid-field"),
    ),
)
async def test_am_051_targets_that_are_refused(address: str, why: str) -> None:
    _messaging, client = await served()
    assert refused(client, out_attach(p.Target(address))) == why
    assert client.endpoint.counters.refused_links == 1
    client.sender()
    client.send(message("x"))
    assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]


async def test_am_051_what_is_sent_on_behind_an_attach_that_is_refused_counts_no_more() -> None:
    messaging, client = await served()
    client.say(out_attach(p.Target("/queue/nothing")), p.Transfer(0, 0, b"t", 0), payload=message())
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [type(each) for each in heard] == [p.Attach, p.Detach]
    await messaging.queue("nothing")
    client.say(p.Detach(0, closed=True))
    client.sender("/queue/nothing")
    client.next_id = 1
    client.send(message("y"))
    assert messaging.queues.get("nothing")[1].waiting == 1


async def test_am_051_a_target_that_is_not_his_looks_as_one_that_is_not_there() -> None:
    messaging, client = await served(project="theirs", rights=Rights(projects={"mine": frozenset({"queue.send"})}))
    told: list[str] = []
    messaging.exchange.refused = lambda _caller, permission, *_: told.append(permission)
    answers = []
    for name in ("work", "none"):
        answer, detach = client.attach(out_attach(p.Target(f"/queue/{name}")))
        assert isinstance(answer, p.Attach)
        assert answer.target is None
        assert condition(detach.error) == "amqp:not-found"
        answers.append((detach.error.description.replace(name, "NAME"), detach.error.info))
        client.say(p.Detach(0, closed=True))
        client.hear()
    assert answers[0] == answers[1]
    assert told == ["queue.send"] * 2


async def test_am_051_a_target_without_the_right() -> None:
    _messaging, client = await served(rights=Rights())
    for address in ("/queue/work", "/queue/none", "/topic/chat"):
        assert refused(client, out_attach(p.Target(address))) == "amqp:unauthorized-access"


async def test_am_051_targets_without_an_address_of_their_own_are_judged_later_or_not_at_all() -> None:
    _messaging, client = await served(rights=Rights())
    assert isinstance(client.sender(None).target, p.Target)
    answer, _flow = client.attach(out_attach(p.Target(dynamic=True), name="b", handle=2))
    assert answer.target.address.startswith("/temp-queue/")
    client.send(message("x"), handle=2)
    assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]


async def test_am_051_errors_say_their_name_and_what_to_do() -> None:
    _messaging, client = await served()
    missing = ObjectNotFound(type="queue", id="none")
    for attach in (out_attach(p.Target("/queue/none")), in_attach(p.Source("/queue/none"))):
        _answer, detach = client.attach(attach)
        assert detach.error == p.Error("amqp:not-found", missing.message, info(missing))
        assert {type(key) for key in detach.error.info} == {Symbol}
        client.say(p.Detach(attach.handle, closed=True))
        client.hear()
    _answer, detach = client.attach(out_attach(None))
    assert set(detach.error.info) == {"remedy"}  # it is AMQP's own
    assert detach.error.info["remedy"]


async def test_am_051_no_source_and_no_target() -> None:
    _messaging, client = await served()
    assert refused(client, in_attach(None)) == "amqp:invalid-field"
    assert refused(client, out_attach(None)) == "amqp:invalid-field"


async def test_am_052_a_handle_in_use() -> None:
    _messaging, client = await served()
    client.receiver()
    client.say(in_attach(p.Source("/queue/work"), name="other"))
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:handle-in-use"


async def test_am_052_a_handle_above_handle_max() -> None:
    _messaging, client = await served()
    client.say(in_attach(p.Source("/queue/work"), handle=256))
    (close,) = client.heard(p.Close)
    assert condition(close.error) == "amqp:connection:framing-error"


async def test_am_052_a_transfer_on_a_link_that_receives() -> None:
    _messaging, client = await served()
    client.receiver()
    client.say(p.Transfer(1, 0, b"x", 0), payload=message())
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:unattached-handle"


async def test_am_052_a_link_of_the_same_name_takes_the_place_of_the_old_one() -> None:
    messaging, client = await served()
    client.receiver(credit=5)
    detach, answer = client.attach(in_attach(p.Source("/queue/work"), handle=2))
    assert (detach.handle, condition(detach.error)) == (1, "amqp:link:stolen")
    assert (answer.handle, answer.name) == (2, "in")
    client.say(p.Detach(1, closed=True))
    client.credit(5, handle=2)
    messaging.open().send("/queue/work", plain("x"))
    await turns()
    assert [transfer.handle for transfer, _payload in client.transfers()] == [2]
    client.sender(name="in", handle=7)  # a link in the other direction is another one


async def test_am_053_modes_are_answered_as_they_are() -> None:
    _messaging, client = await served()
    for handle, asked, done in ((1, 0, 0), (2, 1, 1), (3, 2, 0)):
        answer = client.receiver(handle=handle, name=str(handle), snd_settle_mode=asked, rcv_settle_mode=1)
        assert (answer.snd_settle_mode, answer.rcv_settle_mode) == (done, 0)
    for handle, asked in ((4, 0), (5, 1), (6, 2)):
        answer = client.sender(handle=handle, name=str(handle), snd_settle_mode=asked, rcv_settle_mode=1)
        assert (answer.snd_settle_mode, answer.rcv_settle_mode) == (asked, 0)


async def test_am_054_the_size_of_messages_is_told_and_kept() -> None:
    _messaging, client = await served(wire=AmqpLimits(message_octets=1_000))
    assert client.sender().max_message_size == 1_000
    client.send(message("x" * 1_000))
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:link:message-size-exceeded"
    client.send(message("y"))  # on its way: it counts no more
    assert client.hear() == []
    client.say(p.Detach(0, closed=True))
    client.sender()
    client.say(p.Transfer(0, 5, b"t", 0, more=True), payload=bytes(600))
    client.say(p.Transfer(0, more=True), payload=bytes(600))
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:link:message-size-exceeded"


async def test_am_055_filters_that_are_not_known_are_not_echoed() -> None:
    _messaging, client = await served()
    selector = {Symbol("apache.org:selector-filter:string"): Described(Symbol("apache.org:selector-filter:string"), "a = 1")}
    answer = client.receiver(source=p.Source("/queue/work", filter=selector, capabilities=("shared", "queue")))
    assert answer.source is not None
    assert answer.source.filter is None
    assert answer.source.capabilities == ("queue",)


async def test_am_055_filters_of_events_are_echoed_and_judged() -> None:
    _messaging, client = await served()
    snapshot = {Symbol("vdsm:snapshot"): Described(Symbol("vdsm:snapshot"), True)}
    answer = client.receiver(source=p.Source("/topic/vm.#", filter=snapshot))
    assert answer.source is not None
    assert answer.source.filter == snapshot
    for name, value in (("resume", 7), ("filter", 7), ("filter", "{"), ("coalesce", True), ("coalesce", 10**6)):
        wrong = {Symbol(f"vdsm:{name}"): Described(Symbol(f"vdsm:{name}"), value)}
        assert refused(client, in_attach(p.Source("/topic/vm.#", filter=wrong), name="x", handle=3)) == "amqp:invalid-field"


async def test_am_055_events_are_filtered_and_merged() -> None:
    messaging, client = await served()
    wanted = {
        Symbol("vdsm:filter"): Described(Symbol("vdsm:filter"), '{"types":["task"]}'),
        Symbol("vdsm:coalesce"): Described(Symbol("vdsm:coalesce"), 2),
    }
    answer = client.receiver(source=p.Source("/topic/#", filter=wanted))
    assert answer.source is not None
    assert answer.source.filter == wanted
    (session,) = messaging.exchange._sessions
    (subscription,) = session.subscriptions.values()
    assert isinstance(subscription, TopicSubscription)
    assert subscription.free_part is None
    assert subscription.event_part is not None
    assert subscription.event_part.linger_s == 2


async def test_am_055_a_bare_name_with_a_capability() -> None:
    _messaging, client = await served()
    answer = client.receiver(source=p.Source("work", capabilities=("queue",)))
    assert answer.source is not None
    assert answer.source.address == "/queue/work"


async def test_am_056_each_message_says_where_it_goes() -> None:
    messaging, client = await served()
    await messaging.queue("other")
    client.sender(None)
    client.send(message("a", properties=[None, None, "/queue/work"]))
    client.send(message("b", properties=[None, None, "/queue/other"]))
    client.send(message("c", properties=[None, None, "/queue/nothing"]))
    client.send(message("d"))
    states = [(each.first, each.last, each.state.descriptor, each.state.value) for each in client.heard(p.Disposition)]
    assert [each[:3] for each in states] == [(0, 0, 0x24), (1, 1, 0x24), (2, 2, 0x25), (3, 3, 0x25)]
    assert states[2][3][0].value[0] == "amqp:not-found"
    assert states[3][3][0].value[0] == "amqp:invalid-field"
    assert [messaging.queues.get(name)[1].waiting for name in ("work", "other")] == [1, 1]


async def test_am_056_each_message_is_authorised() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange, caller=Caller(identity="user:eve", source="token", roles=(), rights=Rights()))
    client.open()
    client.begin()
    client.sender(None)
    client.send(message("a", properties=[None, None, "/topic/chat"]))
    (disposition,) = client.heard(p.Disposition)
    assert disposition.state.value[0].value[0] == "amqp:unauthorized-access"


# Credit.


async def test_am_060_nothing_without_credit_and_as_many_as_it_says() -> None:
    messaging, client = await served()
    session = messaging.open()
    for number in range(10):
        session.send("/queue/work", plain(str(number)))
    client.receiver()
    await turns()
    assert client.transfers() == []
    client.credit(3)
    await turns()
    assert len(client.transfers()) == 3
    client.credit(2, count=3)
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"3", b"4"]
    client.credit(5, count=3)  # said before it saw the last two
    await turns()
    assert len(client.transfers()) == 3


async def test_am_060_topics_wait_for_credit_too() -> None:
    messaging, client = await served()
    client.receiver("/topic/chat")
    session = messaging.open()
    for number in range(4):
        session.send("/topic/chat", plain(str(number)))
    await turns()
    assert client.transfers() == []
    client.credit(2)
    await turns()
    assert len(client.transfers()) == 2
    client.credit(2, count=2)
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"2", b"3"]


async def test_am_060_replies_wait_for_credit_too() -> None:
    _messaging, client = await served()
    conversation = client.conversation
    client.receiver("replies")
    (consumer,) = conversation._consumers
    for number in range(300):
        consumer.deliver(Delivery(tag=number, message=plain(str(number)), destination="replies"))
    assert client.transfers() == []
    assert consumer.is_full()
    assert client.endpoint.counters.dropped_answers == 44
    resumed: list[int] = []
    consumer.when_drained(lambda: resumed.append(1))
    client.credit(200)
    await turns()
    assert (len(client.transfers()), resumed) == (200, [])
    client.credit(100, count=200)
    await turns()
    assert (len(client.transfers()), resumed) == (56, [1])


async def test_am_061_a_sender_beyond_its_credit() -> None:
    _messaging, client = await served(wire=AmqpLimits(credit=2))
    client.sender()
    frames = [encode_frame(0, p.Transfer(0, number, bytes([number]), 0), message(str(number))) for number in range(3)]
    client.raw(b"".join(frames))
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    (detach,) = [each for each in heard if isinstance(each, p.Detach)]
    assert condition(detach.error) == "amqp:link:transfer-limit-exceeded"


async def test_am_061_credit_comes_back_at_half() -> None:
    _messaging, client = await served(wire=AmqpLimits(credit=4))
    client.sender()
    client.send(message("1"), settled=True)
    assert client.hear() == []
    client.send(message("2"), settled=True)
    (flow,) = client.heard(p.Flow)
    assert (flow.handle, flow.link_credit, flow.delivery_count) == (0, 4, 2)


async def test_am_062_drain_on_an_empty_queue_and_with_less_than_the_credit() -> None:
    messaging, client = await served()
    client.receiver()
    client.credit(10, drain=True)
    await turns()
    (flow,) = client.heard(p.Flow)
    assert (flow.drain, flow.link_credit, flow.delivery_count) == (True, 0, 10)
    session = messaging.open()
    session.send("/queue/work", plain("a"))
    await turns()
    assert client.transfers() == []
    client.credit(5, count=10, drain=True)
    await turns()
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [type(each) for each in heard] == [p.Transfer, p.Flow]
    assert (heard[1].link_credit, heard[1].delivery_count) == (0, 15)


async def test_am_062_drain_while_messages_come() -> None:
    messaging, client = await served()
    client.receiver()
    session = messaging.open()
    count = seen = 0
    for turn in range(20):
        session.send("/queue/work", plain(str(turn)))
        client.credit(3, count=count, drain=True)
        session.send("/queue/work", plain(f"{turn} too"))
        await turns()
        heard = [each.body for each in client.hear() if isinstance(each, Frame)]
        flows = [each for each in heard if isinstance(each, p.Flow)]
        transfers = len([each for each in heard if isinstance(each, p.Transfer)])
        seen += transfers
        count += 3
        assert transfers <= 3
        assert [each.delivery_count for each in flows] == [count] or transfers == 3
    assert seen == 40


async def test_am_062_drain_of_a_topic() -> None:
    _messaging, client = await served()
    client.receiver("/topic/chat")
    client.credit(4, drain=True)
    await turns()
    (flow,) = client.heard(p.Flow)
    assert (flow.drain, flow.link_credit, flow.delivery_count) == (True, 0, 4)


async def test_am_063_stop_while_messages_are_on_their_way() -> None:
    messaging, client = await served()
    client.receiver(credit=10)
    session = messaging.open()
    session.send("/queue/work", plain("a"))
    await turns()
    client.credit(0)
    session.send("/queue/work", plain("b"))
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"a"]
    client.credit(1, count=1)
    await turns()
    assert [body_of(payload) for _transfer, payload in client.transfers()] == [b"b"]


async def test_am_064_numbers_wrap() -> None:
    first = 2**32 - 3
    messaging, client = await served(wire=AmqpLimits(first_id=first))
    client.receiver()
    client.say(p.Flow(first, 100, 0, 100, 1, first, 8))
    session = messaging.open()
    for number in range(12):
        session.send("/queue/work", plain(str(number)))
    await turns()
    numbers = [transfer.delivery_id or 0 for transfer, _payload in client.transfers()]
    assert numbers == [(first + each) % 2**32 for each in range(8)]
    client.say(p.Disposition(role=True, first=numbers[0], last=numbers[-1], settled=True, state=ACCEPTED))
    assert messaging.queues.get("work")[1].unsettled == 0
    client.say(p.Flow(5, 100, 0, 100, 1, 5, 4))
    await turns()
    assert [transfer.delivery_id for transfer, _payload in client.transfers()] == [5, 6, 7, 8]


async def test_am_064_the_peers_numbers_wrap() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange, wire=AmqpLimits(credit=4, window=4))
    client.open()
    client.begin(next_outgoing_id=2**32 - 2)
    attach = p.Attach("out", 0, role=False, target=p.Target("/queue/work"), initial_delivery_count=2**32 - 2)
    client.attach(attach)
    client.next_id = 2**32 - 2
    for number in (2**32 - 2, 2**32 - 1, 0, 1):
        client.next_id = number
        client.send(message(str(number)))
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [each.first for each in heard if isinstance(each, p.Disposition)] == [2**32 - 2, 2**32 - 1, 0, 1]
    assert [each.delivery_count for each in heard if isinstance(each, p.Flow) and each.handle == 0] == [0, 2]


async def test_am_065_credit_is_raised_in_the_middle_of_a_message() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange)
    client.open(max_frame_size=512)
    client.begin(incoming_window=2)
    client.receiver()
    client.say(p.Flow(0, 2, 0, 100, 1, 0, 1))
    session = messaging.open()
    session.send("/queue/work", plain("a" * 2_000))
    session.send("/queue/work", plain("b"))
    await turns()
    parts = client.transfers()
    assert [transfer.more for transfer, _payload in parts] == [True, True]
    client.say(p.Flow(2, 0, 0, 100, 1, 0, 5))
    client.say(p.Flow(2, 100, 0, 100))
    await turns()
    parts += client.transfers()
    end = [index for index, (transfer, _payload) in enumerate(parts) if not transfer.more]
    assert len(end) == 2
    whole = b"".join(payload for _transfer, payload in parts[: end[0] + 1])
    assert body_of(whole) == b"a" * 2_000
    assert body_of(parts[-1][1]) == b"b"
