"""F-18, F-19 and F-20 at the broker: readers that never read, floods of subscriptions, storms of events."""

from __future__ import annotations

import asyncio
import gc
import time
from statistics import median
from typing import Any

import msgspec
import pytest

from libvdsm.broker.broker import Broker
from libvdsm.broker.exchange import ExchangeLimits
from libvdsm.interfaces.generated.errors import LimitExceeded
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messaging import Ack
from tests.fakes.front import VM_1, FakeSink, Front
from tests.fakes.messaging import FakeConsumer, Messaging, message, subscribe, turns
from tests.unit.broker.test_broker import connected

NEVER = 500


class Blind(FakeConsumer):
    """A consumer that remembers only how much came."""

    def deliver(self, delivery: object) -> None:
        self.room -= 1


def event(world: Messaging, id: str, **patch: object) -> None:
    sequence = world.journal.next_sequence()
    subject = {"type": "vm", "id": id, "revision": sequence}
    body = {"epoch": "e", "sequence": sequence, "topic": f"vm.{id}", "object": subject, "change": "changed", "patch": patch}
    world.journal.append(Entry(sequence, f"vm.{id}", "vm", id, msgspec.json.encode(body)))


async def publish(world: Messaging, kind: str, count: int) -> float:
    """Seconds of CPU for so many messages or events."""
    session = world.open()
    gc.collect()
    begun = time.process_time()
    for number in range(count):
        if kind == "topic":
            session.send("/topic/news.x", message("x" * 300))
        else:
            event(world, "1", memory=number)
        if number % 8 == 0:
            await asyncio.sleep(0)
    await turns()
    taken = time.process_time() - begun
    session.close()
    return taken


@pytest.mark.parametrize(("kind", "pattern"), (("topic", "/topic/news.#"), ("event", "/topic/vm.#")))
async def test_f18_who_never_reads_slows_nobody(kind: str, pattern: str) -> None:
    """With 500 who never read, publishing takes hardly longer, their bound holds, and who reads gets everything."""
    ratios = []
    for _ in range(5):
        calm, plagued = Messaging(), Messaging()
        readers = [FakeConsumer(), FakeConsumer()]
        never = [Blind(room=3) for _ in range(NEVER)]
        for world, reader in zip((calm, plagued), readers, strict=True):
            subscribe(world.open(), pattern, reader)
        for each in never:
            subscribe(plagued.open(), pattern, each)
        await publish(plagued, kind, 10)  # now they are full
        base = await publish(calm, kind, 3000)
        ratios.append(await publish(plagued, kind, 3000) / base)
        assert len(readers[0].deliveries) == 3000
        assert len(readers[1].deliveries) == 3010
        assert all(each.room == 0 for each in never)
    assert min(ratios) < 1.15, ratios  # the promise is 1.05 (benchmarks); a busy machine is no fault
    assert median(ratios) < 1.5, ratios


async def test_f18_who_reads_again_misses_nothing_that_is_still_there() -> None:
    """A reader that stood still goes on where it was; of topics, whose ring is short, it hears what it missed."""
    world = Messaging()
    slow, late = FakeConsumer(room=1), FakeConsumer(room=1)
    subscribe(world.open(), "/topic/vm.#", slow)
    subscribe(world.open(), "/topic/news", late)
    session = world.open()
    for number in range(12_000):
        event(world, "1", memory=number)
        session.send("/topic/news", message(str(number)))
        if number % 100 == 0:
            await asyncio.sleep(0)
    await turns()
    assert (len(slow.deliveries), len(late.deliveries)) == (1, 1)
    slow.read()
    late.read()
    await turns(200)
    assert [msgspec.json.decode(each.message.body)["sequence"] for each in slow.deliveries] == list(range(1, 12_001))
    gap = late.deliveries[1].message
    assert gap.headers == {"gap": "trimmed"}
    missed = msgspec.json.decode(gap.body)["missed"]
    assert late.bodies()[2:] == [str(number) for number in range(1 + missed, 12_000)]


async def test_f18_a_queue_with_a_consumer_that_never_reads() -> None:
    """What it cannot take goes to the others; what it has comes back when it is let go."""
    world = Messaging()
    await world.queue(max_messages=10_000)
    session, stuck, quick = world.open(), FakeConsumer(room=5), FakeConsumer()
    held = world.open()
    subscribe(held, "/queue/work", stuck, Ack.CLIENT)
    subscribe(session, "/queue/work", quick)
    for number in range(1000):
        session.send("/queue/work", message(str(number)))
    await turns()
    assert (len(stuck.deliveries), len(quick.deliveries)) == (5, 995)
    held.close()
    await turns()
    assert sorted(map(int, quick.bodies())) == list(range(1000))


async def test_f19_floods_of_subscriptions_leave_nothing() -> None:
    """100,000 times subscribed and left: linear in time, and nothing of it is left."""
    world = Messaging()
    await world.queue()
    session = world.open()

    def flood(count: int) -> float:
        begun = time.process_time()
        for number in range(count):
            destination = ("/topic/vm.#", "/topic/news.*", "/queue/work")[number % 3]
            subscribe(session, destination, FakeConsumer(), id="s").end()
        return time.process_time() - begun

    flood(1000)
    gc.collect()
    before = len(gc.get_objects())
    short = flood(20_000)
    long = flood(80_000)
    await turns()
    gc.collect()
    assert long < 4 * short * 2, (short, long)
    assert len(gc.get_objects()) < before + 1000
    assert (session.subscriptions, session.by_destination) == ({}, {})
    assert len(session.caller.on_change) == 1
    assert world.queues.get("work")[1].receivers == set()


async def test_f19_a_session_has_so_many_and_no_more() -> None:
    """What is beyond the quota is refused, typed and cheap; all of them end with the session, in no time."""
    world = Messaging(limits=ExchangeLimits(subscriptions=1000))
    session = world.open()
    for number in range(1000):
        subscribe(session, "/topic/vm.#", FakeConsumer(), id=str(number))
    begun = time.process_time()
    for number in range(10_000):
        with pytest.raises(LimitExceeded):
            subscribe(session, "/topic/vm.#", FakeConsumer(), id=f"more-{number}")
    session.close()
    assert time.process_time() - begun < 2
    assert session.caller.on_change == []


async def test_f20_a_storm_is_told_in_order_and_holds_nobody_up() -> None:
    """10,000 events of 50 objects to 20 followers: all of them, in order, and no turn of the loop is long."""
    world = Messaging()
    followers = [FakeConsumer() for _ in range(20)]
    for each in followers:
        subscribe(world.open(), "/topic/vm.#", each)
    longest = 0.0
    for number in range(10_000):
        event(world, str(number % 50), memory=number)
        if number % 100 == 99:
            begun = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - begun)
    await turns(20)
    for each in followers:
        assert [delivery.resume for delivery in each.deliveries] == [f"{world.journal.epoch}-{n}" for n in range(1, 10_001)]
    assert longest < 0.1


async def test_f20_the_lag_is_shown() -> None:
    """How far a follower is behind can be asked."""
    world = Messaging()
    session = world.open()
    subscription: Any = subscribe(session, "/topic/vm.#", FakeConsumer(room=0))
    for number in range(100):
        event(world, "1", memory=number)
    await turns()
    assert subscription.lag == 100
    front, sink = Front(), FakeSink(room=0)
    front.now("Event.subscribe", {}, connected(front, sink))
    for number in range(7):
        front.observe(VM_1, name=f"n{number}")
    front.run_scheduled()
    assert front.broker.behind(sink) == (1, 7)
    assert front.broker.slowest() == 7


def test_f20_a_storm_that_may_gather_is_few_events() -> None:
    """10,000 changes of 50 objects come as a few hundred that say the same: the last of each, its state changes one by one."""
    front, sink = Front(), FakeSink()
    front.now("Event.subscribe", {"topics": ["vm.#"], "coalesce": 1}, connected(front, sink))
    ids = [f"{number:08d}-1111-4111-8111-111111111111" for number in range(50)]
    for id in ids:
        front.observe(id)
    front.run_scheduled()
    while front.later:
        front.later.pop()[1]()
        front.run_scheduled()
    before = len(sink.deliveries)
    for number in range(9_000):
        front.observe(ids[number % 50], name=f"n{number}", state="running" if number >= 4_500 else "stopped")
    front.run_scheduled()
    while front.later:
        front.later.pop()[1]()
        front.run_scheduled()
    told: list[Any] = [each["event"] for each in sink.deliveries[before:]]
    assert len(told) < 500
    assert sum(each.get("merged", 1) for each in told) == 9_000
    for place, id in enumerate(ids):
        mine = [each for each in told if each["object"]["id"] == id]
        assert [each["sequence"] for each in mine] == sorted(each["sequence"] for each in mine)
        assert mine[-1]["patch"]["name"] == f"n{8_950 + place}"
        assert ["merged" in each for each in mine if "state" in each["patch"]] == [False]
    assert isinstance(front.broker, Broker)
