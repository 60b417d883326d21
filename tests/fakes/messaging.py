"""The broker with stores in memory and a clock that stands still, and consumers that remember: for tests of messaging."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from libvdsm.base.clock import ManualClock
from libvdsm.base.errors import ApiError
from libvdsm.broker.broker import Broker
from libvdsm.broker.exchange import ExchangeLimits, MessageExchange
from libvdsm.broker.queue import Queue
from libvdsm.broker.queues import Queues
from libvdsm.broker.session import BrokerSession
from libvdsm.broker.snapshots import Known, Shown
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import QueueCreateParams, QueueOverflow
from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.messaging import Ack, Delivery, Message, Subscription, Wish
from libvdsm.interfaces.place import Place
from libvdsm.journal.memory import MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder, snapshot_event

ALL = Rights(frozenset(PERMISSIONS))
TEST = Cause(kind="daemon")


@dataclass(eq=False)
class FakeConsumer:
    """Remembers what it is told; full when ``room`` is used up."""

    deliveries: list[Delivery] = field(default_factory=list)
    room: int = 1_000_000
    drains: int = 0
    reasons: list[ApiError] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def deliver(self, delivery: Delivery) -> None:
        assert not self.reasons, "delivered after the end"
        self.deliveries.append(delivery)
        self.room -= 1

    def is_full(self) -> bool:
        return self.room <= 0

    def when_drained(self, resume: Callable[[], None]) -> None:
        self.waiting.append(resume)

    def drained(self) -> None:
        self.drains += 1

    def ended(self, reason: ApiError) -> None:
        self.reasons.append(reason)

    def read(self, room: int = 1_000_000) -> None:
        """The connection has room again."""
        self.room = room
        waiting, self.waiting = self.waiting, []
        for resume in waiting:
            resume()

    def bodies(self) -> list[str]:
        """What came."""
        return [each.message.body.decode() for each in self.deliveries]


class _Nowhere:
    def find(self, type: str, id: str) -> Place | None:
        del type, id
        return None


class FakeObjects:
    """Objects that are there because a test says so."""

    def __init__(self) -> None:
        self.present: dict[tuple[str, str], Known] = {}

    def put(self, type: str, id: str, project: str = "") -> None:
        self.present[type, id] = Known(type, id, project, f"{type}.{id}")

    def shown(self, sequence: int) -> Iterable[Shown]:
        return [self._shown(known, sequence) for known in self.present.values()]

    def known(self, types: Collection[str]) -> Iterator[Known]:
        return iter([known for known in self.present.values() if known.type in types])

    def show(self, type: str, id: str, sequence: int) -> Shown | None:
        known = self.present.get((type, id))
        return None if known is None else self._shown(known, sequence)

    def hide(self, known: Known, sequence: int) -> bytes:
        return self._event(known, sequence, None)

    def _shown(self, known: Known, sequence: int) -> Shown:
        return Shown(known.topic, known.type, known.id, known.project, sequence, self._event(known, sequence, b"{}"))

    @staticmethod
    def _event(known: Known, sequence: int, document: bytes | None) -> bytes:
        return snapshot_event(
            epoch="e",
            sequence=sequence,
            time="2026-01-01T00:00:00Z",
            topic=known.topic,
            type=known.type,
            id=known.id,
            revision=sequence,
            document=document,
            project=known.project,
        )


class Messaging:
    """One life of the broker; ``again`` is the next, with what was committed."""

    def __init__(
        self,
        *,
        state: MemoryStore | None = None,
        messages: MemoryStore | None = None,
        limits: ExchangeLimits | None = None,
        most_octets: int = 256 * 1024 * 1024,
    ) -> None:
        """To be made while a loop runs."""
        loop = asyncio.get_running_loop()
        self.clock = ManualClock()
        self.state = state or MemoryStore()
        self.messages = messages or MemoryStore()
        self.journal = MemoryJournal()
        self.recorder = Recorder(self.journal, self.clock)
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.objects = FakeObjects()
        self.broker = Broker(
            journal=self.journal,
            visibility=Visibility(_Nowhere()),
            snapshots=self.objects,
            schedule=loop.call_soon,
            later=lambda s, f: self.later.append((s, f)),
        )
        self.queues = Queues(
            store=self.state,
            messages=self.messages,
            recorder=self.recorder,
            clock=self.clock,
            schedule=loop.call_soon,
            later=lambda s, f: self.later.append((s, f)),
            most_octets=most_octets,
        )
        self.exchange = MessageExchange(broker=self.broker, queues=self.queues, schedule=loop.call_soon, limits=limits)

    def again(self) -> Messaging:
        """The life after a crash."""
        state = MemoryStore(records={"queue": self.state.load("queue")})
        return Messaging(state=state, messages=MemoryStore(records={"message": self.messages.load("message")}))

    def caller(self, rights: Rights = ALL, identity: str = "alice") -> Caller:
        return Caller(identity=identity, source="token", roles=(), rights=rights)

    def open(self, rights: Rights = ALL, identity: str = "alice") -> BrokerSession:
        return self.exchange.open(self.caller(rights, identity))

    async def queue(
        self,
        name: str = "work",
        *,
        durable: bool = False,
        max_messages: int = 1000,
        max_octets: int = 1024 * 1024,
        overflow: QueueOverflow = QueueOverflow.REJECT,
        time_to_live: float | None = None,
        dead_letter: str | None = None,
        max_deliveries: int = 5,
        project: str = "default",
    ) -> Queue:
        """A new queue that can be used."""
        params = QueueCreateParams(
            name=name,
            durable=durable,
            max_messages=max_messages,
            max_octets=max_octets,
            overflow=overflow,
            time_to_live=time_to_live,
            dead_letter=dead_letter,
            max_deliveries=max_deliveries,
            project=project,
        )
        self.queues.create(params, TEST)
        await turns()
        return self.queues.get(name)[1]


async def turns(count: int = 8) -> None:
    """Let the loop go round until all that was scheduled is done."""
    for _ in range(count):
        await asyncio.sleep(0)


async def sent(answer: Awaitable[None] | None) -> None:
    """Wait until it is where it should be."""
    if answer is not None:
        await answer
    await turns()


def message(text: str = "x", *, durable: bool = False, **members: object) -> Message:
    """A message that says ``text``."""
    return Message(body=text.encode(), durable=durable, **members)  # type: ignore[arg-type]


def subscribe(session: BrokerSession, destination: str, consumer: FakeConsumer, ack: Ack = Ack.AUTO, **members: object) -> Subscription:
    """Begin a subscription that has the name of its destination."""
    members.setdefault("id", destination)
    return session.subscribe(Wish(destination=destination, ack=ack, **members), consumer)  # type: ignore[arg-type]
