"""The short way of frames that are like ones before: known by the octets of their heads, they are carried out without being read again.

What a SEND means for all of its kind is found out once, by the general way, and kept by its head; an ACK is known by what stands
before and behind the number of its delivery. Whatever is not known beyond doubt is left to the general way, which then judges it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import ObjectNotFound

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.acknowledgements import Acknowledgements
    from libvdsm.bindings.stomp.consumer import StompConsumer
    from libvdsm.bindings.stomp.receipts import Receipts
    from libvdsm.wire.stomp.connection import StompStream

#: Carries a body out; answers how many units that took beside those of its frame.
Act: TypeAlias = "Callable[[bytes], int]"

#: What one connection may keep: so many heads, and so many octets of them.
_MOST_HEADS: Final = 32
_MOST_OCTETS: Final = 4_096
#: Octets of a head that may be known.
_HEAD_OCTETS: Final = 512
#: Digits of the number of a delivery.
TAG_DIGITS: Final = 18
_LINE_FEED: Final = 0x0A
_UNIT_BITS: Final = 12


class Known:
    """What one connection's frames begin with, and what they mean."""

    __slots__ = (
        "_accept",
        "_ack_of",
        "_ack_prefix",
        "_ack_tail",
        "_body_octets",
        "_consumer",
        "_fail",
        "_give_later",
        "_heads",
        "_is_full",
        "_most",
        "_octets",
        "_pending",
        "_short",
        "_stream",
        "is_dry",
        "is_empty",
    )

    def __init__(
        self,
        stream: StompStream,
        acknowledgements: Acknowledgements,
        receipts: Receipts,
        *,
        is_full: Callable[[], bool],
        fail: Callable[[ApiError], None],
        body_octets: int,
    ) -> None:
        self.is_empty = True
        self.is_dry = False  # all that was received has been worked off
        self._stream = stream
        self._accept = acknowledgements.accept
        self._consumer = acknowledgements.consumer
        self._pending: Collection[object] = receipts.pending
        self._most = receipts.most
        self._give_later = receipts.give_later
        self._is_full = is_full
        self._fail = fail
        self.set_limit(body_octets)
        self._heads: dict[bytes, tuple[int | None, Act]] = {}  # with the length of the body, if the head tells it
        self._octets = 0
        self._ack_prefix = b""  # of an ACK, up to the number
        self._ack_tail = b""  # behind it, to the end of the frame
        self._ack_of: StompConsumer | None = None  # whose deliveries alone it names

    def set_limit(self, body_octets: int) -> None:
        """What a body may be from now on."""
        self._body_octets = body_octets
        self._short = min(body_octets, (1 << _UNIT_BITS) - 1)

    @property
    def knows_no_ack(self) -> bool:
        """Whether no ACK has come yet that others may be like."""
        return not self._ack_prefix

    def learn(self, act: Act) -> None:
        """The frame that came last, and all that begin like it, are carried out by ``act``."""
        head, length = self._stream.last_head
        if len(head) > _HEAD_OCTETS or b"\r" in head:
            return
        if len(self._heads) >= _MOST_HEADS or self._octets + len(head) > _MOST_OCTETS:
            self._heads.clear()
            self._octets = 0
        self._heads[head] = length, act
        self._octets += len(head)
        self.is_empty = False

    def learn_ack(self, name: bytes, before: bytes, consumer: StompConsumer | None) -> None:
        """The frame that came last is an ACK; its header ``name`` has ``before`` and the number of a delivery as its value.

        ``consumer``: the one whose deliveries it can only mean.
        """
        head = self._stream.newest_head
        lead = b"\n" + name + b":" + before
        at = head.find(b"\n" + name + b":")
        if at < 0 or b"\r" in head or len(head) > _HEAD_OCTETS or not head.startswith(lead, at):
            return
        end = head.find(b"\n", at + len(lead))
        end = len(head) if end < 0 else end
        if head[at + len(lead) : end].isdigit():
            self._ack_prefix, self._ack_tail, self._ack_of = head[: at + len(lead)], head[end:] + b"\n\n\0", consumer
            self.is_empty = False

    def forget(self) -> None:
        """What frames mean may be different from now on; or nothing is to be carried out any more."""
        self._heads.clear()
        self._octets = 0
        self._ack_prefix = self._ack_tail = b""
        self._ack_of = None
        self.is_empty = True

    def take(self, data: bytes) -> bool:
        """Carry out what was read, if it is one known frame that is not long, and nothing else; else nothing was done."""
        head = data.find(b"\n\n", 0, _HEAD_OCTETS + 2)
        known = self._heads.get(data[:head]) if head >= 0 else None
        if known is None:
            return False
        length, act = known
        body, end = head + 2, len(data) - 1
        if data[end] or end - body > self._short or end != (data.find(b"\0", body) if length is None else body + length):
            return False
        try:
            act(data[body:end])
        except ApiError as failure:
            self._fail(failure)
        return True

    def work(self, units: int) -> int:  # noqa: C901, PLR0912, PLR0915 - one loop, in which every call of a function would be felt
        """Carry out the known frames that come next, for about so many units; answers how many it took."""
        stream, heads, is_full, pending, most = self._stream, self._heads, self._is_full, self._pending, self._most
        data, start = stream.rest()
        size, left = len(data), units
        prefix, tail, of, accept = self._ack_prefix, self._ack_tail, self._ack_of, self._accept
        size_of_prefix = len(prefix)
        self.is_dry = False
        if start < size and data[start] == _LINE_FEED:  # many end their frames with one
            start += 1
        try:
            while start < size:
                if left <= 0 or len(pending) >= most or is_full():
                    break
                if prefix and data[start : start + size_of_prefix] == prefix:
                    at = start + size_of_prefix
                    end = data.find(b"\n", at, at + TAG_DIGITS + 1)
                    number = data[at:end]
                    if end < 0 or not number.isdigit() or not data.startswith(tail, end):
                        break
                    if of is not None and self._consumer(int(number)) is not of:
                        break
                    try:
                        waiting = accept(int(number))
                    except ObjectNotFound:
                        break  # which the general way says in its words
                    start = end + len(tail)
                    left -= 1
                    if waiting is not None:
                        self._give_later(waiting, None)
                else:
                    body = data.find(b"\n\n", start, start + _HEAD_OCTETS + 2)
                    known = heads.get(data[start:body]) if body >= 0 else None
                    if known is None:
                        break
                    body += 2
                    length, act = known
                    end = data.find(b"\0", body) if length is None else body + length
                    if not body <= end < size or data[end] or end - body > self._body_octets:
                        break
                    start = end + 1
                    left -= 1 + ((end - body) >> _UNIT_BITS)
                    left -= act(data[body:end])
                if start < size and data[start] == _LINE_FEED:
                    start += 1
                if self.is_empty:
                    break
            else:
                self.is_dry = True
        except ApiError as failure:
            self._fail(failure)
        finally:
            stream.move_to(start)
        return units - left
