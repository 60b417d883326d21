"""Queues: each message once to one consumer, in order, within credit; what is not settled comes again, by rule."""

from __future__ import annotations

import pytest

from libvdsm.interfaces.generated.errors import LimitExceeded, ObjectNotFound, StateFull
from libvdsm.interfaces.generated.types import QueueOverflow
from libvdsm.interfaces.messaging import DEAD_ORIGIN, DEAD_REASON, Ack, Verdict
from tests.fakes.messaging import TEST, FakeConsumer, Messaging, message, sent, subscribe, turns


async def test_in_order_to_a_consumer_that_is_there() -> None:
    """What is sent comes, in order, without waiting for anything."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer)
    for number in range(3):
        assert session.send("/queue/work", message(str(number))) is None
    await turns()
    assert consumer.bodies() == ["0", "1", "2"]
    assert {each.destination for each in consumer.deliveries} == {"/queue/work"}
    assert world.queues.octets == 0


async def test_nothing_is_delivered_within_subscribe() -> None:
    """What waits comes in the next turn of the loop."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    session.send("/queue/work", message("a"))
    subscribe(session, "/queue/work", consumer)
    assert consumer.bodies() == []
    await turns()
    assert consumer.bodies() == ["a"]


async def test_consumers_compete() -> None:
    """Each message goes to one of them, in turn; one that is full or has no credit gets none."""
    world = Messaging()
    await world.queue()
    session = world.open()
    first, second, full = FakeConsumer(), FakeConsumer(), FakeConsumer(room=0)
    subscribe(session, "/queue/work", first, id="1")
    subscribe(session, "/queue/work", second, id="2")
    subscribe(session, "/queue/work", full, id="3")
    for number in range(6):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert sorted(first.bodies() + second.bodies()) == [str(number) for number in range(6)]
    assert len(first.bodies()) == len(second.bodies()) == 3
    assert full.bodies() == []
    full.read()
    for number in range(3):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert len(full.bodies()) == 1


async def test_client_acknowledgement_is_cumulative_and_of_one_subscription() -> None:
    """An acknowledgement stands for the earlier ones of its subscription, and for no other's."""
    world = Messaging()
    queue = await world.queue()
    session = world.open()
    first, second = FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", first, Ack.CLIENT, id="1")
    subscribe(session, "/queue/work", second, Ack.CLIENT, id="2")
    for number in range(8):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert queue.unsettled == 8
    session.settle(first.deliveries[2].tag, Verdict.ACCEPTED)
    assert queue.unsettled == 5
    with pytest.raises(ObjectNotFound):
        session.settle(first.deliveries[0].tag, Verdict.ACCEPTED)
    session.settle(second.deliveries[0].tag, Verdict.ACCEPTED)
    assert queue.unsettled == 4


async def test_the_window_is_never_exceeded_and_opens_again() -> None:
    """So many unsettled ones as were allowed; each that is settled lets another come."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=2)
    for number in range(5):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert consumer.bodies() == ["0", "1"]
    session.settle(consumer.deliveries[1].tag, Verdict.ACCEPTED)
    await turns()
    assert consumer.bodies() == ["0", "1", "2"]


async def test_exact_credit_is_not_given_back() -> None:
    """AMQP counts for itself: as many as it asked for, settled or not."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=0, is_exact=True)
    for number in range(5):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert consumer.bodies() == []
    subscription.credit(2)
    await turns()
    for each in consumer.deliveries:
        session.settle(each.tag, Verdict.ACCEPTED)
    await turns()
    assert consumer.bodies() == ["0", "1"]
    subscription.set_credit(0)
    subscription.credit(1)
    await turns()
    assert consumer.bodies() == ["0", "1", "2"]


@pytest.mark.parametrize("waiting", (0, 2, 5))
async def test_drain(waiting: int) -> None:
    """What there is comes, then the credit is gone; what comes later is not delivered."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    for number in range(waiting):
        session.send("/queue/work", message(str(number)))
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=3, is_exact=True)
    subscription.drain()
    await turns()
    assert (len(consumer.deliveries), consumer.drains) == (min(waiting, 3), 1)
    session.send("/queue/work", message("late"))
    await turns()
    assert "late" not in consumer.bodies()


@pytest.mark.parametrize("verdict", (Verdict.RELEASED, Verdict.FAILED))
async def test_what_is_given_back_has_its_place(verdict: Verdict) -> None:
    """It comes before what was behind it, and says that it came before; only a failure is counted."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=2)
    for text in "abcd":
        session.send("/queue/work", message(text))
    await turns()
    session.settle(consumer.deliveries[1].tag, verdict)
    await turns()
    session.settle(consumer.deliveries[0].tag, verdict)
    await turns()
    assert consumer.bodies() == ["a", "b", "b", "a"]
    assert [each.redelivered for each in consumer.deliveries] == [False, False, True, True]
    assert [each.count for each in consumer.deliveries][2:] == [int(verdict is Verdict.FAILED)] * 2


async def test_what_fails_too_often_is_a_dead_letter() -> None:
    """It goes to the dead letters with the reason, and out of its queue."""
    world = Messaging()
    await world.queue("letters")
    queue = await world.queue(dead_letter="letters", max_deliveries=2)
    session, consumer, letters = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    subscribe(session, "/queue/letters", letters)
    session.send("/queue/work", message("a", headers={"mine": "kept"}))
    for _ in range(2):
        await turns()
        session.settle(consumer.deliveries[-1].tag, Verdict.FAILED)
    await turns()
    assert letters.bodies() == ["a"]
    assert letters.deliveries[0].message.headers == {"mine": "kept", DEAD_REASON: "failed", DEAD_ORIGIN: "work"}
    assert (queue.messages, queue.counters.dead_lettered) == (0, 1)


async def test_what_is_rejected_is_dropped_without_dead_letters() -> None:
    """A rejected message never comes again; that it was dropped is counted."""
    world = Messaging()
    queue = await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    await turns()
    session.settle(consumer.deliveries[0].tag, Verdict.REJECTED)
    await turns()
    assert (len(consumer.deliveries), queue.messages, queue.counters.dropped) == (1, 0, 1)


async def test_dead_letters_do_not_go_round() -> None:
    """Two queues that are each other's dead letters let go of a message that has been in both."""
    world = Messaging()
    await world.queue("one", dead_letter="two", time_to_live=1)
    await world.queue("two", dead_letter="one", time_to_live=1)
    session = world.open()
    session.send("/queue/one", message("a"))
    for _ in range(5):
        world.clock.advance(2)
        world.queues.look()
    assert (world.queues.get("one")[1].messages, world.queues.get("two")[1].messages, world.queues.octets) == (0, 0, 0)


async def test_undeliverable_here_goes_to_another() -> None:
    """Who said that it cannot have a message does not get it again; another does, also one that comes later."""
    world = Messaging()
    await world.queue()
    session, one, other = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", one, Ack.INDIVIDUAL, id="1")
    session.send("/queue/work", message("a"))
    session.send("/queue/work", message("b"))
    await turns()
    session.settle(one.deliveries[0].tag, Verdict.RELEASED, undeliverable_here=True)
    await turns()
    assert one.bodies() == ["a", "b"]
    subscribe(session, "/queue/work", other, Ack.INDIVIDUAL, id="2")
    await turns()
    assert other.bodies() == ["a"]


async def test_undeliverable_here_waits_for_who_is_busy() -> None:
    """It is given to another consumer that is there already as soon as that has credit again."""
    world = Messaging()
    queue = await world.queue()
    session, one, other = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", one, Ack.INDIVIDUAL, id="1")
    subscribe(session, "/queue/work", other, Ack.INDIVIDUAL, id="2", credit=1)
    for text in "abc":
        session.send("/queue/work", message(text))
    await turns()
    assert (one.bodies(), other.bodies()) == (["a", "c"], ["b"])
    session.settle(one.deliveries[0].tag, Verdict.RELEASED, undeliverable_here=True)
    await turns()
    session.settle(other.deliveries[0].tag, Verdict.ACCEPTED)
    await turns()
    assert (one.bodies(), other.bodies(), queue.waiting) == (["a", "c"], ["b", "a"], 0)


async def test_time_to_live() -> None:
    """A message whose time is up is not delivered: its own, or the queue's, whichever ends first."""
    world = Messaging()
    await world.queue("letters")
    queue = await world.queue(time_to_live=10, dead_letter="letters")
    session, consumer = world.open(), FakeConsumer()
    session.send("/queue/work", message("short", expires_at=world.clock.time() + 5))
    session.send("/queue/work", message("long", expires_at=world.clock.time() + 500))
    world.clock.advance(6)
    session.send("/queue/work", message("new"))
    assert world.later, "nobody looks"
    world.queues.look()
    assert (queue.waiting, queue.counters.expired) == (2, 1)
    world.clock.advance(6)
    subscribe(session, "/queue/work", consumer)
    await turns()
    assert consumer.bodies() == ["new"]
    assert [item.message.headers[DEAD_REASON] for item in world.queues.get("letters")[1].items()] == ["expired", "expired"]


async def test_ends_of_what_went_out_in_time_do_not_gather() -> None:
    """The heap of ends is as long as what waits, not as what ever came."""
    world = Messaging()
    await world.queue()
    session = world.open()
    subscribe(session, "/queue/work", FakeConsumer())
    for _ in range(3000):
        session.send("/queue/work", message("a", expires_at=world.clock.time() + 1e6))
    world.queues.look()
    assert world.queues.ends() == 0


async def test_a_full_queue_refuses() -> None:
    """By count and by octets; what is with a consumer counts as well."""
    world = Messaging()
    await world.queue(max_messages=2)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=1)
    session.send("/queue/work", message("a"))
    session.send("/queue/work", message("b"))
    with pytest.raises(LimitExceeded):
        session.send("/queue/work", message("c"))
    session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    session.send("/queue/work", message("c"))
    await world.queue("small", max_octets=1024)
    with pytest.raises(LimitExceeded):
        session.send("/queue/small", message("x" * 1024))


async def test_all_queues_together_are_bounded() -> None:
    """No number of queues takes more than the host gives for all of them."""
    world = Messaging(most_octets=2000)
    await world.queue("one")
    await world.queue("two")
    session = world.open()
    session.send("/queue/one", message("x" * 1000))
    with pytest.raises(LimitExceeded):
        session.send("/queue/two", message("x" * 1000))
    with pytest.raises(LimitExceeded):
        session.send(session.temporary(), message("x" * 1000))


@pytest.mark.parametrize(
    ("overflow", "left", "dead"), ((QueueOverflow.DROP_OLDEST, ["b", "c"], ["a"]), (QueueOverflow.DROP_NEWEST, ["a", "b"], ["c"]))
)
async def test_a_full_queue_that_drops(overflow: QueueOverflow, left: list[str], dead: list[str]) -> None:
    """The oldest or the newest goes to the dead letters, and the sender is not told."""
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(max_messages=2, overflow=overflow, dead_letter="letters")
    session = world.open()
    for text in "abc":
        assert session.send("/queue/work", message(text)) is None
    assert [item.message.body.decode() for item in queue.items()] == left
    assert [item.message.body.decode() for item in letters.items()] == dead
    assert (queue.counters.dropped, queue.counters.received) == (1, 3)


async def test_dead_letters_do_not_push_out_a_whole_queue() -> None:
    """When all queues together are full, only as much goes as makes room: a dead letter would need as much as before."""
    world = Messaging(most_octets=10_000)
    letters = await world.queue("letters")
    queue = await world.queue(overflow=QueueOverflow.DROP_OLDEST, dead_letter="letters")
    session = world.open()
    for number in range(12):
        session.send("/queue/work", message(f"{number}" + "x" * 1000))
    assert queue.messages >= 8
    assert queue.counters.dropped == 12 - queue.messages
    assert [item.message.body[:2] for item in queue.items()][-1] == b"11"
    assert letters.messages == 0


async def test_priorities() -> None:
    """The more urgent first, the same in the order in which they came; odd ones count as the nearest there is."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), FakeConsumer()
    for text, priority in (("a", 4), ("b", 9), ("c", 0), ("d", 4), ("e", 99), ("f", -1)):
        session.send("/queue/work", message(text, priority=priority))
    subscribe(session, "/queue/work", consumer)
    await turns()
    assert "".join(consumer.bodies()) == "beadcf"


async def test_browsing_takes_nothing() -> None:
    """A browser sees what waits, and what comes; consumers still get it."""
    world = Messaging()
    queue = await world.queue()
    session, browser, consumer = world.open(), FakeConsumer(room=1), FakeConsumer()
    session.send("/queue/work", message("a"))
    session.send("/queue/work", message("b"))
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    await turns()
    assert (browser.bodies(), queue.waiting) == (["a"], 2)
    browser.read()
    session.send("/queue/work", message("c"))
    await turns()
    assert browser.bodies() == ["a", "b", "c"]
    subscribe(session, "/queue/work", consumer)
    await turns()
    assert consumer.bodies() == ["a", "b", "c"]


async def test_what_a_session_leaves_is_offered_again() -> None:
    """With its place and the flag; a subscription that merely ends keeps what it has until then."""
    world = Messaging()
    queue = await world.queue()
    session, next_one, consumer, other = world.open(), world.open(), FakeConsumer(), FakeConsumer()
    subscription = subscribe(session, "/queue/work", consumer, Ack.CLIENT)
    for text in "abc":
        session.send("/queue/work", message(text))
    await turns()
    subscription.end()
    subscribe(next_one, "/queue/work", other)
    await turns()
    session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    assert other.bodies() == []
    session.close()
    session.close()
    await turns()
    assert other.bodies() == ["b", "c"]
    assert all(each.redelivered and each.count == 0 for each in other.deliveries)
    assert (queue.messages, queue.counters.redelivered) == (0, 2)


async def test_a_queue_that_ends_tells_its_consumers() -> None:
    """They hear why; what they still have can be settled, and nothing is left."""
    world = Messaging()
    queue = await world.queue(durable=True)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=1)
    await sent(session.send("/queue/work", message("a", durable=True)))
    await sent(session.send("/queue/work", message("b", durable=True)))
    world.queues.delete("work", TEST)
    await turns()
    assert [reason.name for reason in consumer.reasons] == ["ObjectNotFound"]
    with pytest.raises(ObjectNotFound):
        session.send("/queue/work", message("c"))
    session.settle(consumer.deliveries[0].tag, Verdict.FAILED)
    await turns()
    assert (queue.messages, queue.octets, world.queues.octets) == (0, 0, 0)
    assert world.messages.load("message") == {}


async def test_durable_is_delivered_when_it_is_stored() -> None:
    """The sender's receipt is the record on disk; nobody has it before that; what follows does not overtake it."""
    world = Messaging()
    await world.queue(durable=True)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    await turns()
    receipt = session.send("/queue/work", message("a", durable=True))
    assert receipt is not None
    assert session.send("/queue/work", message("b")) is None
    assert consumer.bodies() == []
    await receipt
    assert len(world.messages.load("message")) == 1
    await turns()
    assert consumer.bodies() == ["a", "b"]
    done = session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    assert done is not None
    await done
    assert world.messages.load("message") == {}


async def test_what_is_stored_survives_and_what_is_not_does_not() -> None:
    """After a crash: durable ones that were not acknowledged are there, in order, and say that they may have come before."""
    world = Messaging()
    await world.queue(durable=True)
    await world.queue("fleeting")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    for text in "abc":
        await sent(session.send("/queue/work", message(text, durable=True, headers={"h": text}, amqp=text.encode())))
    await sent(session.send("/queue/work", message("transient")))
    await sent(session.send("/queue/fleeting", message("d", durable=True)))
    done = session.settle(consumer.deliveries[1].tag, Verdict.ACCEPTED)
    assert done is not None
    await done
    await sent(session.settle(consumer.deliveries[2].tag, Verdict.FAILED))
    after = world.again()
    later, again = after.open(), FakeConsumer()
    subscribe(later, "/queue/work", again)
    await turns()
    assert again.bodies() == ["a", "c"]
    assert [(each.redelivered, each.count) for each in again.deliveries] == [(True, 0), (True, 1)]
    assert again.deliveries[0].message.headers == {"h": "a"}
    assert again.deliveries[0].message.amqp == b"a"
    assert again.deliveries[0].message.user == "alice"
    with pytest.raises(ObjectNotFound):
        subscribe(later, "/queue/fleeting", FakeConsumer())
    assert [entry.topic for entry in after.journal.read(0, 10)] == ["queue.fleeting"]


async def test_a_full_disk_refuses_senders_and_nobody_else() -> None:
    """Durable ones are refused by name; transient ones, consumers and acknowledgements go on; then all is as before."""
    world = Messaging()
    await world.queue(durable=True)
    session, consumer = world.open(), FakeConsumer()
    await sent(session.send("/queue/work", message("a", durable=True)))
    world.messages.become("full")
    with pytest.raises(StateFull):
        session.send("/queue/work", message("b", durable=True))
    assert session.send("/queue/work", message("c")) is None
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    await turns()
    assert consumer.bodies() == ["a", "c"]
    done = session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    assert done is not None
    await done
    assert world.messages.load("message") == {}
    world.messages.become("ok")
    await sent(session.send("/queue/work", message("d", durable=True)))
    assert consumer.bodies() == ["a", "c", "d"]


async def test_what_cannot_be_stored_was_not_sent_and_not_done() -> None:
    """A write that fails: the sender is told and nobody got it; what was acknowledged comes again."""
    world = Messaging()
    queue = await world.queue(durable=True)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    await sent(session.send("/queue/work", message("a", durable=True)))
    receipt = session.send("/queue/work", message("b", durable=True))
    done = session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    world.messages.become("failed")
    assert receipt is not None
    assert done is not None
    for each in (receipt, done):
        with pytest.raises(Exception, match="as the test says"):
            await each
    await turns()
    assert consumer.bodies() == ["a", "a"]
    assert consumer.deliveries[1].redelivered
    assert queue.messages == 1


async def test_many_deliveries_leave_room_for_others() -> None:
    """One queue delivers so many in a turn of the loop, and no more."""
    world = Messaging()
    await world.queue(max_messages=1000)
    session, consumer = world.open(), FakeConsumer()
    for number in range(1000):
        session.send("/queue/work", message(str(number)))
    subscribe(session, "/queue/work", consumer)
    await turns(1)
    assert 0 < len(consumer.deliveries) < 1000
    await turns()
    assert consumer.bodies() == [str(number) for number in range(1000)]
