"""Subscriptions of messaging sessions to topics: to events, to what clients publish, or to both; and to a session's own replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from libvdsm.broker.broker import Broker
from libvdsm.broker.destinations import TOPIC
from libvdsm.broker.event_follower import EventFollower
from libvdsm.broker.following import Follower
from libvdsm.broker.groups import Told, divide
from libvdsm.broker.items import Item
from libvdsm.broker.published import Published
from libvdsm.broker.reading import TURN, Claim, Gap
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messaging import Ack, Consumer, Delivery, Message, Wish
from libvdsm.interfaces.pages import PageConsumer

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.session import BrokerSession

#: Of what all subscriptions of a class are told: its number, message, destination, token, and what its deliveries share.
Prepared: TypeAlias = tuple[int, Message, str, str | None, dict[str, bytes]]

_AUTO = Ack.AUTO
_JSON = "application/json"


class EventMessages:
    """Events as messages; what goes to many is made once."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        # By the follower's mark and the sequence, of the records that go round.
        self.made: dict[tuple[bytes, int], tuple[Message, str, str, dict[str, bytes]]] = {}

    def of(self, entry: Entry, mark: bytes) -> tuple[Message, str, str, dict[str, bytes]]:
        """The message of a record, its destination, its token, and what its deliveries share."""
        key = mark, entry.sequence
        found = self.made.get(key)
        if found is None:
            if len(self.made) >= 2 * TURN:
                self.made.clear()
            resume = (mark + self._broker.token(entry.sequence)).decode()
            found = self.made[key] = event_message(entry.data, resume, entry.topic), TOPIC + entry.topic, resume, {}
        return found


def event_message(event: bytes, resume: str, topic: str) -> Message:
    """An encoded event as a message."""
    return Message(body=event, headers={"resume": resume, "topic": topic}, content_type=_JSON, durable=False)


class TopicSubscription:
    """One subscription of a session to a topic or a pattern: its credit, and the cursors behind it."""

    __slots__ = (
        "_resumes",
        "ack",
        "consumer",
        "credit_left",
        "destination",
        "event_part",
        "free_part",
        "id",
        "is_draining",
        "is_ended",
        "is_exact",
        "is_free",
        "open",
        "page_consumer",
        "session",
    )

    def __init__(self, session: BrokerSession, wish: Wish, consumer: Consumer, credit: int | None) -> None:
        self.session = session
        self.id = wish.id
        self.destination = wish.destination
        self.consumer = consumer
        self.page_consumer = consumer if isinstance(consumer, PageConsumer) else None
        self.ack = wish.ack
        self.is_exact = wish.is_exact
        self.credit_left: int | None = None if wish.ack is _AUTO and not wish.is_exact else credit
        self.is_free = self.credit_left is None  # nothing is counted
        self.is_draining = self.is_ended = False
        self.open: dict[int, Item] = {}
        self.event_part: EventPart | None = None
        self.free_part: FreePart | None = None
        self._resumes: list[Callable[[], None]] = []  # of parts that wait for credit

    # --- Subscription ---

    def credit(self, count: int) -> None:
        """See ``Subscription``."""
        self._add_credit(count)

    def set_credit(self, count: int) -> None:
        """See ``Subscription``."""
        self.credit_left = max(count, 0)
        if self.is_free:
            self.is_free = False
            self._rekey()
        if count > 0:
            self._go_on()

    def drain(self) -> None:
        """See ``Subscription``."""
        self.is_draining = True
        self._rekey()
        self._go_on()
        self.session.exchange.wake(self)

    def end(self) -> None:
        """See ``Subscription``."""
        if not self.is_ended:
            self.is_ended = True
            self._resumes.clear()
            self.session.exchange.leave(self)
            self.session.ended(self)

    # --- within the broker ---

    @property
    def lag(self) -> int:
        """What waits for it."""
        return self.session.exchange.behind(self)

    def has_no_credit(self) -> bool:
        """Whether nothing may come; a reply comes all the same, and is made up for before anything else does."""
        return self.credit_left is not None and self.credit_left <= 0

    def is_full(self) -> bool:
        """Whether nothing can be delivered now."""
        return self.has_no_credit() or self.consumer.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when there is credit and room."""
        if self.has_no_credit():
            self._resumes.append(resume)
            self.try_end_drain()
        else:
            self.consumer.when_drained(resume)

    def give(self, message: Message, destination: str, shared: dict[str, bytes] | None, resume: str | None = None) -> None:
        """Deliver."""
        session = self.session
        session.tag = tag = session.tag + 1
        if self.credit_left is not None:
            self.credit_left -= 1
        if self.ack is not _AUTO:
            session.hold(tag, message, self)
        self.consumer.deliver(Delivery(tag=tag, message=message, destination=destination, resume=resume, shared=shared))

    def give_all(self, prepared: Sequence[Prepared]) -> int | None:
        """Deliver a page, if it is free; the number of the last one that was, when its connection is full after that."""
        session, consumer = self.session, self.consumer
        deliver, is_full = consumer.deliver, consumer.is_full
        for sequence, message, destination, resume, shared in prepared:
            session.tag = tag = session.tag + 1
            deliver(Delivery(tag=tag, message=message, destination=destination, resume=resume, shared=shared))
            if is_full() or self.is_ended:
                return sequence
        return None

    def settled(self, tag: int) -> None:
        """One of its deliveries is."""
        self.open.pop(tag, None)
        if not self.is_exact:
            self._add_credit(1)

    def try_end_drain(self) -> None:
        """End the drain if there is no credit left, or nothing to deliver for it."""
        if self.is_draining and not self.is_ended and (self.has_no_credit() or not self.lag):
            self.is_draining = False
            self._rekey()
            if self.credit_left is not None:
                self.credit_left = 0
            self.consumer.drained()

    def cut(self, reason: ApiError) -> None:
        """It is over, whatever its owner thinks."""
        if not self.is_ended:
            self.end()
            self.consumer.ended(reason)

    def _add_credit(self, count: int) -> None:
        if self.credit_left is not None:
            self.credit_left += count
            if self.credit_left > 0:
                self._go_on()

    def _rekey(self) -> None:
        for part in (self.event_part, self.free_part):
            if part is not None:
                part.rekey()

    def _go_on(self) -> None:
        resumes, self._resumes = self._resumes, []
        for resume in resumes:
            resume()


class EventPart(EventFollower):
    """The events among what a subscription wants."""

    __slots__ = ("messages", "subscription")

    def __init__(
        self,
        subscription: TopicSubscription,
        messages: EventMessages,
        source: Broker,
        fits: Callable[[str], bool],
        cursor: int,
        gap: Gap | Claim | None,
    ) -> None:
        super().__init__(source, subscription.session.caller, fits, cursor, gap)
        self.subscription = subscription
        self.page_consumer = subscription.page_consumer
        self.messages = messages

    def is_full(self) -> bool:
        """See ``Follower``."""
        return self.subscription.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """See ``Follower``."""
        self.subscription.when_drained(resume)

    def tell_entry(self, entry: Entry) -> None:
        """See ``EventFollower``."""
        self.count_told(1)
        message, destination, resume, shared = self.messages.of(entry, self.mark)
        self.subscription.give(message, destination, shared, resume)

    def is_uncounted(self) -> bool:
        """See ``EventFollower``: what counts its deliveries, or drains, is told one by one."""
        return self.subscription.is_free and not self.subscription.is_draining

    def prepare(self, records: Sequence[Entry]) -> list[Prepared]:
        """See ``Follower``."""
        of, mark = self.messages.of, self.mark
        return [(record.sequence, *of(record, mark)) for record in records if self.wants(record)]

    def deliveries(self, records: Sequence[Entry]) -> Sequence[Told]:
        """See ``Follower``."""
        told = self.prepare(records)
        return divide(
            [Delivery(tag=tag, message=message, destination=to, resume=resume, shared=shared) for tag, message, to, resume, shared in told]
        )

    def tell_prepared(self, prepared: Sequence[Prepared]) -> bool:
        """See ``Follower``."""
        last = self.subscription.give_all(prepared)
        if last is not None:
            self.cursor = last
        self.count_told(len(prepared) if last is None else sum(each[0] <= last for each in prepared))
        return last is None

    def count_told(self, count: int) -> None:
        """See ``Follower``."""
        self.subscription.session.exchange.counters.events += count

    def tell_event(self, event: bytes, sequence: int) -> None:
        """See ``EventFollower``."""
        self.count_told(1)
        resume = self.token(sequence).decode()
        topic = _topic_of(event)
        self.subscription.give(event_message(event, resume, topic), TOPIC + topic, None, resume)

    def deliver_gap(self, gap: Gap) -> None:
        """See ``EventFollower``."""
        resume = self.token(self.cursor).decode()
        told = Message(body=gap.encode(), headers={"resume": resume, "gap": gap.reason}, content_type=_JSON, durable=False)
        self.subscription.give(told, self.subscription.destination, None, resume)

    def caught_up(self) -> None:
        """See ``Follower``."""
        super().caught_up()
        if self.subscription.is_draining:
            self.subscription.try_end_drain()


class FreePart(Follower[Published]):
    """What clients publish among what a subscription wants."""

    __slots__ = ("fits", "subscription")

    def __init__(self, subscription: TopicSubscription, fits: Callable[[str], bool], cursor: int) -> None:
        super().__init__(cursor, None)
        self.subscription = subscription
        self.page_consumer = subscription.page_consumer
        self.fits = fits
        self.rekey()

    def rekey(self) -> None:
        """Say which class it is of: what counts its deliveries, or drains, is told one by one."""
        self.classify(self.fits if self.subscription.is_free and not self.subscription.is_draining else None)

    def is_full(self) -> bool:
        """See ``Follower``."""
        return self.subscription.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """See ``Follower``."""
        self.subscription.when_drained(resume)

    def prepare(self, records: Sequence[Published]) -> list[Prepared]:
        """See ``Follower``."""
        fits = self.fits
        return [(each.sequence, each.message, each.destination, None, each.shared) for each in records if fits(each.topic)]

    def deliveries(self, records: Sequence[Published]) -> Sequence[Told]:
        """See ``Follower``."""
        fits = self.fits
        wanted = [each for each in records if fits(each.topic)]
        return divide(
            [Delivery(tag=each.sequence, message=each.message, destination=each.destination, shared=each.shared) for each in wanted]
        )

    def tell_prepared(self, prepared: Sequence[Prepared]) -> bool:
        """See ``Follower``."""
        last = self.subscription.give_all(prepared)
        if last is not None:
            self.cursor = last
        return last is None

    def tell(self, record: Published) -> bool:
        """See ``Follower``."""
        if not self.fits(record.topic):
            return False
        self.subscription.give(record.message, record.destination, record.shared)
        return True

    def tell_gap(self, gap: Gap) -> None:
        """See ``Follower``: of what was missed, some may have been of other topics."""
        told = Message(body=gap.encode(), headers={"gap": gap.reason}, content_type=_JSON, durable=False)
        self.subscription.give(told, self.subscription.destination, None)

    def caught_up(self) -> None:
        """See ``Follower``."""
        if self.subscription.is_draining:
            self.subscription.try_end_drain()


class OwnSubscription:
    """A session's own place for replies: nobody else can send there, and nobody else hears of it."""

    __slots__ = ("ack", "consumer", "destination", "id", "is_ended", "open", "session")

    lag = 0

    def __init__(self, session: BrokerSession, wish: Wish, consumer: Consumer) -> None:
        self.session = session
        self.id = wish.id
        self.destination = wish.destination
        self.consumer = consumer
        self.ack = wish.ack
        self.is_ended = False
        self.open: dict[int, Item] = {}

    def credit(self, count: int) -> None:
        """Whoever asks gets his answers: there is no credit."""

    def set_credit(self, count: int) -> None:
        """See ``credit``."""

    def drain(self) -> None:
        """See ``Subscription``: nothing ever waits."""
        self.consumer.drained()

    def end(self) -> None:
        """See ``Subscription``."""
        if not self.is_ended:
            self.is_ended = True
            self.session.ended(self)

    def give(self, message: Message) -> None:
        """Deliver."""
        session = self.session
        session.tag = tag = session.tag + 1
        if self.ack is not _AUTO:
            session.hold(tag, message, self)
        self.consumer.deliver(Delivery(tag=tag, message=message, destination=self.destination))

    def settled(self, tag: int) -> None:
        """See ``Receiver``."""
        self.open.pop(tag, None)

    def cut(self, reason: ApiError) -> None:
        """It is over, whatever its owner thinks."""
        if not self.is_ended:
            self.end()
            self.consumer.ended(reason)


class _Topic(msgspec.Struct):
    topic: str


_decode_topic = msgspec.json.Decoder(_Topic).decode


def _topic_of(event: bytes) -> str:
    return _decode_topic(event).topic
