"""Sessions: windows of transfers in both directions, deliveries by their numbers, links by their handles (1.0 part 2, 2.5)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from libvdsm.wire.amqp import decoding, encoding, outcomes, performatives
from libvdsm.wire.amqp.complaints import to_error
from libvdsm.wire.amqp.errors import (
    FRAMING,
    HANDLE_IN_USE,
    INVALID_FIELD,
    NOT_IMPLEMENTED,
    STOLEN,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    AmqpError,
    DecodeError,
    Scope,
)
from libvdsm.wire.amqp.frames import encode_frame
from libvdsm.wire.amqp.limits import MASK, UNIT_BITS, distance
from libvdsm.wire.amqp.links import Link, Receiver, Sender
from libvdsm.wire.amqp.performatives import Attach, Begin, Detach, End, Flow
from libvdsm.wire.amqp.transfers import DESCRIPTOR, HEAD, MOST_SHAPES, USUAL_FRAME, Long, read_usual, shape_of

if TYPE_CHECKING:
    from libvdsm.wire.amqp.connection import AmqpConnection
    from libvdsm.wire.amqp.frames import FrameStream
    from libvdsm.wire.amqp.performatives import Performative
    from libvdsm.wire.amqp.transfers import Shape

_OUTGOING_WINDOW: Final = 0x7FFFFFFF
_FIELDS: Final = 11
_NOTHING: Final[list[list[object]]] = [[None] * (_FIELDS - count) for count in range(_FIELDS + 1)]
_DISPOSITION: Final = struct.Struct(">IHH4sBB2sIBIB")


class Session:
    """One session, as the side that did not begin it."""

    __slots__ = (
        "_low",
        "_settled",
        "_shapes",
        "blocked",
        "channel",
        "connection",
        "incoming_window",
        "is_ending",
        "is_touched",
        "largest",
        "limits",
        "links",
        "next_delivery_id",
        "next_incoming_id",
        "next_outgoing_id",
        "outgoing_window",
        "put",
        "remote_window",
        "thirsty",
        "unsettled",
    )

    def __init__(self, connection: AmqpConnection, channel: int, begin: Begin) -> None:
        self.connection = connection
        self.limits = connection.limits
        self.channel = channel
        self.put = connection.put
        self.largest = connection.largest
        self.next_incoming_id = begin.next_outgoing_id
        self.incoming_window = self.limits.window
        self._low = self.limits.window >> 1  # at which there is more
        self.next_outgoing_id = self.next_delivery_id = self.limits.first_id
        self.outgoing_window = _OUTGOING_WINDOW
        self.remote_window = begin.incoming_window
        self.links: dict[int, Link] = {}
        self.unsettled: dict[int, tuple[Sender, int]] = {}
        self.blocked: deque[Long] = deque()  # what the peer's window has no room for
        self.is_ending = False
        self.is_touched = False  # the connection knows that there is something to say
        self.thirsty: set[Receiver] = set()  # which have little credit left
        self._settled: list[tuple[int, int, bytes]] = []  # ranges of deliveries with one outcome, not yet said
        self._shapes: dict[bytes, Shape] = {}  # of transfers, by how they begin
        self.write(Begin(channel, self.next_outgoing_id, self.incoming_window, self.outgoing_window, self.limits.links - 1))

    # Writing.

    def write(self, performative: Performative) -> None:
        """Send a performative, behind what was settled before it."""
        if self._settled:
            self.flush()
        self.put(encode_frame(self.channel, performative))

    def dispose(self, number: int, outcome: bytes) -> None:
        """Settle a delivery of the peer; said with all others of this turn, in ranges."""
        settled = self._settled
        if settled:
            first, last, same = settled[-1]
            if number == last + 1 and same == outcome:
                settled[-1] = (first, number, same)
                return
        settled.append((number, number, outcome))
        self._touch()

    def _touch(self) -> None:
        """There is something to say at the end of this turn."""
        if not self.is_touched:
            self.is_touched = True
            self.connection.touch(self)

    def flush(self) -> None:
        """Say what was settled, and give credit and window where little is left."""
        settled, self._settled = self._settled, []
        head = b"\x00\x53\x15\xc0"
        for first, last, outcome in settled:
            octets = 13 + len(outcome)
            if octets < 256:  # noqa: PLR2004 - list8
                frame = _DISPOSITION.pack(13 + octets, 0x0200, self.channel, head, octets, 5, b"\x41\x70", first, 0x70, last, 0x41)
                self.put(frame + outcome)
            else:
                self.put(self._long_disposition(first, last, outcome))
        if self.thirsty:
            thirsty, self.thirsty = self.thirsty, set()
            for link in thirsty:
                link.grant()
        if self.incoming_window <= self._low and not self.is_ending:
            self.incoming_window = self.limits.window
            self.tell()

    def _long_disposition(self, first: int, last: int, outcome: bytes) -> bytes:
        items = [b"\x41", encoding.encode_uint(first), encoding.encode_uint(last), b"\x41", outcome]
        body = b"\x00\x53\x15" + encoding.encode_items(items)
        return struct.pack(">IHH", 8 + len(body), 0x0200, self.channel) + body

    def tell(self) -> None:
        """Say where the windows stand."""
        self.write(Flow(self.next_incoming_id, self.incoming_window, self.next_outgoing_id, self.outgoing_window))

    def send_long(self, sender: Sender, number: int, payload: bytes) -> None:
        """Send what needs several frames, or has to wait."""
        self.blocked.append(Long(sender, number, payload))
        self.pump()

    def pump(self) -> None:
        """Send of what waits as much as the peer's window has room for."""
        blocked = self.blocked
        while blocked and self.remote_window > 0:
            long = blocked[0]
            if long.sender.is_ending:
                blocked.popleft()
                continue
            self.remote_window -= 1
            self.next_outgoing_id = (self.next_outgoing_id + 1) & MASK
            self.put(long.next_frame(self.channel, self.largest))
            if long.is_done:
                blocked.popleft()

    # What comes in.

    def begin_transfer(self, data: bytes, body: int, end: int) -> None:
        """The hot path: a transfer whose descriptor was seen; its fields begin at ``body``."""
        if self.incoming_window <= 0:
            raise AmqpError(WINDOW_VIOLATION, "there was no window for this transfer", Scope.SESSION)
        self.incoming_window -= 1
        if self.incoming_window <= self._low:
            self._touch()
        self.next_incoming_id = (self.next_incoming_id + 1) & MASK
        fields = read_usual(data, body, end)
        is_usual = fields is not None
        if fields is None:
            fields, payload_at = decoding.decode_list(data, body, end)
            if len(fields) > _FIELDS:
                raise DecodeError("transfer has too many fields")
            fields += _NOTHING[len(fields)]
        else:
            payload_at = body + 2 + data[body + 1]
        handle, number, tag, form, settled, more, _mode, state, _resume, aborted, _batchable = fields
        link = self.links.get(handle) if type(handle) is int else None
        if not isinstance(link, Receiver):
            if type(handle) is not int:
                raise DecodeError("handle of transfer is not an uint")
            raise AmqpError(UNATTACHED_HANDLE, "no link that sends has this handle", Scope.SESSION)
        if link.is_ending:
            return
        if form is not None and type(form) is not int:
            raise DecodeError("message-format of transfer is not an uint")
        if is_usual and not more and not link.is_open:
            self._learn(data, body, link, is_settled=settled is True)
        self._take(link, number, tag, settled, state, data[payload_at:end], more=_flag(more), aborted=_flag(aborted))

    def _learn(self, data: bytes, body: int, link: Receiver, *, is_settled: bool) -> None:
        """Know what is like this transfer from now on."""
        made = shape_of(data, body, link, is_settled=is_settled)
        if made is not None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            self._shapes[made[0]] = made[1]

    @property
    def knows_shapes(self) -> bool:
        """Whether ``take_usual`` may find something."""
        return bool(self._shapes)

    def take_usual(self, stream: FrameStream, units: int) -> int:
        """Take what is like transfers before it, as long as such frames stand behind each other; answers what is left of the units.

        What is in any way unusual is left to ``begin_transfer``, which says what is wrong with it.
        """
        data, position, total, shapes = stream.data, stream.position, len(stream.data), self._shapes
        head, channel, largest, most, complete = HEAD.unpack_from, self.channel, stream.largest, self.limits.message_octets, self._complete
        last = total - HEAD.size
        while position <= last and units > 0:
            size, kind, of, descriptor, key = head(data, position)
            shape, end = shapes.get(key), position + size
            if shape is None or descriptor != DESCRIPTOR or kind != USUAL_FRAME or of != channel or size > largest or end > total:
                break
            read, number_at, between, rest, payload_at, link, is_settled = shape
            payload_at += position
            if payload_at > end or end - payload_at > most:
                break
            number, middle, tag, behind = read(data, position + number_at)
            if middle != between or behind != rest or not link.takes(tag) or self.incoming_window <= 0:
                break
            self.incoming_window -= 1
            self.next_incoming_id = (self.next_incoming_id + 1) & MASK
            link.credit -= 1
            link.delivery_count = (link.delivery_count + 1) & MASK
            stream.position = position = end
            units -= 1 + (size >> UNIT_BITS)
            complete(link, number, tag, data[payload_at:end], is_settled)
        if self.incoming_window <= self._low:
            self._touch()
        return units

    def _take(
        self, link: Receiver, number: object, tag: object, settled: object, state: object, payload: bytes, *, more: bool, aborted: bool
    ) -> None:
        _flag(settled)
        try:
            if state is not None:
                _check_state(state)
            is_complete = link.take(number, tag, settled, payload, more=more, aborted=aborted)
        except AmqpError as failure:
            self._end_link(link, failure)
            return
        if is_complete:
            self._complete(link, *link.finish(payload))
        elif link.credit <= link.low:
            self._wet(link)

    def _complete(self, link: Receiver, number: int, tag: bytes, payload: bytes, is_settled: bool) -> None:
        """A whole message has come."""
        try:
            outcome = self.connection.handler.arrived(link, number, payload, is_settled=is_settled)
        except AmqpError as failure:
            self._end_link(link, failure)
            return
        if outcome is None:
            link.begin_waiting(number, None if is_settled else tag)
        elif not is_settled:
            self.dispose(number, outcome)
        if link.credit <= link.low:
            self._wet(link)

    def _end_link(self, link: Receiver, failure: AmqpError) -> None:
        if failure.scope is not Scope.LINK:
            raise failure
        self.connection.handler.detached(link)
        link.end(failure)

    def _wet(self, link: Receiver) -> None:
        """A link has little credit left: it gets more with what is said next."""
        self.thirsty.add(link)
        if not self.is_touched:
            self._touch()

    def dispose_theirs(self, data: bytes, body: int, end: int) -> None:
        """The peer says what became of deliveries (2.7.6)."""
        fields, _after = decoding.decode_list(data, body, end)
        role, first, last, settled, state = (fields + [None] * 5)[:5]
        if type(role) is not bool or type(first) is not int or (last is not None and type(last) is not int):
            raise DecodeError("disposition without role or first")
        is_settled, last = _flag(settled), first if last is None else last
        count = distance(last, first) + 1
        if count <= 0:
            raise AmqpError(INVALID_FIELD, "the last of these deliveries is before the first", Scope.SESSION)
        outcome = outcomes.read(state)
        if not role:
            return  # of what it sent itself we have settled all, or will
        if outcome is None or outcome.code == outcomes.RECEIVED:
            if not is_settled:
                return
            outcome = outcomes.RELEASE
        if outcome.code in {outcomes.DECLARED, outcomes.TRANSACTIONAL}:
            raise AmqpError(NOT_IMPLEMENTED, "there are no transactions", Scope.SESSION)
        self._settle_theirs(first, count, outcome)
        if not is_settled:
            self.put(encode_frame(self.channel, performatives.Disposition(role=False, first=first, last=last, settled=True, state=state)))

    def _settle_theirs(self, first: int, count: int, outcome: outcomes.Outcome) -> None:
        take = self.unsettled.pop
        if count > len(self.unsettled):
            numbers: Iterable[int] = [each for each in self.unsettled if (each - first) & MASK < count]
        elif first + count <= MASK:
            numbers = range(first, first + count)
        else:
            numbers = [each & MASK for each in range(first, first + count)]
        tags = [found[1] for number in numbers if (found := take(number, None)) is not None]
        if tags:
            self.connection.handler.settled(tags, outcome)

    def receive(self, performative: Performative) -> None:
        """All other frames on its channel."""
        if isinstance(performative, Flow):
            self._flow(performative)
        elif isinstance(performative, Attach):
            self._attach(performative)
        elif isinstance(performative, Detach):
            self._detach(performative)
        else:
            raise AmqpError(INVALID_FIELD, "this has no place in a session")

    def _flow(self, flow: Flow) -> None:
        was_blocked = self.is_blocked
        seen = self.limits.first_id if flow.next_incoming_id is None else flow.next_incoming_id
        self.remote_window = max(distance((seen + flow.incoming_window) & MASK, self.next_outgoing_id), 0)
        if flow.handle is not None:
            self._flow_of_link(flow, flow.handle)
        elif flow.echo:
            self.tell()
        self.pump()
        if was_blocked and not self.is_blocked:
            self.connection.handler.writable()

    @property
    def is_blocked(self) -> bool:
        """Whether the peer's window has no room."""
        return self.remote_window <= 0 or bool(self.blocked)

    def _flow_of_link(self, flow: Flow, handle: int) -> None:
        link = self.links.get(handle)
        if link is None:
            raise AmqpError(UNATTACHED_HANDLE, "no link has this handle", Scope.SESSION)
        if link.is_ending:
            return
        if isinstance(link, Sender):
            link.flow(flow)
            self.connection.handler.credited(link, drain=flow.drain)
        elif isinstance(link, Receiver):
            link.flow(flow)
            link.grant()
        if flow.echo and not link.is_ending:
            link.tell()

    def _attach(self, attach: Attach) -> None:
        if attach.handle >= self.limits.links:
            raise AmqpError(FRAMING, f"handles reach to {self.limits.links - 1}")
        if attach.handle in self.links:
            raise AmqpError(HANDLE_IN_USE, "another link has this handle", Scope.SESSION)
        connection, key = self.connection, (attach.role, attach.name)
        old = connection.names.get(key)
        if old is not None:
            connection.handler.detached(old)
            old.end(AmqpError(STOLEN, "a link of the same name was attached"))
        link: Link = Sender(self, attach) if attach.role else Receiver(self, attach)
        self.links[attach.handle] = connection.names[key] = link
        try:
            connection.handler.attached(link, attach)
        except AmqpError as refusal:
            link.refuse(refusal)

    def _detach(self, detach: Detach) -> None:
        self._shapes.clear()
        link = self.links.pop(detach.handle, None)
        if link is None:
            raise AmqpError(UNATTACHED_HANDLE, "no link has this handle", Scope.SESSION)
        if link.is_ending:
            return
        self.connection.handler.detached(link)
        link.is_ending = True
        self.release(link)
        self.write(Detach(detach.handle, closed=detach.closed))

    def release(self, link: Link) -> None:
        """A link is over: what it has not settled is given back, in its order."""
        key = (not link.role, link.name)
        if self.connection.names.get(key) is link:
            del self.connection.names[key]
        if isinstance(link, Receiver):
            link.forget()
            return
        numbers = [number for number, (sender, _tag) in self.unsettled.items() if sender is link]
        if numbers:
            self.connection.handler.settled([self.unsettled.pop(number)[1] for number in numbers], outcomes.RELEASE)

    def end(self, error: AmqpError | None = None) -> None:
        """End it and its links; what comes until the peer ends it as well counts no more."""
        for link in tuple(self.links.values()):
            if not link.is_ending:
                self.connection.handler.detached(link)
                link.is_ending = True
                self.release(link)
        self.links.clear()
        self._shapes.clear()
        self.blocked.clear()
        if not self.is_ending:
            self.is_ending = True
            self.write(End(None if error is None else to_error(error, self.largest)))


def _flag(value: object) -> bool:
    if value is not None and type(value) is not bool:
        raise DecodeError("a flag is no boolean")
    return value is True


def _check_state(state: object) -> None:
    found = outcomes.read(state)
    if found is not None and found.code in {outcomes.DECLARED, outcomes.TRANSACTIONAL}:
        raise AmqpError(NOT_IMPLEMENTED, "there are no transactions", Scope.LINK)
