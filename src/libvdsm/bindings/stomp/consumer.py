"""What one subscription of a client receives."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from libvdsm.bindings.stomp import names
from libvdsm.bindings.stomp.messages import write_lines, write_shared
from libvdsm.bindings.stomp.pace import pad
from libvdsm.interfaces.messaging import Ack, Delivery, Message
from libvdsm.wire.stomp.frames import encode_head

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.bindings.stomp.session import StompSession
    from libvdsm.interfaces.messaging import Subscription
    from libvdsm.interfaces.pages import Membership, Pager, Road

_AUTO = Ack.AUTO
#: What a reply has in common with all others to one place, but for its correlation.
_JSON = "content-type:application/json\n"


class StompConsumer:
    """A subscription; see ``Consumer``."""

    __slots__ = (
        "_begin",
        "_head",
        "_key",
        "_lines_key",
        "_lines_of",
        "_own_destination",
        "_page_key",
        "_pager",
        "_reply_head",
        "_rest_key",
        "_session",
        "ack",
        "destination",
        "id",
        "is_full",
        "is_over",
        "subscription",
    )

    def __init__(self, session: StompSession, *, id: str, destination: str, ack: Ack, version: str) -> None:
        self._session = session
        self.id = id
        self.destination = destination  # as the client wrote it
        self.ack = ack
        self.subscription: Subscription | None = None
        self.is_full = session.is_full  # whether the client takes too little; the session sees to it when that changes
        self.is_over = False
        self._own_destination = destination if names.is_own(destination) else None
        self._key = f"stomp {version}"
        self._lines_of = ""  # the destination of which the next one is
        self._lines_key = ""
        self._rest_key = f"stomp {version} page"
        self._begin = encode_head("MESSAGE", [("subscription", id)], version) + b"message-id:"
        self._head = self._begin + f"{session.id}-".encode()
        self._pager: Pager | None = session.pager if ack is _AUTO and self._own_destination is None else None
        self._page_key = None if self._pager is None else ((self._key, self._pager.key), self._begin)
        reply = encode_head("MESSAGE", [("subscription", id), ("destination", destination)], version)
        self._reply_head = reply + f"{_JSON}message-id:{session.id}-r".encode()

    def deliver(self, delivery: Delivery) -> None:
        """Write it; with ``Ack.AUTO`` it is done by that."""
        session, tag = self._session, delivery.tag
        if self.is_over or session.is_over:
            return
        if session.is_legacy:
            session.write(self._legacy(delivery))
            return
        session.has_sent = True
        if delivery.shared is not None or delivery.redelivered or delivery.count or delivery.resume is not None:
            session.put(self._first(delivery, tag) + self._shared_tail(delivery))
            return
        message = delivery.message
        body, lines = message.body, self._lines(message, delivery.destination)
        if self.ack is _AUTO:
            session.put(b"%b%d\n%bcontent-length:%d\n\n%b\0" % (self._head, tag, lines, len(body), body))
        else:
            session.put(b"%b%d\nack:%d\n%bcontent-length:%d\n\n%b\0" % (self._head, tag, tag, lines, len(body), body))

    def reply(self, number: int, tail: bytes, body: bytes) -> bytes:
        """The frame that answers a call of the same client; ``tail`` is what stands between the number and the length."""
        if self._session.is_legacy:
            body = pad(body, len(self._reply_head) + len(tail), "application/json")
        return b"%b%d%b%d\n\n%b\0" % (self._reply_head, number, tail, len(body), body)

    def _first(self, delivery: Delivery, tag: int) -> bytes:
        """The headers that are this delivery's alone."""
        head = b"%b%d\n" % (self._head, tag) if self.ack is _AUTO else b"%b%d\nack:%d\n" % (self._head, tag, tag)
        if delivery.redelivered:
            head += b"redelivered:true\n"
        if delivery.count:
            head += b"delivery-count:%d\n" % delivery.count
        return head if delivery.resume is None else head + b"resume:%b\n" % self._session.escape(delivery.resume).encode()

    def _shared_tail(self, delivery: Delivery) -> bytes:
        shared = delivery.shared
        if shared is None or self._own_destination is not None:
            return self._tail(delivery)
        kept = shared.get(self._key)
        if kept is None:
            kept = shared[self._key] = self._tail(delivery)
        return kept

    def _tail(self, delivery: Delivery) -> bytes:
        message = delivery.message
        return b"%bcontent-length:%d\n\n%b\0" % (self._lines(message, delivery.destination), len(message.body), message.body)

    def _lines(self, message: Message, destination: str) -> bytes:
        """The headers that all deliveries of the message have in common, but for the length of the body."""
        if destination is not self._lines_of:
            self._lines_of = destination
            self._lines_key = f"{self._key} {self._own_destination or destination}"
        alike, key = message.alike, self._lines_key
        if alike is None:
            return write_lines(message, self._own_destination or destination, self._session.version)
        lines = alike.get(key)
        if lines is None:
            lines = alike[key] = write_lines(message, self._own_destination or destination, self._session.version)
        return lines

    def _legacy(self, delivery: Delivery) -> bytes:
        message = delivery.message
        first = self._first(delivery, delivery.tag)
        body = pad(message.body, len(first), message.content_type)
        if body is not message.body:
            message = _with_body(message, body)
        return first + write_shared(message, self._own_destination or self.destination, self._session.version)

    # Pages; see ``PageConsumer``.

    def page_key(self) -> tuple[Hashable, Hashable] | None:
        """See ``PageConsumer``."""
        session = self._session
        return None if self.is_over or session.is_legacy or session.is_over else self._page_key

    def page_head(self, name: str) -> bytes:
        """See ``PageConsumer``."""
        return b"%b%b-" % (self._begin, name.encode())

    def page_rests(self, deliveries: Sequence[Delivery]) -> Sequence[bytes]:
        """See ``PageConsumer``."""
        return [self._rest(each) for each in deliveries]

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``Pager``."""
        return b"" if self._pager is None else self._pager.page(head, rests)

    def _rest(self, delivery: Delivery) -> bytes:
        shared, key = delivery.shared, self._rest_key
        if shared is not None and (kept := shared.get(key)) is not None:
            return kept
        resume = b"" if delivery.resume is None else b"resume:%b\n" % self._session.escape(delivery.resume).encode()
        rest = b"%d\n%b%b" % (delivery.tag, resume, self._tail(delivery))
        if shared is not None:
            shared[key] = rest
        return rest

    def join(self, membership: Membership) -> Road | None:
        """See ``PageConsumer``."""
        return None if self._pager is None else self._pager.join(membership)

    def part(self, membership: Membership) -> None:
        """See ``PageConsumer``."""
        if self._pager is not None:
            self._pager.part(membership)

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when it takes again."""
        self._session.when_drained(resume)

    def drained(self) -> None:
        """Only AMQP drains."""

    def ended(self, reason: ApiError) -> None:
        """The queue is gone, or the right to it: the client is told, and its connection ends (ST-098)."""
        if not self.is_over:
            self._session.fail(reason)


def _with_body(message: Message, body: bytes) -> Message:
    import msgspec

    return msgspec.structs.replace(message, body=body)
