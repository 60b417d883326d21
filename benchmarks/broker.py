"""The broker alone, without a wire: microseconds of CPU for a message through a queue, a delivery to many, and beside those who never read.

``python -m benchmarks.broker`` prints them. What a protocol adds is in ``benchmarks.bench``.
"""

from __future__ import annotations

import asyncio
import gc
import time
from statistics import median
from typing import Final

from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messaging import Ack, Delivery, Message, Verdict
from tests.fakes.messaging import FakeConsumer, Messaging, subscribe, turns

MESSAGES: Final = 50_000
NEVER: Final = 500
_RUNS: Final = 7
_SMALL: Final = b"x" * 100
_EVENT: Final = b"x" * 300


class Quick(FakeConsumer):
    """Counts."""

    def deliver(self, delivery: Delivery) -> None:
        """See ``Consumer``."""
        del delivery
        self.room -= 1


class Settling(FakeConsumer):
    """Remembers the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[int] = []

    def deliver(self, delivery: Delivery) -> None:
        """See ``Consumer``."""
        self.tags.append(delivery.tag)


async def queue_us(*, acknowledged: bool) -> float:
    """Through a transient queue to a consumer that is there: in, out and, if wanted, settled."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(), Settling()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL if acknowledged else Ack.AUTO)
    await turns()
    send, settle, tags, accepted = session.send, session.settle, consumer.tags, Verdict.ACCEPTED
    begun = time.process_time()
    for _ in range(MESSAGES):
        send("/queue/work", Message(body=_SMALL, content_type="text/plain", durable=False))
        if acknowledged:
            settle(tags.pop(), accepted)
    return (time.process_time() - begun) / MESSAGES * 1e6


async def fan_out_us(followers: int, in_flight: int) -> float:
    """One delivery of an event to one of many followers."""
    world = Messaging()
    for _ in range(followers):
        subscribe(world.open(), "/topic/vm.#", Quick(room=10**9))
    await turns()
    rounds = max(2, 100_000 // followers // in_flight)
    begun = time.process_time()
    for _ in range(rounds):
        for _ in range(in_flight):
            _tell(world)
        await asyncio.sleep(0)
    return (time.process_time() - begun) / rounds / in_flight / followers * 1e6


async def never_read_ratio() -> float:
    """What a publisher's work costs beside 500 followers that never read, over what it costs without them."""
    ratios = []
    for _ in range(_RUNS):
        calm, plagued = Messaging(), Messaging()
        for world in (calm, plagued):
            subscribe(world.open(), "/topic/vm.#", Quick(room=10**9))
        for _ in range(NEVER):
            subscribe(plagued.open(), "/topic/vm.#", Quick(room=1))
        _tell(plagued)
        await turns()
        gc.collect()
        gc.disable()  # what the collector needs is everybody's, and depends on all that there is
        base = await _publish(calm)
        ratios.append(await _publish(plagued) / base)
        gc.enable()
    return median(ratios)


async def durable_us() -> float:
    """Through a durable queue of a store in memory: what the broker itself needs for a stored message that is settled."""
    world = Messaging()
    await world.queue(durable=True, max_messages=10_000_000)
    session, consumer = world.open(), Settling()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    begun = time.process_time()
    for _ in range(MESSAGES // 100):
        for _ in range(100):
            session.send("/queue/work", Message(body=_SMALL))
        await turns()
        for tag in consumer.tags:
            session.settle(tag, Verdict.ACCEPTED)
        consumer.tags.clear()
        await turns()
    return (time.process_time() - begun) / MESSAGES * 1e6


def _tell(world: Messaging) -> None:
    sequence = world.journal.next_sequence()
    world.journal.append(Entry(sequence, "vm.1", "vm", "1", _EVENT))


async def _publish(world: Messaging) -> float:
    begun = time.process_time()
    for number in range(20_000):
        _tell(world)
        if number % 8 == 0:
            await asyncio.sleep(0)
    await turns()
    return time.process_time() - begun


async def figures() -> dict[str, float]:
    """All of them, by name."""
    return {
        "queue in+out, µs": await queue_us(acknowledged=False),
        "queue in+out+ack, µs": await queue_us(acknowledged=True),
        "durable queue in+out+ack (store in memory), µs": await durable_us(),
        "delivery to 100, one at a time, µs": await fan_out_us(100, 1),
        "delivery to 100, 32 in flight, µs": await fan_out_us(100, 32),
        "delivery to 1000, one at a time, µs": await fan_out_us(1000, 1),
        "delivery to 1000, 32 in flight, µs": await fan_out_us(1000, 32),
        "publisher beside 500 who never read, ratio": await never_read_ratio(),
    }


def main() -> None:
    """Print the figures."""
    for name, value in asyncio.run(figures()).items():
        print(f"{name:60} {value:8.2f}")


if __name__ == "__main__":
    main()
