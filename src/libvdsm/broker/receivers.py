"""Who takes from queues: receivers, each with its credit, and browsers, who take nothing.

Credit is what may still come. Of most protocols it is a window, and comes back when a delivery is settled; AMQP counts it itself
(``is_exact``). Who need not acknowledge and does not count has no credit: only the write buffer bounds it.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from libvdsm.broker.items import HELD, WAITING, Item
from libvdsm.interfaces.messaging import Ack, Consumer, Delivery, Message, Wish

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.queue import Queue
    from libvdsm.broker.session import BrokerSession

_AUTO = Ack.AUTO
_CLIENT = Ack.CLIENT
#: Of browsers, as long as the daemon runs.
_NUMBERS: Final = count(1)
#: Messages that are gone and yet in a browser's line, before it is made anew.
_GHOSTS: Final = 1000
#: Browsers that are gone and yet remembered with a message, beyond as many as there are.
_GONE_BROWSERS: Final = 4


class Receiver:
    """A subscription that takes from a queue."""

    __slots__ = (
        "ack",
        "consumer",
        "credit_left",
        "destination",
        "id",
        "is_draining",
        "is_ended",
        "is_exact",
        "is_free",
        "is_waiting",
        "open",
        "queue",
        "session",
    )

    def __init__(self, session: BrokerSession, wish: Wish, consumer: Consumer, queue: Queue, credit: int | None) -> None:
        self.session = session
        self.id = wish.id
        self.destination = wish.destination
        self.consumer = consumer
        self.queue = queue
        self.ack = wish.ack
        self.is_exact = wish.is_exact
        self.is_free = wish.ack is _AUTO and not wish.is_exact
        self.credit_left: int | None = None if self.is_free else credit
        self.open: dict[int, Item] = {}  # what it has, by tag; only if later ones stand for earlier ones
        self.is_waiting = False  # for its connection to have room
        self.is_draining = False
        self.is_ended = False

    # --- Subscription ---

    def credit(self, count: int) -> None:
        """See ``Subscription``."""
        if self.credit_left is not None:
            self._set_credit(self.credit_left + count)

    def set_credit(self, count: int) -> None:
        """See ``Subscription``."""
        self._set_credit(count)

    def drain(self) -> None:
        """See ``Subscription``."""
        self.is_draining = True
        self.queue.wake()

    def end(self) -> None:
        """See ``Subscription``."""
        if not self.is_ended:
            self.is_ended = True
            self.queue.detach(self)
            self.session.ended(self)

    # --- for its queue ---

    @property
    def lag(self) -> int:
        """What waits for it."""
        return self.queue.waiting

    def is_ready(self) -> bool:
        """Whether it can take one."""
        return not self.is_ended and not self.is_waiting and (self.credit_left is None or self.credit_left > 0)

    def pass_on(self, message: Message) -> None:
        """Deliver what is done by that."""
        session = self.session
        session.tag = tag = session.tag + 1
        self.consumer.deliver(Delivery(tag=tag, message=message, destination=self.queue.destination))

    def take_first(self, item: Item) -> None:
        """As ``take``, for one that nobody has had before."""
        session, queue, credit, ack = self.session, self.queue, self.credit_left, self.ack
        session.tag = tag = session.tag + 1
        if credit is not None:
            self.credit_left = credit = credit - 1
            if not credit:
                queue.unready(self)
        queue.unsettled += 1
        if ack is _AUTO:
            queue.accept(item)
        else:
            item.holder = self
            session.unsettled[tag] = item
            if ack is _CLIENT:
                self.open[tag] = item
        self.consumer.deliver(Delivery(tag=tag, message=item.message, destination=queue.destination))

    def take(self, item: Item) -> None:
        """Deliver an item, and have it until it is settled."""
        session, queue = self.session, self.queue
        session.tag = tag = session.tag + 1
        if item.redelivered:
            queue.counters.redelivered += 1
        delivery = Delivery(tag=tag, message=item.message, destination=queue.destination, redelivered=item.redelivered, count=item.count)
        if self.credit_left is not None:
            self.credit_left -= 1
            if self.credit_left == 0:
                queue.unready(self)
        queue.unsettled += 1
        item.state = HELD
        if self.ack is _AUTO:
            queue.accept(item)
        else:
            item.holder = self
            session.unsettled[tag] = item
            if self.ack is _CLIENT:
                self.open[tag] = item
        self.consumer.deliver(delivery)

    def settled(self, tag: int) -> None:
        """One of its deliveries is."""
        if self.open:
            self.open.pop(tag, None)
        self.settled_many(1)

    def settled_many(self, count: int) -> None:
        """So many of its deliveries are, and are in ``open`` no more."""
        if not self.is_exact and self.credit_left is not None:
            had_none = not self.credit_left
            self.credit_left += count
            if had_none and self.is_ready():
                self.queue.make_ready(self)

    def wait_for_room(self) -> None:
        """Its connection is full."""
        self.is_waiting = True
        self.queue.unready(self)
        self.consumer.when_drained(self._resume)

    def end_drain(self) -> None:
        """There is no more: what credit is left is gone."""
        self.is_draining = False
        if self.credit_left is not None:
            self.credit_left = 0
            self.queue.unready(self)
        self.consumer.drained()

    def cut(self, reason: ApiError) -> None:
        """It is over, whatever its owner thinks."""
        if not self.is_ended:
            self.end()
            self.consumer.ended(reason)

    def _resume(self) -> None:
        self.is_waiting = False
        if self.is_ready():
            self.queue.make_ready(self)
        elif self.is_draining:
            self.queue.wake()

    def _set_credit(self, count: int) -> None:
        was_ready = self.is_ready()
        self.credit_left = max(count, 0)
        if self.is_ready() and not was_ready:
            self.queue.make_ready(self)
        elif was_ready and not self.is_ready():
            self.queue.unready(self)


class Browser:
    """A subscription that looks at what waits in a queue: at each message once, also at one that was taken and given back."""

    __slots__ = (
        "_pending",
        "ack",
        "consumer",
        "credit_left",
        "destination",
        "id",
        "is_draining",
        "is_ended",
        "is_exact",
        "is_waiting",
        "number",
        "open",
        "queue",
        "session",
    )

    def __init__(self, session: BrokerSession, wish: Wish, consumer: Consumer, queue: Queue, credit: int | None) -> None:
        self.session = session
        self.id = wish.id
        self.destination = wish.destination
        self.consumer = consumer
        self.queue = queue
        self.ack = wish.ack
        self.is_exact = wish.is_exact
        self.credit_left = None if wish.ack is _AUTO and not wish.is_exact else credit
        self.open: dict[int, Item] = {}
        self.is_waiting = self.is_draining = self.is_ended = False
        self.number = next(_NUMBERS)
        self._pending: deque[Item] = deque()
        for item in queue.items():
            self.add(item)

    # --- Subscription ---

    def credit(self, count: int) -> None:
        """See ``Subscription``."""
        if self.credit_left is not None:
            self.set_credit(self.credit_left + count)

    def set_credit(self, count: int) -> None:
        """See ``Subscription``."""
        self.credit_left = max(count, 0)
        self.queue.wake()

    def drain(self) -> None:
        """See ``Subscription``."""
        self.is_draining = True
        self.queue.wake()

    def end(self) -> None:
        """See ``Subscription``."""
        if not self.is_ended:
            self.is_ended = True
            self.queue.browsers.discard(self)
            self._pending.clear()
            self.session.ended(self)

    # --- for its queue ---

    @property
    def lag(self) -> int:
        """What it has not seen."""
        return len(self._pending)

    def add(self, item: Item) -> None:
        """One more waits, or waits again."""
        if item.browsed is None:
            item.browsed = set()
        if self.number in item.browsed:
            return
        if len(item.browsed) > 2 * len(self.queue.browsers) + _GONE_BROWSERS:
            item.browsed.intersection_update({each.number for each in self.queue.browsers})
        item.browsed.add(self.number)
        self._pending.append(item)
        if len(self._pending) > 2 * self.queue.messages + _GHOSTS:
            self._pending = deque(each for each in self._pending if self._still_waits(each))
        self.queue.wake()

    def _still_waits(self, item: Item) -> bool:
        """Whether it can be shown; one that cannot has its turn if it is given back."""
        if item.state is WAITING:
            return True
        if item.browsed is not None:
            item.browsed.discard(self.number)
        return False

    def look(self) -> None:
        """Deliver what it has not seen yet, as long as there is credit and room."""
        session, consumer = self.session, self.consumer
        while self._pending and not self.is_waiting and self.credit_left != 0 and not self.is_ended:
            if consumer.is_full():
                self.is_waiting = True
                consumer.when_drained(self._resume)
                return
            item = self._pending.popleft()
            if not self._still_waits(item):
                continue
            if self.credit_left is not None:
                self.credit_left -= 1
            session.tag = tag = session.tag + 1
            message, destination = item.message, self.queue.destination
            if self.ack is not _AUTO:
                session.hold(tag, message, self)
            consumer.deliver(Delivery(tag=tag, message=message, destination=destination, redelivered=item.redelivered, count=item.count))
        if self.is_draining and not self.is_waiting:
            self.is_draining, self.credit_left = False, 0
            consumer.drained()

    def settled(self, tag: int) -> None:
        """A copy that it was shown is."""
        self.open.pop(tag, None)
        if not self.is_exact and self.credit_left is not None:
            self.credit_left += 1
            self.queue.wake()

    def cut(self, reason: ApiError) -> None:
        """It is over, whatever its owner thinks."""
        if not self.is_ended:
            self.end()
            self.consumer.ended(reason)

    def _resume(self) -> None:
        self.is_waiting = False
        self.queue.wake()
