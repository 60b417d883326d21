"""The broker as protocols see it: who publishes what to whom, through which queues (``interfaces.messaging.Exchange``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.base.errors import ApiError
from libvdsm.broker.broker import Broker, Quota
from libvdsm.broker.destinations import ALL_EVENTS, TEMPORARY, Kind, may_be_free, may_be_owned, parse
from libvdsm.broker.following import Following
from libvdsm.broker.listeners import EventMessages, EventPart, FreePart, TopicSubscription
from libvdsm.broker.published import Published, TopicRing
from libvdsm.broker.queue import Queue, not_there
from libvdsm.broker.rules import Rules
from libvdsm.broker.session import BrokerSession
from libvdsm.broker.topics import matcher
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, LimitExceeded
from libvdsm.interfaces.generated.types import QueueOverflow
from libvdsm.interfaces.messaging import Message, Requests, Verdict, Wish

if TYPE_CHECKING:
    from libvdsm.broker.items import Item
    from libvdsm.broker.keeper import Keeper, Recorded
    from libvdsm.broker.queues import Queues
    from libvdsm.broker.transactions import Put

_log = logging.getLogger(__name__)

_EVENTS: Final = "event.read"
_SUBSCRIBE: Final = "topic.subscribe"


#: Told of a refusal: who lacked which permission; for which object (type and id), there or not; and the project of it, as far as there is any.
Refused: TypeAlias = Callable[[Caller, str, tuple[str, str] | None, str | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLimits:
    """What one session may ask for."""

    subscriptions: int = 1000
    window: int = 256  # unsettled deliveries of a subscription that says nothing else
    transactions: int = 100
    transaction_steps: int = 10_000
    transaction_octets: int = 16 * 1024 * 1024
    temporary_queues: int = 100
    temporary_messages: int = 10_000
    temporary_octets: int = 16 * 1024 * 1024
    remembered: int = 1000  # destinations whose rights are not looked at anew each time


@dataclass(slots=True)
class ExchangeCounters:
    """What happened, since the start."""

    published: int = 0
    events: int = 0  # that were delivered
    dropped_answers: int = 0


class MessageExchange:
    """See ``interfaces.messaging.Exchange``."""

    def __init__(
        self,
        *,
        broker: Broker,
        queues: Queues,
        schedule: Callable[[Callable[[], None]], object],
        requests: Requests | None = None,
        limits: ExchangeLimits | None = None,
        quota: Quota | None = None,
        refused: Refused | None = None,
    ) -> None:
        """``requests`` may be set later: a binding of the bridge. ``quota`` counts subscriptions of callers.

        ``refused`` is told who lacked which permission for which queue, and whose affair that is.
        """
        self.quota = quota
        self.refused = refused
        self.requests = requests
        self.limits = limits or ExchangeLimits()
        self.counters = ExchangeCounters()
        self.keeper: Keeper = queues.keeper
        self.temporaries: dict[str, Queue] = {}  # by destination
        self._broker = broker
        self._queues = queues
        self._ring = TopicRing()
        self._following: Following[Published] = Following(self._ring, schedule)
        self._free_parts = 0
        self._messages = EventMessages(broker)
        self._sessions: set[BrokerSession] = set()
        self._answering: set[asyncio.Future[Message | None]] = set()
        queues.on_change.append(self._queues_changed)

    def open(self, caller: Caller) -> BrokerSession:
        """See ``Exchange``."""
        session = BrokerSession(self, caller)
        self._sessions.add(session)
        return session

    def closed(self, session: BrokerSession) -> None:
        """A session is over."""
        self._sessions.discard(session)
        if self.requests is not None:
            self.requests.release(session.caller)

    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    # --- queues ---

    def queue(self, name: str) -> Queue | None:
        """A queue that can be used."""
        return self._queues.usable(name)

    def queue_at(self, destination: str) -> Queue | None:
        """The queue behind a destination, if it is one."""
        found = parse(destination)
        if found.kind is Kind.QUEUE:
            return self._queues.usable(found.name)
        return self.temporaries.get(destination)

    def check_room(self, octets: int) -> None:
        """Raise ``LimitExceeded`` if all queues together have no room for so much more."""
        if not self._queues.has_room(octets):
            raise LimitExceeded(limit="octets in all queues", maximum=self._queues.most_octets)

    def make_temporary(self) -> Queue:
        """A queue with a name that nobody guesses."""
        destination = TEMPORARY + token_urlsafe(18)
        rules = Rules(max_messages=self.limits.temporary_messages, max_octets=self.limits.temporary_octets, overflow=QueueOverflow.REJECT)
        queue = self.temporaries[destination] = Queue(destination, destination, rules, self._queues)
        return queue

    def end_temporary(self, queue: Queue) -> None:
        """Its session is over, or wants it no more."""
        self.temporaries.pop(queue.destination, None)
        queue.end(not_there(queue.destination))

    def _queues_changed(self) -> None:
        for session in self._sessions:
            session.forget_ways()

    # --- topics ---

    def publish(self, topic: str, destination: str, message: Message) -> None:
        """Deliver to whoever has subscribed by now."""
        self.counters.published += 1
        if self._free_parts:
            self._ring.append(topic, destination, message)
            self._following.wake()

    def listen(self, made: TopicSubscription, wish: Wish, pattern: str, fits: Callable[[str], bool]) -> None:
        """Begin to deliver what fits a pattern: events, what clients publish, or both. Raises ``PermissionDenied``."""
        session = made.session
        events = may_be_owned(pattern) and session.caller.rights.anywhere(_EVENTS)
        wants_events = wish.filter is not None or wish.coalesce_s > 0
        free = may_be_free(pattern) and session.has(_SUBSCRIBE) and not wants_events
        if wants_events and not may_be_owned(pattern):
            raise InvalidParams(path="$.filter", reason="only events can be filtered and merged")
        if not events and not free:
            raise session.denied(_EVENTS if may_be_owned(pattern) else _SUBSCRIBE)
        if events:
            if pattern == ALL_EVENTS:
                fits = matcher(["#"])
            cursor, gap = self._broker.begin(wish.after, snapshot=wish.snapshot)
            made.event_part = EventPart(made, self._messages, self._broker, fits, cursor, gap)
            self._broker.follow(made.event_part, snapshot=wish.snapshot, filter=wish.filter, coalesce_s=wish.coalesce_s)
        if free:
            made.free_part = FreePart(made, fits, self._ring.last)
            self._free_parts += 1
            self._following.add(made.free_part)

    def leave(self, subscription: TopicSubscription) -> None:
        """Deliver nothing more."""
        if subscription.event_part is not None:
            self._broker.leave(subscription.event_part)
        if subscription.free_part is not None and not subscription.free_part.is_ended:
            self._following.remove(subscription.free_part)
            self._free_parts -= 1
            if not self._free_parts:
                self._ring.forget()

    def wake(self, subscription: TopicSubscription) -> None:
        """It wants to hear when it has caught up."""
        if subscription.event_part is not None:
            self._broker.wake(subscription.event_part)
        if subscription.free_part is not None and not subscription.free_part.is_waiting:
            self._following.add(subscription.free_part)

    def behind(self, subscription: TopicSubscription) -> int:
        """How much it has not seen."""
        events, free = subscription.event_part, subscription.free_part
        lag = 0 if events is None else self._broker.last - events.reached + len(events.pending)
        return lag + (0 if free is None else self._ring.last - free.reached)

    def objection(self, subscription: TopicSubscription) -> ApiError | None:
        """Why it may not go on, if it may not."""
        session = subscription.session
        if subscription.event_part is not None and not session.caller.rights.anywhere(_EVENTS):
            return session.denied(_EVENTS)
        if subscription.free_part is not None and not session.has(_SUBSCRIBE):
            return session.denied(_SUBSCRIBE)
        return None

    # --- transactions ---

    def put_all(
        self, sends: Iterable[tuple[Put, str, Message]], settles: Iterable[tuple[int, Item, Verdict, bool]], recorded: Recorded | None
    ) -> Awaitable[None] | None:
        """Do what a transaction sends, all of it in one turn: one record on disk, if there is any.

        What needs no record waits for those that do: if they cannot be made, none of it was.
        """
        puts = [(put, self.queue_at(destination), message) for put, destination, message in sends]
        is_durable = recorded is not None or any(q is not None and q.rules.durable and m.durable for _, q, m in puts)
        joining: list[Item] | None = [] if is_durable else None
        for _, queue, message in puts:
            if queue is not None:
                recorded = queue.take_in(message, joining) or recorded
        others = [(put, message) for put, queue, message in puts if queue is None]
        batch = None if recorded is None else self.keeper.join()
        if batch is None:
            for put, message in others:
                put(message)
            return None
        batch.added.extend(joining or ())
        for _, item, verdict, _ in settles:
            if verdict is Verdict.ACCEPTED and item.queue is not None and not item.is_kept:
                batch.settled.append(item)
        for put, message in others:
            batch.after.append(lambda put=put, message=message: self._put_late(put, message))  # type: ignore[misc]
        return recorded

    def _put_late(self, put: Put, message: Message) -> None:
        try:
            put(message)
        except ApiError as failure:
            self.complain(failure)

    # --- answers ---

    def when_answered(self, answer: Awaitable[Message | None], deliver: Callable[[Message | None], None]) -> None:
        """Deliver an answer that comes later."""
        answering = asyncio.ensure_future(answer)
        self._answering.add(answering)

        def answered(done: asyncio.Future[Message | None]) -> None:
            self._answering.discard(done)
            if done.cancelled():
                return
            failure = done.exception()
            if failure is not None:
                self.complain(failure)
                return
            deliver(done.result())

        answering.add_done_callback(answered)

    def complain(self, failure: BaseException) -> None:
        """Something failed that nobody can be told of."""
        _log.warning("a message could not be delivered: %s", failure)
