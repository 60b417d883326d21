"""A broker in memory, for tests of protocols: just enough of ``interfaces.messaging`` to see what a protocol makes of it.

Everything is delivered when ``run`` is called, never within a call. With ``is_slow`` what is sent to a queue is stored when the test
says so (``store``). Nobody is refused unless ``refusals`` says so, by destination.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import AlreadyExists, LimitExceeded, ObjectNotFound
from libvdsm.interfaces.messaging import Ack, Consumer, Delivery, Message, Verdict, Wish


def fits(pattern: str, topic: str) -> bool:
    """Whether a topic is one of a pattern's."""
    words, own = pattern.split("."), topic.split(".")
    if words and words[-1] == "#":
        words, own = words[:-1], own[: len(words) - 1]
    return len(words) == len(own) and all(word in ("*", each) for word, each in zip(words, own, strict=True))


@dataclass(eq=False)
class Kept:
    """A message in a queue."""

    message: Message
    destination: str
    number: int
    count: int = 0
    was_delivered: bool = False


@dataclass(eq=False)
class FakeSubscription:
    """See ``Subscription``."""

    session: FakeSession
    wish: Wish
    consumer: Consumer
    credits: int = 2**31
    is_over: bool = False
    open: dict[int, Kept] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    drains: bool = False

    @property
    def id(self) -> str:
        return self.wish.id

    def credit(self, count: int) -> None:
        self.credits += count

    def set_credit(self, count: int) -> None:
        self.credits = count

    def drain(self) -> None:
        self.drains = True

    def end(self) -> None:
        self.is_over = True
        if self in self.session.exchange.subscriptions:
            self.session.exchange.subscriptions.remove(self)

    def give(self, kept: Kept, shared: dict[str, bytes] | None = None, resume: str | None = None) -> None:
        """Deliver one."""
        tag = next(self.session.tags)
        if self.wish.ack is not Ack.AUTO:
            self.open[tag] = kept
            self.session.open[tag] = self
        if self.wish.is_exact:
            self.credits -= 1
        self.consumer.deliver(
            Delivery(
                tag=tag,
                message=kept.message,
                destination=kept.destination,
                redelivered=kept.was_delivered,
                count=kept.count,
                shared=shared,
                resume=resume,
            )
        )
        kept.was_delivered = True

    def has_room(self) -> bool:
        """Whether one more may come."""
        if self.consumer.is_full():
            return False
        return self.credits > 0 if self.wish.is_exact else len(self.open) < (self.wish.credit or 1_000)


class FakeExchange:
    """See ``Exchange``."""

    def __init__(self, *, is_slow: bool = False) -> None:
        self.is_slow = is_slow
        self.queues: dict[str, deque[Kept]] = {}
        self.subscriptions: list[FakeSubscription] = []
        self.sessions: list[FakeSession] = []
        self.dead: list[Kept] = []
        self.requests: list[Message] = []
        self.refusals: dict[str, ApiError] = {}
        self.waiting: deque[tuple[asyncio.Future[None], list[tuple[str, Message]]]] = deque()
        self.published: deque[tuple[str, Message, str | None]] = deque()
        self.numbers = itertools.count()

    def open(self, caller: Caller) -> FakeSession:
        session = FakeSession(self, caller)
        self.sessions.append(session)
        return session

    def put(self, destination: str, message: Message) -> None:
        """It is where it should be."""
        if destination == "/exchange/requests":
            self.requests.append(message)
        elif destination.startswith("/topic/"):
            self.published.append((destination, message, None))
        else:
            self.queues.setdefault(destination, deque()).append(Kept(message, destination, next(self.numbers)))

    def tell(self, topic: str, body: bytes, resume: str) -> None:
        """An event."""
        self.published.append((f"/topic/{topic}", Message(body=body, content_type="application/json"), resume))

    def store(self, failure: ApiError | None = None) -> None:
        """What was sent first of what waits is stored, or cannot be."""
        future, sends = self.waiting.popleft()
        if failure is not None:
            future.set_exception(failure)
            return
        for destination, message in sends:
            self.put(destination, message)
        future.set_result(None)

    def run(self) -> None:
        """Deliver what there is."""
        while self.published:
            destination, message, resume = self.published.popleft()
            shared: dict[str, bytes] = {}
            for each in tuple(self.subscriptions):
                pattern = each.wish.destination
                if pattern.startswith("/topic/") and fits(pattern[7:], destination[7:]):
                    each.give(Kept(message, destination, 0), shared, resume)
        for name, queue in self.queues.items():
            turn = [each for each in self.subscriptions if each.wish.destination == name]
            while queue and any(each.has_room() for each in turn):
                for each in turn:
                    if queue and each.has_room():
                        each.give(queue.popleft())
        for each in tuple(self.subscriptions):
            if each.drains:
                each.drains, each.credits = False, 0
                each.consumer.drained()

    def delete(self, destination: str) -> None:
        """A queue is gone."""
        for each in tuple(self.subscriptions):
            if each.wish.destination == destination:
                each.end()
                each.consumer.ended(ObjectNotFound(type="queue", id=destination))

    def give_back(self, kept: Kept) -> None:
        """To its place."""
        queue = self.queues.setdefault(kept.destination, deque())
        items = sorted([*queue, kept], key=lambda each: each.number)
        queue.clear()
        queue.extend(items)


@dataclass(eq=False)
class FakeTransaction:
    sends: list[tuple[str, Message]] = field(default_factory=list)
    settles: list[tuple[int, Verdict]] = field(default_factory=list)


class FakeSession:
    """See ``Session``."""

    def __init__(self, exchange: FakeExchange, caller: Caller) -> None:
        self.exchange = exchange
        self.caller = caller
        self.tags = itertools.count(1)
        self.open: dict[int, FakeSubscription] = {}
        self.busy: set[int] = set()  # about to be settled by a transaction
        self.transactions: dict[str, FakeTransaction] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.is_closed = False
        self.most_transactions = 10_000
        self.lag = 0

    def intend(self, destination: str, ended: Callable[[ApiError], None]) -> Callable[[], None]:
        self._check(destination)
        self.calls.append(("intend", destination, ended))
        return lambda: None

    def _check(self, destination: str) -> None:
        if destination in self.exchange.refusals:
            raise self.exchange.refusals[destination]

    def send(self, destination: str, message: Message, *, transaction: str | None = None) -> Awaitable[None] | None:
        self._check(destination)
        self.calls.append(("send", destination, message, transaction))
        if transaction is not None:
            self._find(transaction).sends.append((destination, message))
            return None
        return self._store([(destination, message)])

    def _store(self, sends: list[tuple[str, Message]]) -> Awaitable[None] | None:
        if self.exchange.is_slow and any(destination.startswith("/queue/") for destination, _ in sends):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.exchange.waiting.append((future, sends))
            return future
        for destination, message in sends:
            self.exchange.put(destination, message)
        return None

    def subscribe(self, wish: Wish, consumer: Consumer) -> FakeSubscription:
        if wish.destination in self.exchange.refusals:
            raise self.exchange.refusals[wish.destination]
        self.calls.append(("subscribe", wish))
        made = FakeSubscription(self, wish, consumer, credits=wish.credit or 0 if wish.is_exact else 2**31)
        self.exchange.subscriptions.append(made)
        return made

    def settle(
        self, tag: int, verdict: Verdict, *, undeliverable_here: bool = False, transaction: str | None = None
    ) -> Awaitable[None] | None:
        subscription = self.open.get(tag)
        if subscription is None or tag in self.busy:
            raise ObjectNotFound(type="delivery", id=str(tag))
        cumulative = subscription.wish.ack is Ack.CLIENT
        self.calls.append(("settle", tag, verdict, cumulative, transaction))
        if transaction is not None:
            self._find(transaction).settles.append((tag, verdict))
            self.busy |= {other for other in subscription.open if other <= tag} if cumulative else {tag}
            return None
        for each in [other for other in subscription.open if other <= tag] if cumulative else [tag]:
            kept = subscription.open.pop(each)
            del self.open[each]
            if verdict is Verdict.REJECTED:
                self.exchange.dead.append(kept)
            elif verdict is not Verdict.ACCEPTED:
                kept.count += verdict is Verdict.FAILED
                self.exchange.give_back(kept)
        return None

    def amend(self, tag: int, change: Callable[[Message, str], Message]) -> None:
        kept = self.open[tag].open[tag]
        kept.message = change(kept.message, kept.destination)

    def accept(self, tag: int) -> Awaitable[None] | None:
        return self.settle(tag, Verdict.ACCEPTED)

    def held(self, tag: int) -> Consumer | None:
        subscription = self.open.get(tag)
        return None if subscription is None or tag in self.busy else subscription.consumer

    def road(self, destination: str, like: Message) -> Callable[[bytes], Awaitable[None] | None]:
        return lambda body: self.send(destination, msgspec.structs.replace(like, body=body))

    def begin(self, transaction: str) -> None:
        if transaction in self.transactions:
            raise AlreadyExists(type="transaction", id=transaction)
        if len(self.transactions) >= self.most_transactions:
            raise LimitExceeded(limit="transactions", maximum=self.most_transactions)
        self.transactions[transaction] = FakeTransaction()

    def commit(self, transaction: str) -> Awaitable[None] | None:
        made = self._find(transaction)
        del self.transactions[transaction]
        self._free(made)
        for tag, verdict in made.settles:
            self.settle(tag, verdict)
        return self._store(made.sends)

    def abort(self, transaction: str) -> None:
        self._free(self._find(transaction))
        del self.transactions[transaction]

    def _free(self, made: FakeTransaction) -> None:
        for tag, _ in made.settles:
            subscription = self.open[tag]
            self.busy -= {other for other in subscription.open if other <= tag} if subscription.wish.ack is Ack.CLIENT else {tag}

    def temporary(self) -> str:
        return f"/temp-queue/unguessable-{next(self.exchange.numbers)}"

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self.transactions.clear()
        for each in [other for other in self.exchange.subscriptions if other.session is self]:
            each.end()
        for subscription in dict.fromkeys(self.open.values()):
            for kept in subscription.open.values():
                self.exchange.give_back(kept)
        self.open.clear()

    def _find(self, name: str) -> FakeTransaction:
        if name not in self.transactions:
            raise ObjectNotFound(type="transaction", id=name)
        return self.transactions[name]
