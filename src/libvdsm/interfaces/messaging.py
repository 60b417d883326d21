"""Messages between clients: what the broker promises to protocols that carry them (STOMP, AMQP, WebSocket).

Destinations are the same everywhere (DESIGN 9): ``/topic/<topic>``, ``/queue/<name>``, ``/temp-queue/<name>`` and
``/exchange/requests``. A protocol gives its frames this form and takes this form back; what it cannot say itself it
keeps untouched, so that a message of its own comes out octet for octet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.types import EventFilter

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
#: Headers of a dead letter, which only the broker sets: why it is one, the queue from which it came, and what its consumer said of it.
DEAD_REASON: Final = "dead-letter-reason"
DEAD_ORIGIN: Final = "dead-letter-queue"
DEAD_ERROR: Final = "dead-letter-error"
#: All of these.
DEAD: Final = frozenset({DEAD_REASON, DEAD_ORIGIN, DEAD_ERROR})


class Alike(dict[str, bytes]):  # noqa: PLW1641 - as no dict has a hash
    """What encodings have made of all of a message but its body, for those that differ in nothing else. No part of what they say."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Alike)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The neutral envelope: one message, whoever sent it and whoever gets it. Shared by all its deliveries.

    A struct of msgspec, because one is made for each message: ``msgspec.structs.replace`` makes one that differs.
    """

    body: bytes  # octets; of an AMQP message its data sections joined, or the value encoded as JSON
    headers: Mapping[str, str] = _NONE  # the sender's own, in their order
    content_type: str | None = None
    content_encoding: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None  # a destination
    subject: str | None = None
    message_id: str | None = None  # the sender's own; not what STOMP calls so
    user: str | None = None  # the identity that sent it; set by the broker, never by the sender
    priority: int = 4  # 0 to 9
    durable: bool = True  # survives kill -9, in a queue that is durable
    expires_at: float | None = None  # seconds since 1970 in UTC
    amqp: bytes | None = None  # the bare message as AMQP encoded it: properties, application properties, body
    alike: Alike | None = None  # whoever makes one with another member but the body makes it without

    @property
    def octets(self) -> int:
        """What it costs to keep."""
        octets = len(self.body) + 64
        if self.amqp is not None:
            octets += len(self.amqp)
        if self.headers:
            for name, value in self.headers.items():
                octets += len(name) + len(value)
        return octets


class Ack(StrEnum):
    """When a delivery is done."""

    AUTO = "auto"  # as soon as it is written
    CLIENT = "client"  # when it, or a later one of the subscription, is acknowledged
    INDIVIDUAL = "client-individual"  # when it is acknowledged


class Verdict(StrEnum):
    """What a consumer makes of a delivery."""

    ACCEPTED = "accepted"  # it is done
    REJECTED = "rejected"  # it can never be done: to the dead letters
    RELEASED = "released"  # not by this consumer now: back to its place, not counted
    FAILED = "failed"  # tried in vain: back to its place, counted; to the dead letters when that was too often


class Delivery(msgspec.Struct, kw_only=True, gc=False):
    """One message on its way to one subscription."""

    tag: int  # its number on the session
    message: Message
    destination: str  # to which it was sent
    redelivered: bool = False
    count: int = 0  # how often it was tried in vain before
    resume: str | None = None  # of an event: the token after it
    #: What all deliveries of this message have in common, by encoding ("stomp"): made by the first that needs it, found there
    #: by the others. None: nobody else gets it, so that there is nothing to share.
    shared: dict[str, bytes] | None = None


class Consumer(Protocol):
    """The receiving end of a subscription, made by a protocol. Never blocks, never fails."""

    def deliver(self, delivery: Delivery) -> None:
        """Queue it to be written; with ``Ack.AUTO`` it is done by that."""
        ...

    def is_full(self) -> bool:
        """Whether the connection's write buffer has reached its bound; then no more comes until ``when_drained``."""
        ...

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again."""
        ...

    def drained(self) -> None:
        """All that could be delivered was, and the credit that was left is gone (AMQP's drain)."""
        ...

    def ended(self, reason: ApiError) -> None:
        """The subscription is over: its queue is gone, or the right to it."""
        ...


class Subscription(Protocol):
    """One subscription of a session."""

    @property
    def id(self) -> str:
        """Its name on the session."""
        ...

    def credit(self, count: int) -> None:
        """Let ``count`` more deliveries come, beyond those that may come already."""
        ...

    def set_credit(self, count: int) -> None:
        """Let exactly ``count`` more deliveries come from now on."""
        ...

    def drain(self) -> None:
        """Deliver what there is for the credit that is left, then take it away and tell ``Consumer.drained``."""
        ...

    def end(self) -> None:
        """No more deliveries; those that are not settled stay so until the session settles or closes. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a subscription is to be."""

    destination: str
    id: str
    ack: Ack = Ack.AUTO
    credit: int | None = None  # deliveries that may be unsettled at a time (or come at all, with ``is_exact``); None: the default
    is_exact: bool = False  # credit is counted by the consumer (AMQP) and is not given back by settling
    after: str | None = None  # of events: resume after this token
    snapshot: bool = False  # of events: begin with what there is
    filter: EventFilter | None = None  # of events: only those that fit; with this or the next, nothing but events comes
    coalesce_s: float = 0.0  # of events: changes of one object within this time may come as one
    browse: bool = False  # of queues: look at copies, take nothing


class Session(Protocol):
    """All that one connection does with messages. ``close`` gives back what it did not settle."""

    def send(self, destination: str, message: Message, *, transaction: str | None = None) -> Awaitable[None] | None:
        """Send. None: it is where it should be, as durable as promised; else await that.

        Raises ``PermissionDenied``, ``ObjectNotFound``, ``InvalidParams``, ``LimitExceeded`` (a queue that is full and
        refuses), ``StateFull`` or ``StateUnavailable``: then it was not sent.
        """
        ...

    def intend(self, destination: str, ended: Callable[[ApiError], None]) -> Callable[[], None]:
        """Raise as ``send`` would for who may not send there, or for what is not there; nothing is sent.

        From then on ``ended`` is told, once, when that may not be any more: what is there is gone, or the right to it. Answers how
        to be told nothing more, which is idempotent.
        """
        ...

    def road(self, destination: str, like: Message) -> Callable[[bytes], Awaitable[None] | None]:
        """How bodies are sent whose messages are like ``like`` in all else: as by ``send``, which may raise now and every time."""
        ...

    def subscribe(self, wish: Wish, consumer: Consumer) -> Subscription:
        """Begin a subscription; deliveries come from the next turn of the loop on, never within the call."""
        ...

    def settle(
        self, tag: int, verdict: Verdict, *, undeliverable_here: bool = False, transaction: str | None = None
    ) -> Awaitable[None] | None:
        """Say what became of a delivery, and with ``Ack.CLIENT`` of all earlier ones of its subscription.

        None: it is recorded; else await that. Raises ``ObjectNotFound`` for a tag that is not open.
        """
        ...

    def amend(self, tag: int, change: Callable[[Message, str], Message]) -> None:
        """Let a message of a queue that is held be what ``change`` makes of it and of its destination, for whoever gets it next.

        Its body stays. Nothing is done with what is not open, or of no queue.
        """
        ...

    def accept(self, tag: int) -> Awaitable[None] | None:
        """As ``settle`` with ``Verdict.ACCEPTED``."""
        ...

    def held(self, tag: int) -> Consumer | None:
        """Who has a delivery that can be settled; None: there is none, or a transaction is about to settle it."""
        ...

    def begin(self, transaction: str) -> None:
        """Begin a transaction; raises ``AlreadyExists``, ``LimitExceeded``."""
        ...

    def commit(self, transaction: str) -> Awaitable[None] | None:
        """Have all of it be, or (raising) none; raises ``ObjectNotFound`` if there is none of that name."""
        ...

    def abort(self, transaction: str) -> None:
        """Have none of it be; raises ``ObjectNotFound``."""
        ...

    def temporary(self) -> str:
        """A new private destination ``/temp-queue/<unguessable>`` for replies: only this session receives from it."""
        ...

    @property
    def lag(self) -> int:
        """By how many messages its slowest subscription to a topic is behind."""
        ...

    def close(self) -> None:
        """The connection is gone: transactions are aborted, what was not settled is offered again, temporary queues end."""
        ...


class Exchange(Protocol):
    """The broker as protocols see it."""

    def open(self, caller: Caller) -> Session:
        """Begin a session for a connection."""
        ...


class Requests(Protocol):
    """Whoever answers what is sent to ``/exchange/requests``; a binding of the bridge."""

    def answer(self, caller: Caller, message: Message) -> Message | Awaitable[Message | None] | None:
        """The reply, at once or later; None if none is due. Never raises."""
        ...

    def release(self, caller: Caller) -> None:
        """His session is over: what he only asked for need not be found out any more. Idempotent."""
        ...
