"""The part of a connection that takes pages: what many are sent alike goes straight to the transport (``interfaces.pages``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from libvdsm.interfaces.pages import Membership, Road
    from libvdsm.transports.connection import Connection


class LinePager:
    """See ``Pager``: frames follow each other as they are."""

    __slots__ = ("_connection", "_counted", "_memberships", "_octets", "key")

    def __init__(self, connection: Connection, key: str = "") -> None:
        self.key = key
        self._connection = connection
        self._memberships: list[Membership] = []
        self._octets = 0  # of memberships that have ended
        self._counted = 0

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``Pager``."""
        return head + (rests[0] if len(rests) == 1 else head.join(rests))

    def join(self, membership: Membership) -> Road | None:
        """See ``Pager``."""
        road = self._connection.page_road()
        if road is not None:
            self._memberships.append(membership)
        return road

    def part(self, membership: Membership) -> None:
        """See ``Pager``."""
        if membership in self._memberships:
            self._memberships.remove(membership)
            self._octets += membership.octets

    def octets(self) -> int:
        """See ``Pager``."""
        return self._octets + sum(each.octets for each in self._memberships)

    def uncounted(self) -> int:
        """What was written in pages since this was asked before."""
        octets = self.octets()
        before, self._counted = self._counted, octets
        return octets - before

    def leave(self) -> None:
        """See ``Pager``."""
        for each in tuple(self._memberships):
            each.leave()


class WebSocketPager(LinePager):
    """Each frame is a message."""

    __slots__ = ("_wrap",)

    def __init__(self, connection: Connection, wrap: Callable[[bytes], bytes], key: str) -> None:
        """``wrap`` makes a message of a frame; ``key`` is unlike that of any other way to do so."""
        super().__init__(connection, key)
        self._wrap = wrap

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``Pager``."""
        wrap = self._wrap
        return b"".join([wrap(head + rest) for rest in rests])
