"""What a queue's rules promise where it is easily forgotten: when messages end, which of them is the oldest, where dead letters stop."""

from __future__ import annotations

import pytest

from libvdsm.broker.queue import Queue
from libvdsm.interfaces.generated.errors import LimitExceeded
from libvdsm.interfaces.generated.types import QueueOverflow
from libvdsm.interfaces.messaging import DEAD_ORIGIN, DEAD_REASON, Ack, Verdict
from tests.fakes.messaging import TEST, FakeConsumer, Messaging, message, sent, subscribe, turns


async def look_once(world: Messaging) -> None:
    """The time has come at which the queues look for what has ended."""
    due, world.later[:] = list(world.later), []
    assert due, "nobody looks"
    for _, look in due:
        look()
    await turns()


def reasons(queue: Queue) -> list[str]:
    return [item.message.headers[DEAD_REASON] for item in queue.items()]


@pytest.mark.parametrize("verdict", (None, Verdict.RELEASED, Verdict.FAILED))
async def test_what_is_given_back_after_its_end_is_a_dead_letter(verdict: Verdict | None) -> None:
    """Nobody need come for it first."""
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(time_to_live=10, dead_letter="letters")
    session, consumer = world.open(), FakeConsumer()
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    world.clock.advance(11)
    await look_once(world)
    assert (queue.unsettled, queue.counters.expired, letters.waiting) == (1, 0, 0)
    if verdict is None:
        session.close()
    else:
        subscription.end()
        session.settle(consumer.deliveries[0].tag, verdict)
    assert (queue.waiting, queue.messages, queue.unsettled, queue.counters.expired) == (0, 0, 0, 1)
    assert reasons(letters) == ["expired"]


async def test_what_ends_before_it_is_stored_is_a_dead_letter() -> None:
    """Its time was up while its record was on its way to the disk."""
    world = Messaging()
    letters = await world.queue("letters", durable=True)
    queue = await world.queue(durable=True, dead_letter="letters")
    storing = world.open().send("/queue/work", message("a", durable=True, expires_at=world.clock.time() + 1))
    world.clock.advance(2)
    world.queues.look()
    assert queue.pending()
    await sent(storing)
    assert (queue.waiting, queue.counters.expired) == (0, 1)
    assert reasons(letters) == ["expired"]


async def test_as_many_as_end_at_once_go_at_once() -> None:
    """Some in each turn of the loop, so that others have theirs; but not some in each second."""
    world = Messaging()
    queue = await world.queue(max_messages=5000)
    session = world.open()
    for _ in range(2500):
        session.send("/queue/work", message("a", expires_at=world.clock.time() + 1))
    session.send("/queue/work", message("b", expires_at=world.clock.time() + 100))
    world.clock.advance(2)
    await look_once(world)
    assert (queue.waiting, queue.counters.expired) == (1, 2500)
    assert len(world.later) == 1, "whoever looks for the next one is one alone"


@pytest.mark.parametrize("letters_durable", (False, True))
async def test_what_ends_while_nothing_can_be_recorded_goes_once_it_can(letters_durable: bool) -> None:
    """It is tried now and then, not turn after turn; and its dead letter is one, and there when it is not where it was any more."""
    world = Messaging()
    letters = await world.queue("letters", durable=letters_durable)
    queue = await world.queue(durable=True, dead_letter="letters")
    session = world.open()
    for text in "ab":
        await sent(session.send("/queue/work", message(text, durable=True, expires_at=world.clock.time() + 1)))
    world.messages.become("failed")
    world.clock.advance(2)
    for tries in range(1, 4):
        await look_once(world)
        await turns(30)
        assert (queue.waiting, letters.messages, queue.counters.expired) == (2, 0, 2 * tries)
        assert [item.message.body for item in queue.items()] == [b"a", b"b"]
        world.clock.advance(1)
    world.messages.become("ok")
    await look_once(world)
    assert (queue.messages, letters.waiting, world.queues.octets) == (0, 2, letters.octets)
    assert reasons(letters) == ["expired", "expired"]
    assert sorted(world.messages.load("message")) == ([f"{item.sequence:016x}" for item in letters.items()] if letters_durable else [])


async def test_what_could_not_be_taken_out_stands_in_its_place_once() -> None:
    """It had left a trace in the line."""
    world = Messaging()
    queue = await world.queue(durable=True)
    session, consumer = world.open(), FakeConsumer()
    for text in "abc":
        await sent(session.send("/queue/work", message(text, durable=True)))
    world.messages.become("failed")
    for _ in range(2):
        queue.remove(list(queue.items())[1])
        await turns(30)
        assert [item.message.body for item in queue.items()] == [b"a", b"b", b"c"]
    world.messages.become("ok")
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    await turns()
    assert consumer.bodies() == ["a", "b", "c"]
    assert [each.redelivered for each in consumer.deliveries] == [False, True, False]


async def test_ends_hold_over_a_restart() -> None:
    """What was to end while the daemon was away ends when it is back, with nobody asking; what has time left has that."""
    world = Messaging()
    await world.queue("letters", durable=True)
    await world.queue(durable=True, time_to_live=10, dead_letter="letters")
    session = world.open()
    await sent(session.send("/queue/work", message("a", durable=True)))
    world.clock.advance(8)
    await sent(session.send("/queue/work", message("b", durable=True)))
    next_life = world.again()
    next_life.clock.advance(12)
    await look_once(next_life)
    assert [item.message.body for item in next_life.queues.get("work")[1].items()] == [b"b"]
    assert reasons(next_life.queues.get("letters")[1]) == ["expired"]
    next_life.clock.advance(8)
    await look_once(next_life)
    third_life = next_life.again()
    assert third_life.queues.get("work")[1].waiting == 0
    assert reasons(third_life.queues.get("letters")[1]) == ["expired", "expired"]


async def test_the_oldest_goes_whatever_its_priority() -> None:
    """What is urgent is not pushed out by what came later."""
    world = Messaging()
    queue = await world.queue(max_messages=3, overflow=QueueOverflow.DROP_OLDEST)
    session = world.open()
    for text, priority in (("a", 0), ("b", 9), ("c", 4), ("d", 0), ("e", 9), ("f", 0)):
        session.send("/queue/work", message(text, priority=priority))
    assert [item.message.body.decode() for item in queue.items()] == ["e", "d", "f"]
    assert queue.counters.dropped == 3


async def test_the_oldest_may_be_one_that_nobody_there_can_take() -> None:
    """What was put aside waits as well."""
    world = Messaging()
    queue = await world.queue(max_messages=3, overflow=QueueOverflow.DROP_OLDEST)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=2)
    for text in "ab":
        session.send("/queue/work", message(text))
    for each in list(consumer.deliveries):
        session.settle(each.tag, Verdict.RELEASED, undeliverable_here=True)
    await turns()
    session.send("/queue/work", message("c"))
    session.send("/queue/work", message("d"))
    await turns()
    assert consumer.bodies() == ["a", "b", "c", "d"]
    assert [item.message.body for item in queue.items()] == [b"b"]
    assert (queue.messages, queue.waiting, queue.unsettled, queue.counters.dropped) == (3, 1, 2, 1)
    for _ in range(2):
        session.send("/queue/work", message("e"))
    await turns()
    assert (queue.messages, queue.waiting, queue.unsettled, queue.counters.dropped) == (3, 1, 2, 3)


async def test_the_oldest_is_so_among_those_that_nobody_there_can_take() -> None:
    """They were put aside by their priority, and go by their age."""
    world = Messaging()
    queue = await world.queue(max_messages=3, overflow=QueueOverflow.DROP_OLDEST)
    session, consumer = world.open(), FakeConsumer()
    for text, priority in (("a", 0), ("b", 9)):
        session.send("/queue/work", message(text, priority=priority))
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=2)
    await turns()
    for each in list(consumer.deliveries):
        session.settle(each.tag, Verdict.RELEASED, undeliverable_here=True)
    await turns()
    for text in "cd":
        session.send("/queue/work", message(text))
    await turns()
    assert [item.message.body for item in queue.items()] == [b"b"]
    assert consumer.bodies() == ["b", "a", "c", "d"]


async def test_what_has_ended_is_expired_and_not_dropped() -> None:
    """The oldest makes room, and the reason is told."""
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(max_messages=1, overflow=QueueOverflow.DROP_OLDEST, dead_letter="letters")
    session = world.open()
    session.send("/queue/work", message("a", expires_at=world.clock.time() + 1))
    world.clock.advance(2)
    session.send("/queue/work", message("b"))
    assert reasons(letters) == ["expired"]
    assert (queue.counters.expired, queue.counters.dropped) == (1, 0)


async def test_dead_letters_go_round_in_no_circle() -> None:
    """Not in one that they do not come from either: the last queue in which one was ends its way."""
    world = Messaging()
    await world.queue("second")
    await world.queue("first", time_to_live=1, dead_letter="second")
    await world.queue("work", dead_letter="first", max_deliveries=1)
    world.queues.delete("second", TEST)
    await turns()
    await world.queue("second", time_to_live=1, dead_letter="first")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    session.settle(consumer.deliveries[0].tag, Verdict.FAILED)
    for _ in range(4):
        world.clock.advance(2)
        world.queues.look()
        await turns()
    assert [world.queues.get(name)[1].messages for name in ("work", "first", "second")] == [0, 0, 0]


async def test_dead_letters_go_as_far_as_they_may() -> None:
    """Through every queue of a circle once, when they come from there; and down a line to its end."""
    world = Messaging()
    await world.queue("third")
    await world.queue("second", time_to_live=1, dead_letter="third")
    await world.queue("first", time_to_live=1, dead_letter="second")
    world.queues.delete("third", TEST)
    await turns()
    third = await world.queue("third", time_to_live=1, dead_letter="first")
    session = world.open()
    session.send("/queue/first", message("a"))
    for _ in range(2):
        world.clock.advance(2)
        world.queues.look()
    (item,) = third.items()
    assert item.message.headers == {DEAD_REASON: "expired", DEAD_ORIGIN: "first"}
    for _ in range(4):
        world.clock.advance(2)
        world.queues.look()
    assert world.queues.octets == 0


@pytest.mark.parametrize("room", (0, 1))
@pytest.mark.parametrize("bound", ("queue", "all"))
async def test_what_a_consumer_has_counts_to_the_octet(bound: str, room: int) -> None:
    """Also what came to it past all lines, because it was ready; one octet less, and it is refused."""
    octets = message("x" * 500).octets
    full = 3 * octets - 1 + room
    world = Messaging(most_octets=full if bound == "all" else 2**30)
    queue = await world.queue(max_octets=full if bound == "queue" else 2**30)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    for _ in range(2):
        session.send("/queue/work", message("x" * 500))
    if room:
        session.send("/queue/work", message("x" * 500))
    else:
        with pytest.raises(LimitExceeded):
            session.send("/queue/work", message("x" * 500))
    assert (len(consumer.deliveries), queue.octets, world.queues.octets) == (2 + room, (2 + room) * octets, (2 + room) * octets)


async def test_what_fails_too_often_is_with_nobody_any_more() -> None:
    """Neither with its consumer nor in the queue, by every figure."""
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(dead_letter="letters", max_deliveries=2)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    for _ in range(2):
        session.settle(consumer.deliveries[-1].tag, Verdict.FAILED)
        await turns()
    assert [each.count for each in consumer.deliveries] == [0, 1]
    assert (queue.messages, queue.waiting, queue.unsettled, queue.octets, queue.counters.redelivered) == (0, 0, 0, 0, 1)
    assert (letters.waiting, world.queues.octets) == (1, letters.octets)


async def test_what_is_published_is_forgotten_with_its_last_follower() -> None:
    """Topics keep nothing for nobody."""
    world = Messaging()
    session, slow = world.open(), FakeConsumer(room=0)
    first, second = (subscribe(session, "/topic/news", slow, id=name) for name in ("1", "2"))
    session.send("/topic/news", message("a"))
    ring = world.exchange._ring
    first.end()
    assert ring.octets > 0
    second.end()
    assert (ring.octets, ring.first) == (0, ring.last + 1)


@pytest.mark.parametrize("ack", (Ack.CLIENT, Ack.INDIVIDUAL))
@pytest.mark.parametrize("durable", (False, True))
async def test_what_is_accepted_by_the_shortest_way_opens_the_window(ack: Ack, durable: bool) -> None:
    """As by ``settle``: as many come as were accepted, and all figures are right in the end."""
    world = Messaging()
    queue = await world.queue(durable=durable)
    session, consumer = world.open(), FakeConsumer()
    for number in range(6):
        await sent(session.send("/queue/work", message(str(number), durable=durable)))
    subscribe(session, "/queue/work", consumer, ack, credit=2)
    await turns()
    assert consumer.bodies() == ["0", "1"]
    await sent(session.accept(consumer.deliveries[1].tag))
    more = 2 if ack is Ack.CLIENT else 1
    assert consumer.bodies() == [str(number) for number in range(2 + more)]
    assert (queue.unsettled, queue.counters.delivered) == (2, more)
    while session.unsettled:
        await sent(session.accept(max(session.unsettled)))
    assert consumer.bodies() == [str(number) for number in range(6)]
    assert (queue.messages, queue.unsettled, queue.octets, queue.counters.delivered) == (0, 0, 0, 6)


async def test_a_transaction_sends_and_makes_dead_letters_elsewhere() -> None:
    """Its dead letters need not go where its messages go."""
    world = Messaging()
    letters, other = await world.queue("letters"), await world.queue("other")
    queue = await world.queue(dead_letter="letters")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    session.begin("t")
    session.send("/queue/other", message("b"), transaction="t")
    session.settle(consumer.deliveries[0].tag, Verdict.REJECTED, transaction="t")
    await sent(session.commit("t"))
    assert (queue.messages, letters.waiting, other.waiting) == (0, 1, 1)
    assert reasons(letters) == ["rejected"]


async def test_thousands_that_ended_leave_those_that_wait() -> None:
    """In their order, also those of other priorities, those that were given back, and those that were put aside."""
    world = Messaging()
    queue = await world.queue(max_messages=5000)
    session, consumer, other = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="1", credit=3, is_exact=True)
    for text in ("aside", "back"):
        session.send("/queue/work", message(text))
    session.settle(consumer.deliveries[0].tag, Verdict.RELEASED, undeliverable_here=True)
    await turns()
    session.send("/queue/work", message("held"))
    await turns()
    ends = world.clock.time() + 1
    for number in range(2500):
        session.send("/queue/work", message("x", priority=number % 10, expires_at=ends))
        if number % 1000 == 0:
            session.send("/queue/work", message(f"stays {number}", priority=7))
    assert consumer.bodies() == ["aside", "back", "held"]
    world.clock.advance(2)
    session.close()
    await look_once(world)
    assert queue.counters.expired == 2500
    assert queue.waiting == queue.messages == 6
    subscribe(world.open(), "/queue/work", other)
    await turns()
    assert other.bodies() == ["stays 0", "stays 1000", "stays 2000", "aside", "back", "held"]


async def test_as_many_of_the_oldest_go_as_make_room_for_a_large_one() -> None:
    """By octets; what is larger than the whole queue goes itself, and pushes nothing out."""
    octets = message("x" * 100).octets
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(max_octets=5 * octets, overflow=QueueOverflow.DROP_OLDEST, dead_letter="letters")
    session = world.open()
    for text in "abcde":
        session.send("/queue/work", message(text * 100))
    session.send("/queue/work", message("f" * (2 * octets)))
    assert [item.message.body[:1] for item in queue.items()] == [b"d", b"e", b"f"]
    assert [item.message.body[:1] for item in letters.items()] == [b"a", b"b", b"c"]
    session.send("/queue/work", message("g" * (6 * octets)))
    assert [item.message.body[:1] for item in queue.items()] == [b"d", b"e", b"f"]
    assert letters.messages == 4
    assert reasons(letters) == ["overflow"] * 4
    assert (queue.counters.dropped, queue.counters.dead_lettered) == (4, 4)


async def test_the_newest_goes_when_it_has_no_room_in_octets() -> None:
    """A smaller one that comes later has it."""
    octets = message("x" * 100).octets
    world = Messaging()
    letters = await world.queue("letters")
    queue = await world.queue(max_octets=2 * octets, overflow=QueueOverflow.DROP_NEWEST, dead_letter="letters")
    session = world.open()
    for text in ("a" * 100, "b" * 101, "c" * 100):
        session.send("/queue/work", message(text))
    assert [item.message.body[:1] for item in queue.items()] == [b"a", b"c"]
    assert [item.message.body[:1] for item in letters.items()] == [b"b"]
    assert queue.octets == 2 * octets


async def test_dead_letters_without_room_or_place_are_dropped_and_counted() -> None:
    """A queue for them that is full takes no more of them; one that was deleted takes none. Nobody is refused by it."""
    world = Messaging()
    letters = await world.queue("letters", max_messages=1)
    queue = await world.queue(dead_letter="letters")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    for text in "abc":
        session.send("/queue/work", message(text))
    for each in consumer.deliveries[:2]:
        session.settle(each.tag, Verdict.REJECTED)
    assert (letters.messages, letters.counters.dropped, queue.counters.dead_lettered, queue.counters.dropped) == (1, 1, 2, 0)
    world.queues.delete("letters", TEST)
    await turns()
    session.settle(consumer.deliveries[2].tag, Verdict.REJECTED)
    assert (queue.messages, queue.counters.dead_lettered, queue.counters.dropped, world.queues.octets) == (0, 2, 1, 0)


async def test_what_was_tried_in_vain_is_remembered_over_a_restart() -> None:
    """So that it becomes a dead letter in the end, however often the daemon starts; being given back is not counted."""
    world = Messaging()
    await world.queue("letters", durable=True)
    await world.queue(durable=True, dead_letter="letters", max_deliveries=3)
    await sent(world.open().send("/queue/work", message("a", durable=True)))
    for expected in (0, 1, 2):
        session, consumer = world.open(), FakeConsumer()
        subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
        await turns()
        assert [(each.count, each.redelivered) for each in consumer.deliveries] == [(expected, expected > 0)]
        session.settle(consumer.deliveries[0].tag, Verdict.RELEASED)
        await turns()
        assert [each.count for each in consumer.deliveries] == [expected, expected]
        await sent(session.settle(consumer.deliveries[1].tag, Verdict.FAILED))
        world = world.again()
    assert world.queues.get("work")[1].messages == 0
    (item,) = world.queues.get("letters")[1].items()
    assert (item.count, item.message.headers[DEAD_REASON], item.message.headers[DEAD_ORIGIN]) == (3, "failed", "work")


@pytest.mark.parametrize("ack", tuple(Ack))
@pytest.mark.parametrize("is_exact", (False, True))
async def test_a_follower_gets_what_fits_and_nothing_else(ack: Ack, is_exact: bool) -> None:
    """However it acknowledges and counts; and one client's patterns that overlap are each told."""
    world = Messaging()
    session, narrow, wide = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/topic/news.*.today", narrow, ack, id="narrow", is_exact=is_exact, credit=10)
    subscribe(session, "/topic/news.#", wide, ack, id="wide", is_exact=is_exact, credit=10)
    for topic in ("news", "news.today", "news.here.today", "news.here.there.today", "other.here.today"):
        session.send(f"/topic/{topic}", message(topic))
    await turns()
    assert narrow.bodies() == ["news.here.today"]
    assert wide.bodies() == ["news", "news.today", "news.here.today", "news.here.there.today"]
