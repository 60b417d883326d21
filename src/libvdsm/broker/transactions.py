"""One session's transactions: what is to be sent and settled when they are committed, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.interfaces.generated.errors import AlreadyExists, LimitExceeded, ObjectNotFound
from libvdsm.interfaces.messaging import Message, Verdict

if TYPE_CHECKING:
    from libvdsm.broker.exchange import MessageExchange
    from libvdsm.broker.items import Item
    from libvdsm.broker.queue import Queue

#: By so many octets at most a message grows when it becomes a dead letter.
_LETTER_OCTETS: Final = 512

#: How a message goes to a destination.
Put: TypeAlias = "Callable[[Message], Awaitable[None] | None]"
#: A delivery by its tag, what became of it, and whether it cannot be delivered to this consumer.
Settling: TypeAlias = "tuple[int, Item, Verdict, bool]"


@dataclass(slots=True)
class Transaction:
    """One that is open."""

    sends: list[tuple[str, Message]] = field(default_factory=list)
    settles: list[Settling] = field(default_factory=list)
    octets: int = 0


class Transactions:
    """Those of one session, by their names."""

    __slots__ = ("_exchange", "_octets", "_open")

    def __init__(self, exchange: MessageExchange) -> None:
        self._exchange = exchange
        self._open: dict[str, Transaction] = {}
        self._octets = 0  # of all that are open: what is in none of them is in queues, which have their own bounds

    def begin(self, name: str) -> None:
        """Raises ``AlreadyExists`` or ``LimitExceeded``."""
        if name in self._open:
            raise AlreadyExists(type="transaction", id=name)
        most = self._exchange.limits.transactions
        if len(self._open) >= most:
            raise LimitExceeded(limit="transactions of a connection", maximum=most)
        self._open[name] = Transaction()

    def find(self, name: str) -> Transaction:
        """Raises ``ObjectNotFound``."""
        found = self._open.get(name)
        if found is None:
            raise ObjectNotFound(type="transaction", id=name)
        return found

    def send(self, name: str, destination: str, message: Message) -> None:
        """One more is to be sent. Raises ``ObjectNotFound`` or ``LimitExceeded``."""
        found = self.find(name)
        self._grow(found, 1, message.octets)
        found.sends.append((destination, message))

    def settle(self, name: str, settles: Sequence[Settling]) -> None:
        """These are to be settled, and by nobody else meanwhile. Raises ``ObjectNotFound`` or ``LimitExceeded``."""
        found = self.find(name)
        self._grow(found, len(settles), 0)
        for _, item, _, _ in settles:
            item.transaction = name
        found.settles.extend(settles)

    def end(self, name: str) -> None:
        """It is committed; its name is free."""
        self._octets -= self._open.pop(name).octets

    def abort(self, name: str) -> None:
        """Nothing of it will be. Raises ``ObjectNotFound``."""
        found = self.find(name)
        self.end(name)
        for _, item, _, _ in found.settles:
            item.transaction = None

    def clear(self) -> None:
        """The session is over."""
        self._open.clear()
        self._octets = 0

    def check_room(self, puts: Sequence[tuple[Put, str, Message]], settles: Sequence[Settling]) -> None:
        """Raise what would refuse one of them, before any is done. Dead letters that are settled with them come first."""
        coming: dict[Queue, tuple[int, int]] = {}
        for _, destination, message in puts:
            queue = self._exchange.queue_at(destination)
            if queue is None:
                continue
            messages, octets = coming.get(queue, (0, 0))
            coming[queue] = messages + 1, octets + message.octets
            if queue.rules.durable and message.durable:
                self._exchange.keeper.check()
        octets_sent = sum(octets for _, octets in coming.values())
        for _, item, verdict, _ in settles:
            letters = None if item.queue is None else item.queue.letter(item, verdict)
            if letters in coming and letters is not None:
                messages, octets = coming[letters]
                coming[letters] = messages + 1, octets + item.octets + _LETTER_OCTETS
                octets_sent += _LETTER_OCTETS
        for queue, (messages, octets) in coming.items():
            queue.check_room(messages, octets)
        self._exchange.check_room(octets_sent)

    def _grow(self, transaction: Transaction, count: int, octets: int) -> None:
        limits = self._exchange.limits
        if len(transaction.sends) + len(transaction.settles) + count > limits.transaction_steps:
            raise LimitExceeded(limit="steps of a transaction", maximum=limits.transaction_steps)
        if self._octets + octets > limits.transaction_octets:
            raise LimitExceeded(limit="octets of a connection's transactions", maximum=limits.transaction_octets)
        transaction.octets += octets
        self._octets += octets
