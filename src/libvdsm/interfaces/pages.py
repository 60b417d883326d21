"""Pages: octets that many connections are sent alike. A page is made once and written straight to each of them.

A subscription that is like others is a member of their group. It leaves as soon as anything makes it differ: then it is told
by itself, from where the group was, and comes back when it is like the others again. So a delivery costs no look at anything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from libvdsm.interfaces.messaging import Consumer

if TYPE_CHECKING:
    from libvdsm.interfaces.messaging import Delivery


class Membership(Protocol):
    """One subscription's place in a group, as its connection sees it."""

    @property
    def octets(self) -> int:
        """What the group has written to it."""
        ...

    def leave(self) -> None:
        """Write no more pages to it. Idempotent; ends with ``Pager.part``."""
        ...


class Writer(Protocol):
    """Where a page is written: a transport, which tells its connection at once when it is full."""

    def write(self, data: bytes, /) -> object:
        """Send it; never blocks."""
        ...


class Road(NamedTuple):
    """How pages come to a connection."""

    writer: Writer
    before: Callable[[], object]  # writes what this and other connections gather: called before pages, which must not overtake it


class Pager(Protocol):
    """The part of a connection that takes pages."""

    @property
    def key(self) -> str:
        """How it wraps frames: the same for all that make the same octets of the same frames."""
        ...

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """Frames that begin alike, each with a rest of its own, as they are sent."""
        ...

    def join(self, membership: Membership) -> Road | None:
        """Take pages until the membership ends; None: not now, it is full or its last word is said."""
        ...

    def part(self, membership: Membership) -> None:
        """The membership has ended."""
        ...

    def octets(self) -> int:
        """What was written in pages, since the beginning."""
        ...

    def leave(self) -> None:
        """End all memberships."""
        ...


class Pages(Protocol):
    """Whoever can take pages."""

    def page_key(self) -> tuple[Hashable, Hashable] | None:
        """Those alike in the first make the same rests and pages, those alike in both the same heads; None: it is like no other."""
        ...

    def page_head(self, name: str) -> bytes:
        """How its frames begin; with a delivery's tag, ``name`` is unlike that of any other delivery."""
        ...

    def page_rests(self, deliveries: Sequence[Delivery]) -> Sequence[bytes]:
        """What stands behind the head in the frames of these."""
        ...

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``Pager``."""
        ...

    def join(self, membership: Membership) -> Road | None:
        """See ``Pager``."""
        ...

    def part(self, membership: Membership) -> None:
        """See ``Pager``."""
        ...


@runtime_checkable
class PageConsumer(Consumer, Pages, Protocol):
    """A consumer that can take pages."""
