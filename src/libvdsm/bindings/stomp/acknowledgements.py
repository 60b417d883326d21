"""What one connection has to settle, and the frames that settle it: ACK and NACK."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, cast

from libvdsm.bindings.stomp.known import TAG_DIGITS
from libvdsm.interfaces.generated.errors import ObjectNotFound
from libvdsm.wire.stomp.events import Frame, StompError

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.consumer import StompConsumer
    from libvdsm.bindings.stomp.transactions import Transactions
    from libvdsm.interfaces.messaging import Session, Verdict


class Acknowledgements:
    """By the numbers of deliveries, which the broker keeps until they are settled."""

    __slots__ = ("_held", "_settle", "_transactions", "accept", "id", "version")

    def __init__(self, broker: Session, transactions: Transactions, *, id: str) -> None:
        """``id`` is the session's, as it stands in every message-id."""
        self.id = id
        self.version = "1.0"
        self.accept = broker.accept  # the delivery is done, and with it what it stands for
        self._held = broker.held
        self._settle = broker.settle
        self._transactions = transactions

    def settle(self, headers: Mapping[str, str], verdict: Verdict) -> Awaitable[None] | None:
        """What the headers of an ACK or NACK say. Raises ``StompError`` or ``ApiError``."""
        tag, _ = self._find(headers)
        transaction = headers.get("transaction")
        if transaction is not None:
            self._transactions.add(transaction, 0)
        return self._settle(tag, verdict, transaction=transaction)

    def consumer(self, tag: int) -> StompConsumer | None:
        """Who has a delivery."""
        return cast("StompConsumer | None", self._held(tag))  # this session's broker knows no other ones

    def kind(self, frame: Frame) -> tuple[bytes, bytes, StompConsumer | None] | None:
        """What ACKs like this one have in common (see ``Known.learn_ack``); None: there is more to them."""
        headers = frame.headers
        if "transaction" in headers or "receipt" in headers:
            return None
        of = headers.get("subscription")
        if of is None:
            consumer = None
        else:
            _, consumer = self._find(headers)
        return (b"id", b"", consumer) if self.version == "1.2" else (b"message-id", f"{self.id}-".encode(), consumer)

    def _find(self, headers: Mapping[str, str]) -> tuple[int, StompConsumer]:
        """1.2 names a delivery by ``id``; the others by ``message-id``, 1.1 with ``subscription``."""
        name = "id" if self.version == "1.2" else "message-id"
        text = headers.get(name)
        if text is None:
            raise StompError(f"the header {name} is missing")
        if self.version == "1.1" and "subscription" not in headers:
            raise StompError("the header subscription is missing")
        number = text if name == "id" else text.removeprefix(f"{self.id}-")
        is_tag = number.isascii() and number.isdigit() and len(number) <= TAG_DIGITS
        consumer = self.consumer(int(number)) if is_tag else None
        if consumer is None or headers.get("subscription", consumer.id) != consumer.id:
            raise ObjectNotFound(type="delivery", id=text)
        return int(number), consumer
