"""Links: of a ``Sender`` the peer receives, of a ``Receiver`` it sends (1.0 part 2, 2.6)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from libvdsm.wire.amqp import encoding
from libvdsm.wire.amqp.complaints import to_error
from libvdsm.wire.amqp.errors import (
    ILLEGAL_STATE,
    INVALID_FIELD,
    MESSAGE_SIZE,
    RESOURCE_LIMIT,
    TRANSFER_LIMIT,
    AmqpError,
    Scope,
)
from libvdsm.wire.amqp.limits import MASK, distance
from libvdsm.wire.amqp.performatives import Attach, Detach, Flow

if TYPE_CHECKING:
    from libvdsm.wire.amqp.performatives import Coordinator, Source, Target
    from libvdsm.wire.amqp.session import Session

_SETTLED: Final = 1
_UNSETTLED: Final = 0
_LONGEST_TAG: Final = 32
#: How a transfer goes on behind its prefix: the delivery's number, and the same as its tag.
_WRITERS: Final = {octets: struct.Struct(f">I{octets}sI2sI2s") for octets in range(10, 20)}


class Link:
    """What both kinds have in common. ``owner`` belongs to whoever listens."""

    __slots__ = ("attach", "credit", "delivery_count", "handle", "is_ending", "name", "owner", "session")

    role = False  # True: the peer sends, we receive

    def __init__(self, session: Session, attach: Attach) -> None:
        self.session = session
        self.attach = attach
        self.name = attach.name
        self.handle = attach.handle
        self.credit = 0
        self.delivery_count = 0
        self.is_ending = False  # we have said our last word; what comes until the peer says its own counts no more
        self.owner: object = None

    def refuse(self, error: AmqpError) -> None:
        """Answer the attach by one without a terminus, and end the link (2.6.3)."""
        attach = self.attach
        source, target = (attach.source, None) if self.role else (None, attach.target)
        count = None if self.role else self.delivery_count
        self.session.write(Attach(self.name, self.handle, self.role, source=source, target=target, initial_delivery_count=count))
        self.end(error)

    def end(self, error: AmqpError | None = None) -> None:
        """Detach it for good. Idempotent."""
        if not self.is_ending:
            self.is_ending = True
            self.session.write(Detach(self.handle, closed=True, error=None if error is None else to_error(error, self.session.largest)))
            self.session.release(self)

    def tell(self, *, drain: bool = False) -> None:
        """Say where both ends stand."""
        session = self.session
        session.write(
            Flow(
                session.next_incoming_id,
                session.incoming_window,
                session.next_outgoing_id,
                session.outgoing_window,
                self.handle,
                self.delivery_count,
                self.credit,
                drain=drain,
            )
        )


class Sender(Link):
    """We send, when there is credit."""

    __slots__ = ("_prefix", "_tail", "_writer", "head_octets", "is_settling")

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self.delivery_count = session.limits.first_id
        self.is_settling = False  # what it sends is settled by that
        handle = encoding.encode_uint(self.handle)
        fields = len(handle) + 1 + 4 + 2 + 4 + 2
        self._prefix = b"\x02\x00%b\x00\x53\x14\xc0%c\x05%b\x70" % (session.channel.to_bytes(2, "big"), fields + 1, handle)
        self._writer = _WRITERS[len(self._prefix)].pack
        self.head_octets = 4 + len(self._prefix) + 12
        self._tail = b"\x43\x42"

    def accept(self, source: Source, *, settles: bool) -> None:
        """Answer the attach: this is what messages come from; ``settles``: they are settled when they are sent."""
        self.is_settling = settles
        self._tail = b"\x43\x41" if settles else b"\x43\x42"
        attach = self.attach
        mode = _SETTLED if settles else _UNSETTLED
        target, count = attach.target, self.delivery_count
        self.session.write(
            Attach(self.name, self.handle, role=False, snd_settle_mode=mode, source=source, target=target, initial_delivery_count=count)
        )

    def send(self, head: bytes, rest: bytes, tag: int | None = None) -> None:
        """Send one message, which is ``head`` and ``rest``, for one credit; ``tag`` is given back when it is settled, if there is one."""
        session = self.session
        self.credit -= 1
        self.delivery_count = (self.delivery_count + 1) & MASK
        number = session.next_delivery_id
        session.next_delivery_id = (number + 1) & MASK
        if tag is not None and not self.is_settling:
            session.unsettled[number] = (self, tag)
        octets = self.head_octets + len(head) + len(rest)
        if octets <= session.largest and session.remote_window > 0 and not session.blocked:
            session.remote_window -= 1
            session.next_outgoing_id = (session.next_outgoing_id + 1) & MASK
            session.put(b"".join((self._writer(octets, self._prefix, number, b"\xa0\x04", number, self._tail), head, rest)))
        else:
            session.send_long(self, number, head + rest)

    def flow(self, flow: Flow) -> None:
        """The receiver says how much it takes (2.6.7)."""
        if flow.link_credit is not None:
            seen = self.session.limits.first_id if flow.delivery_count is None else flow.delivery_count
            self.credit = max(distance((seen + flow.link_credit) & MASK, self.delivery_count), 0)

    def drained(self) -> None:
        """There is nothing for the credit that is left: it is used up, and the peer is told so."""
        self.delivery_count = (self.delivery_count + self.credit) & MASK
        self.credit = 0
        self.tell(drain=True)


class Receiver(Link):
    """The peer sends, for the credit that we give."""

    __slots__ = ("_number", "_octets", "_parts", "_settled", "_tag", "_tags", "is_held", "low", "pending", "window")

    role = True

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self.delivery_count = attach.initial_delivery_count or 0
        self.window = session.limits.credit
        self.low = self.window >> 1  # credit at which there is more
        self.is_held = False  # there is no credit for now
        self.pending: dict[int, bytes | None] = {}  # deliveries that are under way, and their tags; None: nobody waits for a word
        self._tags: set[bytes] = set()  # of those
        self._parts: list[bytes] | None = None  # of a message that is not complete
        self._octets = 0
        self._number = 0
        self._tag = b""
        self._settled = False

    def accept(self, target: Target | Coordinator) -> None:
        """Answer the attach, and give credit."""
        attach, most = self.attach, self.session.limits.message_octets
        self.session.write(
            Attach(
                self.name,
                self.handle,
                role=True,
                snd_settle_mode=attach.snd_settle_mode,
                source=attach.source,
                target=target,
                max_message_size=most,
            )
        )
        self.grant()

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._parts is not None

    def grant(self) -> None:
        """Give as much credit as there is room for, if that is worth a word."""
        wanted = 0 if self.is_held else max(self.window - len(self.pending), 0)
        if not self.is_ending and wanted != self.credit:
            self.credit = wanted
            self.tell()

    def hold(self) -> None:
        """Take nothing more for now."""
        self.is_held = True
        self.grant()

    def probe(self) -> None:
        """Take one, to see whether there is room again."""
        if self.is_held and not self.credit and not self.is_ending:
            self.credit = 1
            self.tell()

    def resume(self) -> None:
        """Take more again."""
        if self.is_held:
            self.is_held = False
            self.grant()

    def takes(self, tag: bytes) -> bool:
        """Whether a message that is complete may come with this tag."""
        return self.credit > 0 and self._parts is None and not self.is_ending and tag not in self._tags

    def take(self, number: object, tag: object, settled: object, payload: bytes, *, more: bool, aborted: bool) -> bool:
        """One transfer: whether a message is complete now; then ``finish`` it. Raises ``AmqpError``."""
        if self._parts is not None:
            return self._go_on(number, tag, settled, payload, more=more, aborted=aborted)
        if self.credit <= 0:
            raise AmqpError(TRANSFER_LIMIT, "there was no credit for this message", Scope.LINK)
        if type(number) is not int or type(tag) is not bytes:
            raise AmqpError(INVALID_FIELD, "a delivery begins without its number or tag", Scope.SESSION)
        if len(tag) > _LONGEST_TAG or tag in self._tags:
            raise AmqpError(INVALID_FIELD, "a tag has 1 to 32 octets, and no other unsettled delivery of its link has it", Scope.LINK)
        self.credit -= 1
        self.delivery_count = (self.delivery_count + 1) & MASK
        self._number, self._tag, self._settled = number, tag, settled is True
        self._check(len(payload))
        if not more and not aborted:
            self._judge_settled()
            return True
        if not aborted:
            self._parts = [payload]
            self._count(len(payload))
        return False

    def _go_on(self, number: object, tag: object, settled: object, payload: bytes, *, more: bool, aborted: bool) -> bool:
        if (number is not None and number != self._number) or (tag is not None and tag != self._tag):
            raise AmqpError(INVALID_FIELD, "a delivery begins before another one of its link has ended", Scope.SESSION)
        if aborted:
            self.drop()
            return False
        self._settled = self._settled or settled is True
        self._check(self._octets + len(payload))
        self._parts.append(payload)  # type: ignore[union-attr] # there is a message that is not complete
        self._count(len(payload))
        if not more:
            self._judge_settled()
        return not more

    def _judge_settled(self) -> None:
        mode = self.attach.snd_settle_mode
        if (mode == _SETTLED and not self._settled) or (mode == _UNSETTLED and self._settled):
            raise AmqpError(ILLEGAL_STATE, "the delivery is settled, or is not, against what the link said", Scope.LINK)

    def _check(self, octets: int) -> None:
        if octets > self.session.limits.message_octets:
            raise AmqpError(MESSAGE_SIZE, f"a message has {self.session.limits.message_octets} octets at most", Scope.LINK)

    def _count(self, octets: int) -> None:
        connection = self.session.connection
        self._octets += octets
        connection.partial_octets += octets
        if connection.partial_octets > self.session.limits.partial_octets:
            raise AmqpError(RESOURCE_LIMIT, "too many messages are not complete", Scope.LINK)

    def finish(self, payload: bytes) -> tuple[int, bytes, bytes, bool]:
        """The message that is complete: its number, its tag, its octets, and whether it is settled."""
        if self._parts is not None:
            payload = b"".join(self._parts)
            self.drop()
        return self._number, self._tag, payload, self._settled

    def drop(self) -> None:
        """Forget what is not complete."""
        self.session.connection.partial_octets -= self._octets
        self._parts, self._octets = None, 0

    def begin_waiting(self, number: int, tag: bytes | None) -> None:
        """A delivery is under way; without a tag nobody waits for a word."""
        self.pending[number] = tag
        if tag is not None:
            self._tags.add(tag)

    def settle(self, number: int, outcome: bytes) -> None:
        """Say what became of a delivery that was pending."""
        if number in self.pending and not self.is_ending:
            tag = self.pending.pop(number)
            if tag is not None:
                self._tags.discard(tag)
                self.session.dispose(number, outcome)
            if self.credit <= self.low:
                self.grant()

    def forget(self) -> None:
        """It is over, with all that has begun."""
        self.drop()
        self.pending.clear()
        self._tags.clear()

    def flow(self, flow: Flow) -> None:
        """The sender says where it stands; it may have given up credit."""
        if flow.delivery_count is not None:
            given_up = distance(flow.delivery_count, self.delivery_count)
            if given_up > 0:
                self.delivery_count = flow.delivery_count
                self.credit = max(self.credit - given_up, 0)
