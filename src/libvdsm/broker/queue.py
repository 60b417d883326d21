"""One queue: what waits in it, who takes from it, and its rules. No sockets, no timers.

A message that finds its queue empty and a consumer ready that need not acknowledge goes straight through. Every other one
becomes an item, and is counted until it is done, wherever it is meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from libvdsm.broker.items import GONE, HELD, PENDING, WAITING, Item
from libvdsm.broker.rules import Counters, Rules
from libvdsm.broker.waiting import Waiting
from libvdsm.interfaces.generated.errors import LimitExceeded, ObjectNotFound
from libvdsm.interfaces.generated.types import QueueOverflow
from libvdsm.interfaces.messaging import DEAD_ORIGIN, DEAD_REASON, Message, Verdict

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.keeper import Recorded
    from libvdsm.broker.receivers import Browser, Receiver
    from libvdsm.broker.rules import Surroundings
    from libvdsm.broker.senders import Sender

#: Deliveries of one queue before others have their turn.
TURN: Final = 256


class Queue:
    """A queue of one name."""

    __slots__ = (
        "__weakref__",
        "_around",
        "_is_durable",
        "_is_swift",
        "_pending",
        "_waiting",
        "birth",
        "browsers",
        "counters",
        "destination",
        "is_ended",
        "messages",
        "name",
        "octets",
        "project",
        "ready",
        "receivers",
        "rules",
        "senders",
        "unsettled",
    )

    def __init__(self, name: str, destination: str, rules: Rules, around: Surroundings, *, birth: str = "", project: str = "") -> None:
        """``birth``: of this queue alone, whatever had its name before."""
        self.name = name
        self.destination = destination
        self.rules = rules
        self.birth = birth
        self.project = project
        self.counters = Counters()
        self.messages = 0  # all that are not done
        self.octets = 0
        self.unsettled = 0
        self.is_ended = False
        self._is_durable = rules.durable
        self._is_swift = rules.time_to_live is None  # what comes to who is ready need not be looked at again
        self.ready: deque[Receiver] = deque()  # those who can take one now, in turn
        self.receivers: set[Receiver] = set()
        self.browsers: set[Browser] = set()
        self.senders: set[Sender] = set()  # who want to know when it is no more
        self._around = around
        self._waiting = Waiting()
        self._pending: deque[Item] = deque()  # for their records, or behind one that waits for its own

    @property
    def waiting(self) -> int:
        """How many wait for consumers."""
        return self._waiting.count

    # --- coming in ---

    def put(self, message: Message) -> Recorded | None:
        """Take in a message; raises ``LimitExceeded``, ``StateFull`` or ``StateUnavailable``: then it was not."""
        ready = self.ready
        is_direct = ready and not self._waiting.count and not self._pending and message.expires_at is None and self._is_swift
        if is_direct and not (self._is_durable and message.durable):
            receiver = ready[0]
            if receiver.consumer.is_full():
                receiver.wait_for_room()
            elif receiver.is_free:
                if len(ready) > 1:
                    ready.rotate(-1)
                counters = self.counters
                counters.received += 1
                counters.delivered += 1
                receiver.pass_on(message)
                return None
            elif self._hand_over(message, receiver):
                return None
        elif self.is_ended:
            raise not_there(self.name)
        return self.take_in(message)

    def _hand_over(self, message: Message, receiver: Receiver) -> bool:
        """Give it at once to whose turn it is, past the lines; False, and nothing done, if there is no room for it."""
        octets, rules, around = message.octets, self.rules, self._around
        if self.messages >= rules.max_messages or self.octets + octets > rules.max_octets or around.octets + octets > around.most_octets:
            return False
        if len(self.ready) > 1:
            self.ready.rotate(-1)
        self.counters.received += 1
        self.messages += 1
        self.octets += octets
        around.octets += octets
        keeper = around.keeper
        keeper.last_sequence = sequence = keeper.last_sequence + 1
        receiver.take_first(
            Item(sequence=sequence, message=message, queue=self, octets=octets, sent_at=around.clock.time(), is_recorded=True, state=HELD)
        )
        return True

    def take_in(self, message: Message, joining: list[Item] | None = None) -> Recorded | None:
        """Make an item of a message; into ``joining``, if it has no record and yet is to wait for others' records."""
        octets = message.octets
        is_durable = message.durable and self.rules.durable
        if is_durable:
            self._around.keeper.check()
        self.counters.received += 1
        if not self._make_room(octets):
            self.counters.dropped += 1
            return self._bury_newcomer(message)
        return self._admit(message, octets, joining, is_durable=is_durable)

    def _admit(self, message: Message, octets: int, joining: list[Item] | None, *, is_durable: bool, count: int = 0) -> Recorded | None:
        around = self._around
        now = around.clock.time()
        item = Item(
            sequence=around.keeper.next_sequence(), message=message, queue=self, octets=octets, sent_at=now, state=PENDING, count=count
        )
        ttl = self.rules.time_to_live
        if ttl is not None or message.expires_at is not None:
            item.expires_at = min(end for end in (None if ttl is None else now + ttl, message.expires_at) if end is not None)
            around.mortal(item)
        self._count(item)
        recorded = None
        if is_durable:
            recorded = around.keeper.add(item, self.birth)
        elif joining is not None:
            joining.append(item)
        else:
            item.is_recorded = True
            if not self._pending:
                self._enter(item)
                return None
        self._pending.append(item)
        return recorded

    def check_room(self, messages: int, octets: int, *, leaving: int = 0) -> None:
        """Raise ``LimitExceeded`` if so much more would be refused. ``leaving``: so many octets leave another queue for it."""
        rules = self.rules
        if rules.overflow is not QueueOverflow.REJECT:
            return
        self._refuse_beyond(messages, octets, leaving)

    def _refuse_beyond(self, messages: int, octets: int, leaving: int = 0) -> None:
        rules = self.rules
        if self.messages + messages > rules.max_messages:
            raise LimitExceeded(limit=f"messages in queue {self.name}", maximum=rules.max_messages)
        if self.octets + octets > rules.max_octets:
            raise LimitExceeded(limit=f"octets in queue {self.name}", maximum=rules.max_octets)
        if not self._around.has_room(octets - leaving):
            raise LimitExceeded(limit="octets in all queues", maximum=self._around.most_octets)

    def _make_room(self, octets: int) -> bool:
        """Whether a newcomer may come in. Raises ``LimitExceeded`` if its sender is to be refused."""
        rules = self.rules
        if self.messages < rules.max_messages and self.octets + octets <= rules.max_octets and self._around.has_room(octets):
            return True
        if rules.overflow is QueueOverflow.REJECT:
            self.counters.received -= 1
            self._refuse_beyond(1, octets)
        if rules.overflow is QueueOverflow.DROP_OLDEST and octets <= rules.max_octets:
            while self.messages >= rules.max_messages or self.octets + octets > rules.max_octets or not self._around.has_room(octets):
                oldest = self._waiting.oldest()
                if oldest is None:
                    return False
                if oldest.expires_at is not None and oldest.expires_at <= (now := self._around.clock.time()):
                    self.expire(oldest, now)
                    continue
                self._waiting.lose()
                self.counters.dropped += 1
                if self._around.has_room(octets):
                    self.bury(oldest, "overflow")
                else:  # as a dead letter it would need as much room as before
                    self._finish(oldest)
            return True
        return False

    def _bury_newcomer(self, message: Message) -> Recorded | None:
        letters = self._letters(message)
        if letters is None:
            return None
        self.counters.dead_lettered += 1
        return letters.receive_dead(message, self.name, "overflow", 0)

    def _enter(self, item: Item) -> None:
        """It waits from now on."""
        item.state = WAITING
        self._waiting.append(item)
        for browser in self.browsers:
            browser.add(item)
        if self.ready:
            if self._waiting.count == 1:
                self.dispatch()
            else:
                self._around.schedule(self)

    def release(self) -> None:
        """Records have come on disk: what waited for them waits for consumers now."""
        pending = self._pending
        while pending and (pending[0].is_recorded or pending[0].state is GONE):
            item = pending.popleft()
            if item.state is PENDING:
                self._enter(item)
                if item.expires_at is not None:
                    self.expire(item, self._around.clock.time())

    def lose(self, item: Item) -> None:
        """It could not be recorded, and was never here."""
        if item.state is PENDING:
            self._discount(item)
            self.counters.received -= 1

    def restore(self, gone: Item) -> None:
        """That it is done could not be recorded: it is not. If its time is up it goes later: at once would be in vain again."""
        if self.is_ended:
            return
        item = msgspec.structs.replace(gone, state=WAITING, redelivered=True, browsed=None)  # what is gone may stand in a line still
        self._count(item)
        if item.expires_at is not None:
            self._around.mortal(item, is_again=True)
        self._waiting.put_back(item)
        self._tell_of(item)

    def load(self, item: Item) -> None:
        """It is here from before the daemon started."""
        item.queue = self
        self._count(item)
        if item.expires_at is not None:
            self._around.mortal(item)
        self._enter(item)

    # --- going out ---

    def dispatch(self) -> None:
        """Give what waits to those who are ready."""
        ready = self.ready
        for _ in range(TURN):
            if not ready or not self.waiting:
                break
            item = self._first()
            if item is None:
                break
            receiver = self._next(item)
            if receiver is not None:
                self._waiting.take(item)
                receiver.take(item)
        else:
            self._around.schedule(self)
        if self.browsers:
            for browser in tuple(self.browsers):
                browser.look()
        for receiver in [each for each in self.receivers if each.is_draining]:
            if not receiver.is_waiting and (receiver.credit_left == 0 or self._first() is None):
                receiver.end_drain()

    def _next(self, item: Item) -> Receiver | None:
        """Whose turn it is; None: nobody's now, or not with this one, which is put aside."""
        ready = self.ready
        for _ in range(len(ready)):
            receiver = ready[0]
            if receiver.consumer.is_full():
                receiver.wait_for_room()
                continue
            if len(ready) > 1:
                ready.rotate(-1)
            if item.avoids is None or receiver not in item.avoids:
                return receiver
        if ready:
            self._waiting.park(item)
        return None

    def attach(self, receiver: Receiver) -> None:
        """One more takes from it."""
        self.receivers.add(receiver)
        if receiver.is_ready():
            self.make_ready(receiver)

    def detach(self, receiver: Receiver) -> None:
        """One less."""
        self.receivers.discard(receiver)
        self.unready(receiver)

    def make_ready(self, receiver: Receiver) -> None:
        """It can take one more; once at a time."""
        self.ready.append(receiver)
        self._waiting.unpark(receiver)
        if self.waiting or receiver.is_draining:
            self._around.schedule(self)

    def unready(self, receiver: Receiver) -> None:
        """It cannot take any."""
        if receiver in self.ready:
            self.ready.remove(receiver)

    def wake(self) -> None:
        """Somebody wants to be looked at."""
        self._around.schedule(self)

    # --- settling ---

    def accept(self, item: Item) -> Recorded | None:
        """It is done."""
        self.unsettled -= 1
        self.counters.delivered += 1
        return self._finish(item)

    def reject(self, item: Item) -> Recorded | None:
        """It can never be done."""
        self.unsettled -= 1
        return self.bury(item, "rejected")

    def fail(self, item: Item) -> Recorded | None:
        """It was tried in vain."""
        item.count += 1
        if item.count >= self.rules.max_deliveries:
            self.unsettled -= 1
            return self.bury(item, "failed")
        recorded = self._around.keeper.change(item, self.birth) if item.is_kept else None
        self.give_back(item)
        return recorded

    def amend(self, item: Item, message: Message) -> None:
        """One that is held is another message from now on."""
        more = message.octets - item.message.octets
        item.message = message
        item.octets += more
        self.octets += more
        self._around.octets += more
        if item.is_kept:
            self._around.keeper.change(item, self.birth)

    def give_back(self, item: Item) -> None:
        """It has its place again, for whoever comes next."""
        item.holder = None
        if self.is_ended:
            self.forget_held(item)
            return
        self.unsettled -= 1
        item.state = WAITING
        item.redelivered = True
        self._wait_again(item)

    def _wait_again(self, item: Item) -> None:
        self._waiting.put_back(item)
        if item.expires_at is not None:
            self.expire(item, self._around.clock.time())
            if item.state is not WAITING:
                return
        self._tell_of(item)

    def _tell_of(self, item: Item) -> None:
        for browser in self.browsers:
            browser.add(item)
        if self.ready:
            self._around.schedule(self)

    def bury(self, item: Item, reason: str) -> Recorded | None:
        """To the dead letters, or out; it is in no line any more."""
        message, count = item.message, item.count
        recorded = self._finish(item)
        letters = self._letters(message)
        if letters is None:
            if reason in ("rejected", "failed"):
                self.counters.dropped += 1
            return recorded
        self.counters.dead_lettered += 1
        return letters.receive_dead(message, self.name, reason, count, has_record=recorded is not None) or recorded

    def receive_dead(self, message: Message, origin: str, reason: str, count: int, *, has_record: bool = False) -> Recorded | None:
        """Take in a dead letter, if there is room; nobody can be refused any more.

        ``has_record``: it has one as what it was; only when that is no more, it is a dead letter.
        """
        headers = {**message.headers, DEAD_REASON: reason, DEAD_ORIGIN: message.headers.get(DEAD_ORIGIN, origin)}
        dead = msgspec.structs.replace(message, headers=headers, expires_at=None, alike=None)
        octets = dead.octets
        self.counters.received += 1
        try:
            if self._make_room(octets):
                joining: list[Item] | None = [] if has_record else None
                recorded = self._admit(dead, octets, joining, is_durable=dead.durable and self.rules.durable, count=count)
                if joining:
                    self._around.keeper.join_turn(joining)
                return recorded
        except LimitExceeded:
            self.counters.received += 1
        self.counters.dropped += 1
        return None

    def letter(self, item: Item, verdict: Verdict) -> Queue | None:
        """The queue to which one that is held may go by ``verdict``, if that is another one; its time may be up by then."""
        is_mortal = item.expires_at is not None and verdict is not Verdict.ACCEPTED
        is_dead = is_mortal or verdict is Verdict.REJECTED or (verdict is Verdict.FAILED and item.count + 1 >= self.rules.max_deliveries)
        return self._letters(item.message) if is_dead and not self.is_ended else None

    def _letters(self, message: Message) -> Queue | None:
        """Where its dead letters go; not round in a circle."""
        name, origin = self.rules.dead_letter, message.headers.get(DEAD_ORIGIN)
        if name is None or name == self.name or (origin is not None and self._is_circle(name, origin)):
            return None
        return self._around.queue(name)

    def _is_circle(self, name: str | None, origin: str) -> bool:
        """Whether what goes on to a queue could come to where it began, or once more to here."""
        passed: set[str] = set()
        if name == origin:
            return True
        while name is not None and name not in passed and name != origin:
            passed.add(name)
            queue = self._around.queue(name)
            name = None if queue is None else queue.rules.dead_letter
        return self.name in passed

    def expire(self, item: Item, now: float) -> None:
        """Its time is up, if it still waits."""
        if item.state is not WAITING or item.expires_at is None or item.expires_at > now:
            return
        self._waiting.lose()
        self.counters.expired += 1
        self.bury(item, "expired")

    def _finish(self, item: Item) -> Recorded | None:
        item.holder = None
        self._discount(item)
        return self._around.keeper.settle(item) if item.is_kept else None

    # --- its administration ---

    def items(self) -> Iterator[Item]:
        """All that wait, in the order in which they would come out."""
        return self._waiting.items()

    def pending(self) -> list[Item]:
        """All that do not wait for consumers yet, because a record is not on disk."""
        return [item for item in self._pending if item.state is PENDING]

    def purge(self) -> tuple[int, Recorded | None]:
        """Drop all that wait."""
        recorded = None
        doomed = list(self.items())
        for item in doomed:
            recorded = self.remove(item) or recorded
        self._waiting.clear()
        self.counters.dropped += len(doomed)
        return len(doomed), recorded

    def remove(self, item: Item) -> Recorded | None:
        """Take one that waits out of it."""
        self._waiting.lose()
        return self._finish(item)

    def end(self, reason: ApiError) -> None:
        """It is no more: its consumers and senders are told, its messages are gone."""
        self.is_ended = True
        for receiver in list(self.receivers):
            receiver.cut(reason)
        for browser in list(self.browsers):
            browser.cut(reason)
        for sender in list(self.senders):
            sender.cut(reason)
        for item in [*self.items(), *self._pending]:
            if item.state is not GONE:
                self._forget(item)
        self._pending.clear()
        self._waiting.clear()

    def forget_held(self, item: Item) -> None:
        """It is settled after its queue ended."""
        self.unsettled -= 1
        self._forget(item)

    def _forget(self, item: Item) -> None:
        self._discount(item)
        if item.is_kept:
            self._around.keeper.forget(item.sequence)

    # --- counting ---

    def _count(self, item: Item) -> None:
        self.messages += 1
        self.octets += item.octets
        self._around.octets += item.octets

    def settled(self, count: int, octets: int) -> None:
        """So many that were held, have no record and are gone now are done: as by ``accept``."""
        self.unsettled -= count
        self.counters.delivered += count
        self.messages -= count
        self.octets -= octets
        self._around.octets -= octets

    def _discount(self, item: Item) -> None:
        item.state = GONE
        self.messages -= 1
        self.octets -= item.octets
        self._around.octets -= item.octets

    def _first(self) -> Item | None:
        """The first that waits and whose time is not up."""
        while True:
            item = self._waiting.first()
            if item is None or item.expires_at is None or item.expires_at > (now := self._around.clock.time()):
                return item
            self.expire(item, now)


def not_there(name: str) -> ObjectNotFound:
    """What is said of a queue that is not there, or not his."""
    return ObjectNotFound(type="queue", id=name)
