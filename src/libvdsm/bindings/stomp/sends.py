"""What one connection sends: SEND frames as messages, and how those that are alike are sent by a shorter way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from libvdsm.bindings.stomp import names
from libvdsm.bindings.stomp.messages import read_members
from libvdsm.interfaces.messaging import Message

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.config import StompCounters
    from libvdsm.bindings.stomp.known import Act, Known
    from libvdsm.bindings.stomp.receipts import Receipts
    from libvdsm.bindings.stomp.subscriptions import Subscriptions
    from libvdsm.bindings.stomp.transactions import Transactions
    from libvdsm.interfaces.messaging import Session

_replace = msgspec.structs.replace


class Sends:
    """Messages to the broker. Whatever refuses one is raised: ``StompError`` or ``ApiError``."""

    __slots__ = ("_broker", "_counters", "_identity", "_known", "_receipts", "_subscriptions", "_transactions")

    def __init__(
        self,
        broker: Session,
        subscriptions: Subscriptions,
        transactions: Transactions,
        known: Known,
        receipts: Receipts,
        counters: StompCounters,
        *,
        identity: Callable[[], str],
    ) -> None:
        """``identity`` is the sender's, as it is by then."""
        self._broker = broker
        self._subscriptions = subscriptions
        self._transactions = transactions
        self._known = known
        self._receipts = receipts
        self._counters = counters
        self._identity = identity

    def send(self, destination: str, headers: Mapping[str, str], body: bytes) -> Awaitable[None] | None:
        """Send a message, as ``Session.send`` does; from now on frames with the same head go the shorter way."""
        transaction = headers.get("transaction")
        if transaction is not None:
            self._transactions.add(transaction, len(body))
        real = names.REQUESTS if names.is_requests(destination) else self._subscriptions.real(destination)
        self._counters.messages += 1
        model = self._model(headers)
        waiting = self._broker.send(real, _replace(model, body=body), transaction=transaction)
        if transaction is None and "receipt" not in headers:
            self._known.learn(self._act(real, model))
        return waiting

    def ask(self, headers: Mapping[str, str], body: bytes) -> None:
        """A call whose answer goes by the broker to wherever it may."""
        waiting = self._broker.send(names.REQUESTS, _replace(self._model(headers), body=body))
        if waiting is not None:
            self._receipts.give_later(waiting, None)

    def _act(self, destination: str, model: Message) -> Act:
        """How to send what is like a message but for its body."""
        send, counters, give_later = self._broker.road(destination, model), self._counters, self._receipts.give_later

        def act(body: bytes) -> int:
            counters.messages += 1
            waiting = send(body)
            if waiting is not None:
                give_later(waiting, None)
            return 0

        return act

    def _model(self, headers: Mapping[str, str]) -> Message:
        """What the headers of a SEND make of its body."""
        members = read_members(headers)
        reply_to = headers.get("reply-to")
        if reply_to is not None and reply_to.startswith(names.TEMPORARY):
            members["reply_to"] = self._subscriptions.reply_queue(reply_to)
        return Message(body=b"", user=self._identity(), **members)  # type: ignore[arg-type]  # each member has the type of its header
