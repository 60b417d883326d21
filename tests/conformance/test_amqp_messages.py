"""AMQP 1.0: settlement, messages, nodes, ends (AM-070 to AM-104), against the conversation that listeners serve and the broker behind it."""

from __future__ import annotations

import contextlib
import tracemalloc
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.errors import ApiError
from libvdsm.bindings.amqp import messages
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import ObjectNotFound, PermissionDenied
from libvdsm.interfaces.messaging import Ack, Delivery, Message
from libvdsm.wire.amqp import decoding, encoding, sections
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.frames import encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.amqp.values import Array, Char, Decimal, Described, Float, Symbol, Timestamp, UByte, UInt, ULong
from tests.fakes.amqp_peer import ACCEPTED, RELEASED, AmqpPeer, Frame, body_of, info, message, served, turns
from tests.fakes.messaging import TEST, FakeConsumer, Messaging, subscribe
from tests.fakes.messaging import message as plain

DURABLE = [True]


def condition(error: p.Error | None) -> str | None:
    return None if error is None else error.condition


def outcome(code: int, *fields: object) -> Described:
    return Described(ULong(code), list(fields))


async def delivered(client: AmqpPeer, messaging: Messaging, *texts: str, credit: int = 100) -> list[int]:
    """Messages that reached the client; their numbers."""
    client.receiver(credit=credit)
    session = messaging.open()
    for text in texts:
        session.send("/queue/work", plain(text))
    await turns()
    numbers = [transfer.delivery_id for transfer, _payload in client.transfers()]
    assert len(numbers) == len(texts)
    return [each for each in numbers if each is not None]


def settle(client: AmqpPeer, first: int, last: int | None, state: object, *, settled: bool = True) -> None:
    client.say(p.Disposition(role=True, first=first, last=last, settled=settled, state=state))


# Settlement.


@pytest.mark.parametrize(("mode", "settled"), ((0, False), (1, True), (2, False), (2, True)))
async def test_am_070_deliveries_are_settled_as_the_link_says(mode: int, settled: bool) -> None:
    messaging, client = await served()
    client.sender(snd_settle_mode=mode)
    client.send(message("x"), settled=settled)
    answers = client.heard(p.Disposition)
    assert answers == ([] if settled else [p.Disposition(role=True, first=0, last=0, settled=True, state=ACCEPTED)])
    assert messaging.queues.get("work")[1].waiting == 1


@pytest.mark.parametrize(("mode", "settled"), ((0, True), (1, False), (1, None)))
async def test_am_070_against_what_the_link_said(mode: int, settled: bool | None) -> None:
    messaging, client = await served()
    client.sender(snd_settle_mode=mode)
    client.send(message("x"), settled=settled)
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:illegal-state"
    assert messaging.queues.get("work")[1].waiting == 0


@pytest.mark.parametrize(
    ("mode", "said", "is_well"),
    (
        (0, (None, None, None), True),
        (0, (False, None, True), False),
        (1, (True, None, None), True),
        (1, (None, None, True), True),  # said at the last is said of all (2.7.5)
        (1, (None, False, None), False),
        (2, (None, True, None), True),
    ),
)
async def test_am_070_what_several_frames_say_of_one_delivery(mode: int, said: tuple[bool | None, ...], is_well: bool) -> None:
    messaging, client = await served()
    client.sender(snd_settle_mode=mode)
    payload = message("several")
    client.say(p.Transfer(0, 0, b"t", 0, settled=said[0], more=True), payload=payload[:3])
    client.say(p.Transfer(0, settled=said[1], more=True), payload=payload[3:5])
    client.say(p.Transfer(0, settled=said[2]), payload=payload[5:])
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert messaging.queues.get("work")[1].waiting == is_well
    if not is_well:
        assert [condition(each.error) for each in heard if isinstance(each, p.Detach)] == ["amqp:illegal-state"]
    else:
        answers = [each for each in heard if isinstance(each, p.Disposition)]
        assert len(answers) == (0 if True in said else 1)


async def test_am_070_a_receiver_that_wants_settled_ones() -> None:
    messaging, client = await served()
    client.receiver(credit=5, snd_settle_mode=1)
    messaging.open().send("/queue/work", plain("x"))
    await turns()
    assert [transfer.settled for transfer, _payload in client.transfers()] == [True]
    assert messaging.queues.get("work")[1].unsettled == 0


async def test_am_071_who_settles_second_is_told_that_it_is_first_and_answered_all_the_same() -> None:
    messaging, client = await served()
    assert client.receiver(credit=5, rcv_settle_mode=1).rcv_settle_mode == 0
    messaging.open().send("/queue/work", plain("x"))
    await turns()
    client.transfers()
    settle(client, 0, None, ACCEPTED, settled=False)
    assert client.heard(p.Disposition) == [p.Disposition(role=False, first=0, last=0, settled=True, state=ACCEPTED)]
    assert messaging.queues.get("work")[1].unsettled == 0


async def test_am_072_accepted_is_done() -> None:
    messaging, client = await served()
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, ACCEPTED)
    await turns()
    assert client.transfers() == []
    assert messaging.queues.get("work")[1].unsettled == 0


async def test_am_072_rejected_goes_to_the_dead_letters() -> None:
    messaging, client = await served(dead_letter="dead")
    await messaging.queue("dead")
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, outcome(0x25, Described(ULong(0x1D), [Symbol("test:bad"), "too bad"])))
    await turns()
    assert messaging.queues.get("dead")[1].waiting == 1
    client.receiver(handle=9, name="dead", credit=1, source=p.Source("/queue/dead"))
    await turns()
    ((_transfer, payload),) = client.transfers()
    parts = sections.split(payload)
    assert parts.annotations is not None
    found, _end = decoding.decode(payload, parts.annotations[0] + 3)
    assert isinstance(found, dict)
    assert {name: value for name, value in found.items() if "dead" in name} == {
        "x-opt-vdsm-dead-letter-reason": "rejected",
        "x-opt-vdsm-dead-letter-queue": "work",
        "x-opt-vdsm-dead-letter-error": "test:bad: too bad",
    }


@pytest.mark.parametrize(
    ("error", "kept"),
    (
        (Described(ULong(0x1D), [Symbol("test:bad"), "too bad", {Symbol("a"): 1}]), "test:bad: too bad"),
        (Described(Symbol("amqp:error:list"), [Symbol("test:bad")]), "test:bad"),
        (Described(ULong(0x1D), [Symbol("test:long"), "ß" * 1_000]), "test:long: " + "ß" * 122),
        (Described(ULong(0x1D), []), None),
        (Described(ULong(0x1D), [7, {}]), None),
        ("no error", None),
        (None, None),
    ),
)
async def test_am_072_the_error_of_a_rejected_message_goes_with_its_dead_letter(error: object, kept: str | None) -> None:
    """Also of a message of another protocol, and after a restart; a sender cannot say it."""
    messaging, client = await served(durable=True, dead_letter="dead")
    await messaging.queue("dead", durable=True)
    messaging.open().send("/queue/work", plain("other", durable=True, headers={"dead-letter-error": "forged"}))
    client.sender()
    client.send(message("own", header=DURABLE))
    await turns()
    client.hear()
    client.receiver(credit=5)
    await turns()
    numbers = [transfer.delivery_id or 0 for transfer, _payload in client.transfers()]
    settle(client, numbers[0], numbers[-1], outcome(0x25, error))
    await turns()
    for life in (messaging, messaging.again()):
        letters = list(life.queues.get("dead")[1].items())
        assert [item.message.body for item in letters] == [b"other", b"own"]
        assert [item.message.headers.get("dead-letter-error") for item in letters] == [kept] * 2
        assert {item.message.headers["dead-letter-reason"] for item in letters} == {"rejected"}
        assert life.queues.octets == sum(item.message.octets for item in letters)


@pytest.mark.parametrize("failed", (True, False))
@pytest.mark.parametrize("durable", (True, False))
async def test_am_072_modified_annotations_go_with_the_message(failed: bool, durable: bool) -> None:
    """Each in the place of the one of its name; the bare message stays as it is, whoever sent it, and so it is after a restart."""
    messaging, client = await served(durable=durable)
    client.sender()
    bare = message("own", properties=["id"])
    before = b"\x00\x53\x72" + encoding.encode({Symbol("x-a"): "old", Symbol("x-b"): UByte(1)})
    client.send(b"\x00\x53\x70" + encoding.encode([durable]) + before + bare)
    messaging.open(identity="user:alice").send("/queue/work", plain("other", durable=durable))
    await turns()
    client.hear()
    client.receiver(credit=9)
    await turns()
    first = [transfer.delivery_id or 0 for transfer, _payload in client.transfers()]
    notes = {Symbol("x-a"): "new", Symbol("x-c"): [1, Symbol("s")], Symbol("x-opt-vdsm-user"): "root", "text": 1, ULong(7): True}
    settle(client, first[0], first[-1], outcome(0x27, failed, False, notes))
    expected = {"x-a": "new", "x-c": [1, "s"], 7: True, "x-opt-vdsm-user": "user:alice"}
    await turns()
    told = client.transfers()
    payloads = [payload for _transfer, payload in told]
    settle(client, told[0][0].delivery_id or 0, told[1][0].delivery_id, outcome(0x27, failed, False, {Symbol("x-huge"): "x" * 5_000}))
    await turns()
    payloads += [payload for _transfer, payload in client.transfers()]
    if durable:
        client.conversation.close()
        fresh = AmqpPeer(messaging.again().exchange)
        fresh.open()
        fresh.begin()
        fresh.receiver(credit=9)
        await turns()
        payloads += [payload for _transfer, payload in fresh.transfers()]
    assert len(payloads) == (6 if durable else 4)
    for index, payload in enumerate(payloads):
        parts = sections.split(payload)
        assert parts.annotations is not None
        found, _end = decoding.decode(payload, parts.annotations[0] + 3)
        assert found == expected | ({} if index % 2 else {"x-b": 1})
        assert payload[parts.bare :] == bare if not index % 2 else payload.endswith(encoding.encode(b"other"))
    settle(client, 0, 99, ACCEPTED)
    assert messaging.queues.octets == sum(item.message.octets for item in messaging.queues.get("work")[1].items())


async def test_am_072_annotations_that_are_no_map_are_no_state() -> None:
    messaging, client = await served()
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, outcome(0x27, True, False, "x"))
    (close,) = client.heard(p.Close)
    assert condition(close.error) == "amqp:decode-error"


async def test_nobody_but_the_broker_says_that_it_is_a_dead_letter() -> None:
    """Neither to AMQP nor to others; a letter of another protocol has the annotation as well."""
    messaging, client = await served(dead_letter="dead")
    await messaging.queue("dead")
    forged = {"dead-letter-reason": "failed", "dead-letter-queue": "x", "mine": "1"}
    session = messaging.open()
    session.send("/queue/work", Message(body=b"x", headers=dict(forged)))
    client.receiver(credit=1)
    await turns()
    ((transfer, payload),) = client.transfers()
    assert sections.split(payload).annotations is None
    assert b"mine" in payload
    assert b"dead-letter" not in payload
    assert transfer.delivery_id is not None
    settle(client, transfer.delivery_id, None, outcome(0x25))
    client.receiver(handle=9, name="dead", credit=1, source=p.Source("/queue/dead"))
    await turns()
    ((_transfer, payload),) = client.transfers()
    assert payload.count(b"x-opt-vdsm-dead-letter-reason") == 1


async def test_am_072_released_comes_again_and_is_not_counted() -> None:
    messaging, client = await served()
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, RELEASED)
    await turns()
    ((_transfer, payload),) = client.transfers()
    assert header_of(payload)[4:] in ([], [0])


async def test_am_072_modified_counts_and_may_mean_not_here() -> None:
    messaging, client = await served()
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, outcome(0x27, True, False, {}))
    await turns()
    ((transfer, payload),) = client.transfers()
    assert header_of(payload)[4] == 1
    assert transfer.delivery_id is not None
    settle(client, transfer.delivery_id, None, outcome(0x27, False, True))
    await turns()
    assert client.transfers() == []  # not here, and there is nobody else
    client.receiver(name="other", handle=2)
    client.credit(5, handle=2)
    await turns()
    assert [transfer.handle for transfer, _payload in client.transfers()] == [2]


def header_of(payload: bytes) -> list[Any]:
    assert payload[:3] == b"\x00\x53\x70"
    found, _end = decoding.decode(payload, 3)
    assert isinstance(found, list)
    return found


async def test_am_072_states_that_are_none() -> None:
    for state, why in ((outcome(0x99), "amqp:decode-error"), (outcome(0x34, b"tx"), "amqp:not-implemented"), ("x", "amqp:decode-error")):
        messaging, client = await served()
        (number,) = await delivered(client, messaging, "x")
        settle(client, number, None, state)
        ends = [each.body for each in client.hear() if isinstance(each, Frame)]
        assert condition(ends[0].error) == why


async def test_am_072_settled_without_a_state_comes_again_and_received_means_nothing() -> None:
    messaging, client = await served()
    (number,) = await delivered(client, messaging, "x")
    settle(client, number, None, outcome(0x23, UInt(0), ULong(0)), settled=False)
    await turns()
    assert client.hear() == []
    settle(client, number, None, None)
    await turns()
    assert len(client.transfers()) == 1


async def test_am_073_ranges() -> None:
    messaging, client = await served()
    numbers = await delivered(client, messaging, *"abcdef")
    queue = messaging.queues.get("work")[1]
    settle(client, numbers[0], numbers[2], ACCEPTED)
    assert queue.unsettled == 3
    settle(client, numbers[0], numbers[3], ACCEPTED)  # three of them are settled already
    assert queue.unsettled == 2
    settle(client, 5_000, 5_010, ACCEPTED)  # nobody knows them
    settle(client, 7_000, None, ACCEPTED)
    assert queue.unsettled == 2
    settle(client, numbers[0], numbers[0] + 2**31 - 2, ACCEPTED)  # huge, and as quick
    assert queue.unsettled == 0
    assert client.hear() == []
    settle(client, 3, 2, ACCEPTED)
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:invalid-field"


async def test_am_073_what_the_peer_says_of_its_own_deliveries() -> None:
    _messaging, client = await served()
    client.say(p.Disposition(role=False, first=0, last=9, settled=True))
    assert client.hear() == []


async def test_am_073_our_own_answers_are_ranges_one_for_a_read() -> None:
    _messaging, client = await served()
    client.sender()
    client.raw(b"".join(encode_frame(0, p.Transfer(0, number, bytes([number]), 0), message("x")) for number in range(50)))
    assert client.heard(p.Disposition) == [p.Disposition(role=True, first=0, last=49, settled=True, state=ACCEPTED)]


async def test_am_074_accepted_means_stored() -> None:
    messaging, client = await served(durable=True)
    client.sender()
    client.send(message("x", header=DURABLE))
    assert client.hear() == []
    assert messaging.messages.load("message") == {}
    await turns()
    assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]
    assert len(messaging.messages.load("message")) == 1


async def test_am_074_what_cannot_be_stored_is_not_accepted() -> None:
    messaging, client = await served(durable=True)
    client.sender()
    client.send(message("x", header=DURABLE))
    messaging.messages.become("failed")
    await turns()
    states = [each.state.descriptor for each in client.heard(p.Disposition)]
    assert states in ([0x25], [0x26])


async def test_am_075_what_leads_nowhere_is_rejected_and_if_it_was_settled_the_link_ends() -> None:
    messaging, client = await served()
    client.sender()
    messaging.queues.delete("work", TEST)
    client.send(message("x"))
    (disposition,) = client.heard(p.Disposition)
    assert disposition.state.descriptor == 0x25
    error = disposition.state.value[0].value
    assert error[0] == "amqp:not-found"
    assert error[2] == info(ObjectNotFound(type="queue", id="work"))
    client.send(message("x"), settled=True)
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:not-found"


async def test_am_075_nobody_hears_a_topic_and_a_full_queue_refuses() -> None:
    _messaging, client = await served(max_messages=1)
    client.sender("/topic/chat")
    client.send(message("x"))
    assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]
    client.sender("/queue/work", name="b", handle=2)
    client.send(message("1"), handle=2)
    client.send(message("2"), handle=2)
    accepted, rejected = [each.state for each in client.heard(p.Disposition)]
    assert accepted == ACCEPTED
    assert rejected.value[0].value[0] == "amqp:resource-limit-exceeded"


async def test_am_076_tags_have_a_length_and_are_not_used_twice_at_a_time() -> None:
    for tags in ((b"x" * 33,), (b"a", b"a")):
        _messaging, client = await served(durable=True)
        client.sender()
        for tag in tags:
            client.send(message("x", header=DURABLE), tag=tag)
        (detach,) = client.heard(p.Detach)
        assert condition(detach.error) == "amqp:invalid-field"
    _messaging, client = await served(durable=True)
    client.sender()
    for _each in range(2):
        client.send(message("x", header=DURABLE), tag=b"a")
        await turns()
    assert len(client.heard(p.Disposition)) == 2


async def test_am_076_a_delivery_without_a_tag_or_a_number() -> None:
    for transfer in (p.Transfer(0, 0, None, 0), p.Transfer(0, None, b"t", 0)):
        _messaging, client = await served()
        client.sender()
        client.say(transfer, payload=message())
        (end,) = client.heard(p.End)
        assert condition(end.error) == "amqp:invalid-field"


@pytest.mark.parametrize("how", ("detach", "end", "lost", "close"))
async def test_am_077_what_was_not_settled_comes_back_in_its_order(how: str) -> None:
    messaging, client = await served()
    await delivered(client, messaging, *"abcd")
    settle(client, 1, None, ACCEPTED)
    settle(client, 2, None, outcome(0x27, True))
    other = FakeConsumer()
    subscribe(messaging.open(), "/queue/work", other, Ack.INDIVIDUAL, credit=0)
    if how == "detach":
        client.say(p.Detach(1, closed=True))
    elif how == "end":
        client.say(p.End())
    elif how == "close":
        client.say(p.Close())
    if how in {"lost", "close"}:
        client.conversation.close()
    session = messaging.open()
    fresh = FakeConsumer()
    subscribe(session, "/queue/work", fresh, Ack.INDIVIDUAL)
    await turns()
    assert fresh.bodies() == ["a", "c", "d"]
    assert [each.count for each in fresh.deliveries] == [0, 1, 0]


# Messages.


@pytest.mark.parametrize("frame", (512, 4_096, 65_536, 1_048_576))
async def test_am_080_large_messages_in_frames_of_any_size(frame: int) -> None:
    messaging = Messaging()
    await messaging.queue(max_octets=10_000_000)
    client = AmqpPeer(messaging.exchange)
    client.open(max_frame_size=frame)
    client.begin(incoming_window=100_000)
    client.sender()
    client.receiver()
    client.say(p.Flow(0, 100_000, 0, 100_000, 1, 0, 10))
    payload = message(bytes(range(256)) * 1_500)
    room = min(frame, 65_536) - 100  # more than we take is not sent to us, nor by us
    parts = [payload[start : start + room] for start in range(0, len(payload), room)]
    client.raw(b"".join(encode_frame(0, p.Transfer(0, 0, b"t", 0, more=part is not parts[-1]), part) for part in parts))
    await turns()
    heard = client.transfers()
    assert body_of(b"".join(part for _transfer, part in heard)) == bytes(range(256)) * 1_500
    assert [transfer.more for transfer, _part in heard] == [True] * (len(heard) - 1) + [False]
    assert max(len(part) for _transfer, part in heard) <= min(frame, 65_536)
    assert min(len(part) for _transfer, part in heard[:-1]) > min(frame, 65_536) - 80  # frames are used up
    settle(client, 0, None, ACCEPTED)
    assert messaging.queues.get("work")[1].unsettled == 0


async def test_am_080_aborted_and_lost_messages_leave_no_ghost() -> None:
    messaging, client = await served()
    client.sender()
    client.say(p.Transfer(0, 0, b"a", 0, more=True), payload=message()[:4])
    client.say(p.Transfer(0, aborted=True))
    assert client.hear() == []
    client.next_id = 1
    client.send(message("whole"))
    assert [each.first for each in client.heard(p.Disposition)] == [1]
    client.say(p.Transfer(0, 2, b"c", 0, more=True), payload=message()[:4])
    client.conversation.close()
    assert messaging.queues.get("work")[1].waiting == 1
    assert client.conversation._amqp.partial_octets in {0, 4}


async def test_am_080_messages_of_two_links_between_each_other() -> None:
    messaging, client = await served()
    await messaging.queue("other")
    client.sender()
    client.sender("/queue/other", name="b", handle=2)
    first, second = message("first"), message("second")
    client.say(p.Transfer(0, 0, b"a", 0, more=True), payload=first[:5])
    client.say(p.Transfer(2, 1, b"b", 0, more=True), payload=second[:3])
    client.say(p.Transfer(0, 0, b"a", more=True), payload=first[5:6])
    client.say(p.Transfer(2), payload=second[3:])
    client.say(p.Transfer(0), payload=first[6:])
    assert [(each.first, each.last) for each in client.heard(p.Disposition)] == [(1, 1), (0, 0)]
    for name, text in (("work", "first"), ("other", "second")):
        consumer = FakeConsumer()
        subscribe(messaging.open(), f"/queue/{name}", consumer)
        await turns()
        assert consumer.bodies() == [text]


async def test_am_080_long_messages_of_one_link_come_one_behind_the_other() -> None:
    """However small the window is; what is short does not go past what is long."""
    messaging = Messaging()
    client = AmqpPeer(messaging.exchange)
    client.open(max_frame_size=512)
    client.begin(incoming_window=1)
    client.receiver("replies")
    client.say(p.Flow(0, 1, 0, 1_000, 1, 0, 10))
    (consumer,) = client.conversation._consumers
    bodies = [str(number) * size for number, size in enumerate((2_000, 10, 1_500, 10, 10))]
    for number, body in enumerate(bodies):  # answers come unasked: nobody looks whether there is room
        consumer.deliver(Delivery(tag=number, message=plain(body), destination="replies"))
    found: dict[int, bytes] = {}
    order: list[int] = []
    for seen in range(1, 50):
        for transfer, payload in client.transfers():
            if transfer.delivery_id is not None:
                order.append(transfer.delivery_id)
            assert transfer.delivery_id in {None, order[-1]}
            found[order[-1]] = found.get(order[-1], b"") + payload
        client.say(p.Flow(seen, 1, 0, 1_000))
    assert order == [0, 1, 2, 3, 4]
    assert [body_of(found[number]).decode() for number in order] == bodies


async def test_am_080_another_delivery_before_the_last_one_ended() -> None:
    _messaging, client = await served()
    client.sender()
    client.say(p.Transfer(0, 0, b"a", 0, more=True), payload=b"x")
    client.say(p.Transfer(0, 1, b"b", 0), payload=message())
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:invalid-field"


async def test_am_081_memory_is_bounded_while_64_mib_come() -> None:
    _messaging, client = await served()
    client.sender()
    piece = bytes(60_000)
    tracemalloc.start()
    try:
        detached = False
        client.say(p.Transfer(0, 0, b"t", 0, more=True), payload=piece)
        for _each in range(64 * 1024 * 1024 // len(piece)):
            client.say(p.Transfer(0, more=True), payload=piece)
            detached = detached or bool(client.heard(p.Detach))
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert detached
    assert most < 24 * 1024 * 1024
    assert client.conversation._amqp.partial_octets == 0


async def test_am_081_all_messages_of_a_connection_that_are_not_complete_are_bounded_together() -> None:
    _messaging, client = await served(wire=AmqpLimits(message_octets=10_000, partial_octets=25_000))
    for handle in range(3):
        client.sender(name=str(handle), handle=handle)
        client.say(p.Transfer(handle, handle, b"t", 0, more=True), payload=bytes(9_000))
    (detach,) = client.heard(p.Detach)
    assert (detach.handle, condition(detach.error)) == (2, "amqp:resource-limit-exceeded")


async def test_am_082_the_bare_message_goes_on_octet_for_octet() -> None:
    _messaging, client = await served()
    client.sender()
    client.receiver(credit=5)
    bare = (
        b"\x00\x53\x73" + encoding.encode([ULong(7), None, "/queue/work", "s", None, uuid.UUID(int=3)])
        + b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x74" + encoding.encode({"a": UByte(1), "b": Symbol("x"), "c": Timestamp(5)})
        + b"\x00\x53\x77" + encoding.encode({"k": [1, Float(0.5), None], UInt(3): b"\x00"})
        + b"\x00\x53\x78" + encoding.encode({Symbol("sum"): ULong(1)})
    )  # fmt: skip
    annotations = b"\x00\x53\x72" + encoding.encode({Symbol("x-opt-jms-msg-type"): UByte(3)})
    client.send(
        b"\x00\x53\x70" + encoding.encode([False, UByte(7)]) + b"\x00\x53\x71" + encoding.encode({Symbol("x-hop"): 1}) + annotations + bare
    )
    await turns()
    ((_transfer, payload),) = client.transfers()
    assert payload.endswith(bare)
    parts = sections.split(payload)
    assert payload[parts.bare :] == bare
    assert header_of(payload)[1] == 7
    assert parts.annotations is not None
    found, _end = decoding.decode(payload, parts.annotations[0] + 3)
    assert found == {"x-opt-jms-msg-type": 3, "x-opt-vdsm-user": "user:alice"}


@pytest.mark.parametrize(
    "descriptor",
    (b"\x00\x53\x72", b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x72", b"\x00" + encoding.encode(Symbol("amqp:message-annotations:map"))),
)
@pytest.mark.parametrize("count", (1, 60))
async def test_am_082_annotations_are_one_section_whatever_form_they_came_in(descriptor: bytes, count: int) -> None:
    _messaging, client = await served()
    client.sender()
    client.receiver(credit=5)
    said = {Symbol(f"x-{number}"): UByte(number) for number in range(count)}
    bare = message("x", properties=["id"])
    client.send(descriptor + encoding.encode(said) + bare)
    await turns()
    ((_transfer, payload),) = client.transfers()
    parts = sections.split(payload)
    assert payload[parts.bare :] == bare
    assert parts.annotations is not None
    found, _end = decoding.decode(payload, parts.annotations[0] + 3)
    assert found == said | {"x-opt-vdsm-user": "user:alice"}


async def test_am_082_nobody_speaks_for_another_and_nobody_for_us() -> None:
    _messaging, client = await served()
    client.sender()
    client.receiver(credit=5)
    client.send(message("x", properties=[None, b"user:root"]))
    (disposition,) = client.heard(p.Disposition)
    assert disposition.state.value[0].value[0] == "amqp:unauthorized-access"
    client.send(
        b"\x00\x53\x72" + encoding.encode({Symbol("x-opt-vdsm-user"): "user:root"}) + message("x", properties=[None, b"user:alice"])
    )
    await turns()
    ((_transfer, payload),) = client.transfers()
    assert b"root" not in payload


_WRONG = {
    "no body": b"\x00\x53\x73\x45",
    "nothing": b"",
    "properties behind the body": message() + b"\x00\x53\x73\x45",
    "properties twice": b"\x00\x53\x73\x45" * 2 + message(),
    "header behind properties": b"\x00\x53\x73\x45\x00\x53\x70\x45" + message(),
    "two values": b"\x00\x53\x77\x40" * 2,
    "data and a value": message() + b"\x00\x53\x77\x40",
    "an unknown section": b"\x00\x53\x79\x40" + message(),
    "data that is a text": b"\x00\x53\x75\xa1\x01x",
    "fourteen properties": b"\x00\x53\x73" + encoding.encode([None] * 14) + message(),
    "a header that is a map": b"\x00\x53\x70\xc1\x01\x00" + message(),
    "application properties that are a list": b"\x00\x53\x74\x45" + message(),
    "an application property that is a list": b"\x00\x53\x74" + encoding.encode({"a": [1]}) + message(),
    "an application property without a name": b"\x00\x53\x74" + encoding.encode({UInt(1): 1}) + message(),
    "a subject that is a number": b"\x00\x53\x73" + encoding.encode([None, None, None, 5]) + message(),
    "a message-id that is a boolean": b"\x00\x53\x73" + encoding.encode([True]) + message(),
    "data that ends too early": b"\x00\x53\x75\xa0\x05x",
    "no descriptor": b"\x45",
    "half of a descriptor": b"\x00\x53",
}  # fmt: skip


@pytest.mark.parametrize("name", _WRONG)
async def test_am_083_sections_that_lack_or_are_out_of_order(name: str) -> None:
    messaging, client = await served()
    client.sender()
    client.send(_WRONG[name])
    ends = [each.body.error for each in client.hear() if isinstance(each, Frame) and isinstance(each.body, p.Detach | p.Close)]
    assert [condition(each) for each in ends] == ["amqp:decode-error"]
    assert messaging.queues.get("work")[1].waiting == 0


async def test_am_083_all_thirteen_properties_are_well() -> None:
    messaging, client = await served()
    client.sender()
    client.send(message("x", properties=[*[None] * 8, None, Timestamp(5), "group", UInt(1), "reply-group"]))
    assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]
    assert messaging.queues.get("work")[1].waiting == 1


@given(st.binary(max_size=100), st.integers(0, 100))
def test_am_083_any_octets_are_a_message_or_a_decode_error(garbage: bytes, spot: int) -> None:
    whole = bytearray(message("x", header=[True], properties=["id", None, "/queue/x"], a=1))
    whole[spot % len(whole) :] = garbage
    for octets in (garbage, bytes(whole)):
        with contextlib.suppress(DecodeError):
            made, _to, _user = messages.read(octets, 0)
            assert made.amqp is not None


#: docs/guide/messages.md: what a property is where only text can stand.
_TEXTS: tuple[tuple[object, str], ...] = (
    (None, ""),
    (True, "true"),
    (UByte(3), "3"),
    (ULong(2**64 - 1), "18446744073709551615"),
    (-5, "-5"),
    (Float(0.5), "0.5"),
    (1.25, "1.25"),
    (Decimal(b"\0\0\0\1"), "00000001"),
    (Char("é"), "é"),
    (Timestamp(1_000), "1000"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (b"\x00\xff", "AP8="),
    ("text", "text"),
    (Symbol("word"), "word"),
)


@pytest.mark.parametrize(("value", "text"), _TEXTS)
async def test_am_084_application_properties_for_others(value: object, text: str) -> None:
    messaging, client = await served()
    consumer = FakeConsumer()
    subscribe(messaging.open(), "/queue/work", consumer)
    client.sender()
    client.send(b"\x00\x53\x74" + encoding.encode({"p": value}) + message("x"))
    await turns()
    (delivery,) = consumer.deliveries
    assert dict(delivery.message.headers) == {"p": text}


@pytest.mark.parametrize("count", (100, 1_000))
async def test_am_084_many_properties_for_others_and_back(count: int) -> None:
    messaging, client = await served()
    own = FakeConsumer()
    subscribe(messaging.open(), "/topic/chat", own)
    client.receiver("/topic/chat", credit=5)
    said = {f"name {number}": UInt(number) for number in range(count)}
    client.sender("/topic/chat")
    client.send(b"\x00\x53\x74" + encoding.encode(said) + message("x"))
    await turns()
    (delivery,) = own.deliveries
    assert delivery.message.headers == {name: str(int(number)) for name, number in said.items()}
    messaging.open().send("/topic/chat", plain("y", headers=dict(delivery.message.headers)))
    await turns()
    *_first, (_transfer, payload) = client.transfers()
    found, _end = decoding.decode(payload, sections.split(payload).application_properties)
    assert found == delivery.message.headers


@pytest.mark.parametrize(
    "annotations",
    (
        pytest.param(b"\xc1\x03\x02\xff\xff", id="unknown constructors"),
        pytest.param(b"\xc1\x02\x01\x40", id="a key without a value"),
        pytest.param(b"\xc1\x05\x02\xa1\x09a\x40", id="a key that is not complete"),
        pytest.param(b"\xd1\x00\x00\x00\x06\x00\x00\x00\x02\xff\xff", id="in a long map"),
    ),
)
async def test_am_083_annotations_that_are_none_are_refused_before_anybody_gets_them(annotations: bytes) -> None:
    """Their sender is told, not whoever receives next; the queue goes on."""
    messaging, client = await served()
    client.sender()
    client.send(b"\x00\x53\x72" + annotations + message("bad"))
    (closed,) = client.heard(p.Close)
    assert closed.error is not None
    assert closed.error.condition == "amqp:decode-error"
    other = AmqpPeer(messaging.exchange)
    other.open()
    other.begin()
    other.sender()
    other.receiver(credit=5)
    other.send(message("good"))
    await turns()
    ((_transfer, payload),) = other.transfers()
    assert body_of(payload) == b"good"


@pytest.mark.parametrize("correlation", ("text", ULong(7), uuid.UUID(int=9), b"\x01\x02", "AMQP_ULONG:x"))
async def test_am_084_ids_come_back_with_their_types(correlation: object) -> None:
    octets = message(
        "x", properties=[correlation, None, None, "s", "/queue/r", correlation, Symbol("text/plain"), Symbol("gzip"), Timestamp(5_000)]
    )
    made, to, _user = messages.read(octets, 0)
    assert (made.subject, made.reply_to, made.content_type, made.content_encoding, made.expires_at) == (
        "s",
        "/queue/r",
        "text/plain",
        "gzip",
        5.0,
    )
    assert to is None
    reply = Message(body=b"y", correlation_id=made.correlation_id, message_id=made.message_id, headers={"h": "v"})
    written = messages.write(reply, "/queue/r")
    fields, end = decoding.decode(written, 3)
    assert isinstance(fields, list)
    assert (type(fields[5]), fields[5], fields[0], fields[2]) == (type(correlation), correlation, correlation, "/queue/r")
    headers, _end = decoding.decode(written, end + 3)
    assert headers == {"h": "v"}


@pytest.mark.parametrize(
    ("body", "octets", "kind"),
    (
        (b"\x00\x53\x77" + encoding.encode("hé"), "hé".encode(), "text/plain"),
        (b"\x00\x53\x77" + encoding.encode(b"\x00\x01"), b"\x00\x01", None),
        (
            b"\x00\x53\x77" + encoding.encode({"a": [1, 2**60, None, 0.5], UInt(3): Symbol("s")}),
            b'{"a":[1,"1152921504606846976",null,0.5],"3":"s"}',
            "application/json",
        ),
        (
            b"\x00\x53\x77" + encoding.encode(Described(ULong(1), Array((True, False)))),
            b'{"descriptor":1,"value":[true,false]}',
            "application/json",
        ),
        (b"\x00\x53\x77" + encoding.encode(float("nan")), b"null", "application/json"),
        (b"\x00\x53\x76" + encoding.encode([1]) + b"\x00\x53\x76" + encoding.encode(["b"]), b'[1,"b"]', "application/json"),
        (b"\x00\x53\x75" + encoding.encode(b"a" * 300) + b"\x00\x53\x75" + encoding.encode(b"b"), b"a" * 300 + b"b", None),
    ),
)
async def test_am_084_bodies_for_others(body: bytes, octets: bytes, kind: str | None) -> None:
    made, _to, _user = messages.read(body, 0)
    assert (made.body, made.content_type) == (octets, kind)
    assert made.amqp == body


async def test_am_084_what_others_send() -> None:
    messaging, client = await served()
    client.receiver(credit=5)
    session = messaging.open(identity="user:bob")
    sent = plain("{}", headers={"a": "1"}, content_type="application/json", priority=7, expires_at=1e10, subject="s", durable=True)
    session.send("/queue/work", sent)
    await turns()
    ((_transfer, payload),) = client.transfers()
    assert header_of(payload) == [True, 7, 2**32 - 1, None, 0]
    parts = sections.split(payload)
    properties, _end = decoding.decode(payload, parts.properties)
    assert properties == [None, b"user:bob", "/queue/work", "s", None, None, "application/json", None, 10**13]
    found, _end = decoding.decode(payload, parts.application_properties)
    assert found == {"a": "1"}
    assert body_of(payload) == b"{}"


def test_am_084_the_time_to_live_counts_from_now() -> None:
    made, _to, _user = messages.read(b"\x00\x53\x70" + encoding.encode([True, UByte(20), UInt(5_000)]) + message(), 100.0)
    assert (made.durable, made.priority, made.expires_at) == (True, 9, 105.0)
    octets = messages.header(Delivery(tag=1, message=made, destination="/queue/x", count=3), 101.0)
    assert header_of(octets) == [True, 9, 4_000, None, 3]


# Nodes.


def dynamic(client: AmqpPeer, *, handle: int = 3, name: str = "dynamic") -> str:
    answer = client.receiver(source=p.Source(dynamic=True), handle=handle, name=name)
    assert answer.source is not None
    assert answer.source.dynamic
    assert answer.source.dynamic_node_properties == {"lifetime-policy": Described(0x2B, [])}
    assert answer.source.address is not None
    return answer.source.address


async def test_am_090_dynamic_nodes_for_replies() -> None:
    messaging, client = await served()
    address, another = dynamic(client), dynamic(client, handle=4, name="again")
    assert address.startswith("/temp-queue/")
    assert address != another
    assert len(address) > 30
    client.credit(5, handle=3)
    session = messaging.open()
    session.send(address, plain("reply", correlation_id="AMQP_ULONG:5"))
    await turns()
    ((transfer, payload),) = client.transfers()
    assert (transfer.handle, body_of(payload)) == (3, b"reply")
    fields, _end = decoding.decode(payload, sections.split(payload).properties)
    assert isinstance(fields, list)
    assert fields[5] == 5
    client.conversation.close()
    with pytest.raises(Exception, match="no"):
        session.send(address, plain("late"))


async def test_am_090_requests_are_answered_through_them() -> None:
    messaging, client = await served()

    class Requests:
        def answer(self, caller: Caller, message: Message) -> Message:
            assert caller is client.caller
            return Message(body=b"re: " + message.body, correlation_id=message.correlation_id)

        def release(self, caller: Caller) -> None:
            assert caller is client.caller

    messaging.exchange.requests = Requests()
    address = dynamic(client)
    client.credit(5, handle=3)
    client.sender("/exchange/requests")
    client.send(message("ping", properties=[None, None, None, None, address, ULong(9)]))
    await turns()
    heard = client.hear()
    (payload,) = [each.payload for each in heard if isinstance(each, Frame) and isinstance(each.body, p.Transfer)]
    assert body_of(payload) == b"re: ping"
    fields, _end = decoding.decode(payload, sections.split(payload).properties)
    assert isinstance(fields, list)
    assert type(fields[5]) is ULong
    assert fields[5] == 9


async def test_am_090_a_dynamic_target_and_one_with_an_address() -> None:
    _messaging, client = await served()
    answer, _flow = client.attach(p.Attach("out", 0, role=False, target=p.Target(dynamic=True), initial_delivery_count=0))
    assert answer.target.address.startswith("/temp-queue/")
    _answer, detach = client.attach(p.Attach("in", 1, role=True, source=p.Source("/queue/mine", dynamic=True)))
    assert condition(detach.error) == "amqp:invalid-field"


async def test_am_091_only_who_made_it_receives_from_it() -> None:
    messaging, client = await served()
    address = dynamic(client)
    other = AmqpPeer(messaging.exchange)
    other.open()
    other.begin()
    _answer, detach = other.attach(p.Attach("in", 1, role=True, source=p.Source(address)))
    assert condition(detach.error) in {"amqp:not-found", "amqp:unauthorized-access"}
    other.sender()
    other.send(message("x", properties=[None, None, None, None, address]))
    (disposition,) = other.heard(p.Disposition)
    assert disposition.state.value[0].value[0] == "amqp:unauthorized-access"


@pytest.mark.parametrize("more", ({"durable": 1}, {"durable": 2}, {"expiry_policy": "never"}))
async def test_am_092_nothing_outlives_its_link(more: dict[str, Any]) -> None:
    _messaging, client = await served()
    _answer, detach = client.attach(p.Attach("in", 1, role=True, source=p.Source("/queue/work", **more)))
    assert condition(detach.error) == "amqp:not-implemented"
    _answer, detach = client.attach(p.Attach("out", 0, role=False, target=p.Target("/queue/work", **more), initial_delivery_count=0))
    assert condition(detach.error) == "amqp:not-implemented"


async def test_am_092_what_is_done_is_said() -> None:
    _messaging, client = await served()
    answer = client.receiver(source=p.Source("/queue/work", expiry_policy="connection-close", distribution_mode="copy"))
    assert answer.source is not None
    assert (answer.source.expiry_policy, answer.source.distribution_mode, answer.source.durable) == ("link-detach", "copy", 0)


async def test_am_092_copies_leave_the_queue_as_it_is() -> None:
    messaging, client = await served()
    messaging.open().send("/queue/work", plain("x"))
    client.receiver(source=p.Source("/queue/work", distribution_mode="copy"), credit=5)
    await turns()
    assert len(client.transfers()) == 1
    assert messaging.queues.get("work")[1].waiting == 1


async def test_am_093_there_are_no_transactions() -> None:
    _messaging, client = await served()
    answer, detach = client.attach(p.Attach("tx", 0, role=False, target=p.Coordinator(), initial_delivery_count=0))
    assert answer.target is None
    assert condition(detach.error) == "amqp:not-implemented"
    client.sender(name="b", handle=1)
    client.say(p.Transfer(1, 0, b"t", 0, state=outcome(0x34, b"tx")), payload=message())
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:not-implemented"


# Ends.


async def test_am_100_close_is_answered_by_close() -> None:
    _messaging, client = await served()
    client.receiver(credit=1)
    client.say(p.Close(p.Error("amqp:internal-error", "bye")))
    assert client.heard(p.Close) == [p.Close()]
    assert client.line.is_finished
    client.raw(b"more")
    assert client.hear() == []


async def test_am_100_a_link_ends_when_its_queue_or_its_right_does() -> None:
    _messaging, client = await served()
    client.receiver("/topic/chat")
    client.caller.entitle((), Rights())
    await turns()
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:unauthorized-access"
    assert client.conversation.subscriptions == 0
    _messaging, client = await served()
    client.receiver()
    (consumer,) = client.conversation._consumers
    consumer.ended(ObjectNotFound(type="queue", id="work"))
    (detach,) = client.heard(p.Detach)
    assert condition(detach.error) == "amqp:resource-deleted"
    assert detach.error is not None
    assert detach.error.info == info(ObjectNotFound(type="queue", id="work"))


@pytest.mark.parametrize("loss", ("queue", "right", "another's queue"))
async def test_am_100_a_sending_link_ends_when_its_queue_or_its_right_does(loss: str) -> None:
    """At once, with the reason, and for good; what was on its way counts no more, and the session goes on."""
    messaging, client = await served()
    await messaging.queue("other")
    owner = messaging.open()
    address = owner.temporary() if loss == "another's queue" else "/queue/work"
    client.sender(address, name="lost", handle=0)
    client.sender("/queue/other", name="kept", handle=1)
    client.sender(None, name="relay", handle=2)
    client.sender("/topic/chat", name="topic", handle=3)
    if loss == "queue":
        messaging.queues.delete("work", TEST)
    elif loss == "right":
        client.caller.entitle((), Rights(objects={("queue", "other"): frozenset({"queue.send"})}, everywhere=frozenset({"topic.publish"})))
    else:
        owner.close()
    await turns()
    (detach,) = client.heard(p.Detach)
    assert (detach.handle, detach.closed) == (0, True)
    assert detach.error is not None
    if loss == "right":
        refusal: ApiError = PermissionDenied(identity="user:alice", permission="queue.send")
        assert (detach.error.condition, detach.error.description) == ("amqp:unauthorized-access", refusal.message)
    else:
        refusal = ObjectNotFound(type="queue", id=address.removeprefix("/queue/"))
        assert (detach.error.condition, detach.error.description) == ("amqp:resource-deleted", refusal.message)
    assert detach.error.info == info(refusal)
    client.send(message("late"), handle=0)  # sent before it heard
    client.credit(0, handle=0, echo=True)
    assert client.hear() == []
    client.say(p.Detach(0, closed=True))
    assert client.hear() == []
    for handle in (1, 3):
        client.send(message("x"), handle=handle)
        assert [each.state for each in client.heard(p.Disposition)] == [ACCEPTED]
    assert messaging.queues.get("other")[1].waiting == 1
    answer, detach = client.attach(p.Attach("lost", 0, role=False, target=p.Target(address), initial_delivery_count=0))
    assert (answer.target, condition(detach.error)) == (None, "amqp:not-found")  # what is not his is not there


async def test_am_100_what_is_being_stored_when_its_queue_goes_does_no_harm() -> None:
    messaging, client = await served(durable=True)
    client.sender()
    client.send(message("x", header=DURABLE))
    messaging.queues.delete("work", TEST)
    client.send(message("y", header=DURABLE))
    await turns()
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [condition(each.error) for each in heard if isinstance(each, p.Detach)] == ["amqp:resource-deleted"]
    assert client.conversation._storing == 0
    client.begin(channel=1)


async def test_am_100_links_that_ended_themselves_are_not_told() -> None:
    messaging, client = await served()
    for name, handle in (("detached", 0), ("stolen", 1)):
        client.sender(name=name, handle=handle)
    client.say(p.Detach(0, closed=True))
    client.hear()
    detach, *_rest = client.attach(p.Attach("stolen", 2, role=False, target=p.Target("/topic/chat"), initial_delivery_count=0))
    assert condition(detach.error) == "amqp:link:stolen"
    client.begin(channel=1)
    client.attach(p.Attach("ended", 0, role=False, target=p.Target("/queue/work"), initial_delivery_count=0), channel=1)
    client.say(p.End(), channel=1)
    client.hear()
    messaging.queues.delete("work", TEST)
    await turns()
    assert client.hear() == []
    client.conversation.close()
    client.caller.entitle((), Rights())
    await turns()
    assert client.hear() == []


@pytest.mark.parametrize("loss", ("queue", "right"))
async def test_am_100_nothing_is_said_of_links_behind_the_last_word(loss: str) -> None:
    """The connection is closed, and not yet gone."""
    messaging, client = await served()
    client.sender()
    client.sender("/topic/chat", name="topic", handle=1)
    client.receiver(handle=2)
    client.say(p.Close())
    assert client.heard(p.Close) == [p.Close()]
    if loss == "queue":
        messaging.queues.delete("work", TEST)
    else:
        client.caller.entitle((), Rights())
    await turns()
    assert client.hear() == []


async def test_am_100_credit_for_a_link_that_has_ended_counts_no_more() -> None:
    messaging, client = await served()
    client.receiver()
    messaging.queues.delete("work", TEST)
    await turns()
    (detach,) = client.heard(p.Detach)
    assert (detach.handle, condition(detach.error)) == (1, "amqp:resource-deleted")
    await messaging.queue()
    messaging.open().send("/queue/work", plain("x"))
    client.credit(5, echo=True)
    client.credit(5, drain=True)
    await turns()
    assert client.hear() == []
    client.say(p.Detach(1, closed=True))
    client.receiver(credit=1)
    await turns()
    assert len(client.transfers()) == 1


async def test_am_100_the_peer_that_sends_no_more_gets_what_is_due() -> None:
    _messaging, client = await served(durable=True)
    client.sender()
    client.send(message("x", header=DURABLE))
    client.conversation.ended()
    assert not client.line.is_finished
    await turns()
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [type(each) for each in heard] in ([p.Disposition, p.Close], [p.Close])
    assert client.line.is_finished


@pytest.mark.parametrize("closed", (True, False))
async def test_am_101_detach_is_answered_in_kind(closed: bool) -> None:
    _messaging, client = await served()
    client.receiver()
    client.say(p.Detach(1, closed=closed))
    assert client.heard(p.Detach) == [p.Detach(1, closed=closed)]
    assert client.conversation.subscriptions == 0
    client.receiver()  # again, under the same name and handle
    client.say(p.Detach(9))
    (end,) = client.heard(p.End)
    assert condition(end.error) == "amqp:session:unattached-handle"


async def test_am_103_whoever_is_put_out_is_told() -> None:
    _messaging, client = await served()
    client.conversation.shut_down()
    (close,) = client.heard(p.Close)
    assert condition(close.error) == "amqp:connection:forced"
    assert client.line.is_finished


async def test_am_104_a_full_disk_stops_senders_and_keeps_the_connection() -> None:
    messaging, client = await served(durable=True)
    client.sender()
    client.receiver(credit=5)
    messaging.messages.become("full")
    client.send(message("x", header=DURABLE))
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [each.link_credit for each in heard if isinstance(each, p.Flow)] == [0]
    assert [each.state for each in heard if isinstance(each, p.Disposition)] == [RELEASED]
    client.conversation.check_time(4.0)
    assert client.hear() == []
    client.conversation.check_time(5.0)
    assert [each.link_credit for each in client.heard(p.Flow)] == [1]
    client.send(message("y", header=DURABLE))
    assert [each.state for each in client.heard(p.Disposition)] == [RELEASED]
    messaging.messages.become("ok")
    client.conversation.check_time(10.0)
    assert [each.link_credit for each in client.heard(p.Flow)] == [1]
    client.send(message("z", header=DURABLE))
    await turns()
    heard = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert [each.state for each in heard if isinstance(each, p.Disposition)] == [ACCEPTED]
    assert max(each.link_credit or 0 for each in heard if isinstance(each, p.Flow)) > 200
    assert not client.line.is_finished


async def test_am_104_a_link_that_has_ended_is_not_stopped_by_a_full_disk() -> None:
    """What is being stored when its link ends is nobody's any more."""
    messaging, client = await served(durable=True)
    client.sender()
    client.send(message("x", header=DURABLE))
    messaging.messages.become("full")
    client.say(p.Detach(0, closed=True))
    await turns()
    assert client.conversation._storing == 0
    assert not client.conversation._held
    client.hear()
    client.conversation.check_time(5.0)
    assert client.hear() == []


async def test_am_104_a_connection_that_takes_nothing_gets_nothing() -> None:
    messaging, client = await served()
    client.receiver(credit=50)
    client.line.full = True
    session = messaging.open()
    for number in range(10):
        session.send("/queue/work", plain(str(number)))
    await turns()
    assert client.transfers() == []
    client.line.drain()
    await turns()
    assert len(client.transfers()) == 10
