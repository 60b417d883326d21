"""Consumers that take pages, and a model of the connection under them: for tests of groups."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from libvdsm.interfaces.messaging import Delivery
from libvdsm.interfaces.pages import Membership, Road
from tests.fakes.messaging import FakeConsumer


@dataclass(eq=False)
class FakePageConsumer(FakeConsumer):
    """Writes ``<head> <tag> <body>`` lines; what it is told alone it gathers, as a connection does with its cork."""

    name: str = "0"
    family: str = "plain"
    gathered: list[bytes] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)
    paged: int = 0  # octets of memberships that have ended
    makes: int = 0  # pages that it made for its group
    is_closed: bool = False
    on_write: Callable[[], None] | None = None

    def deliver(self, delivery: Delivery) -> None:
        """See ``Consumer``."""
        assert not self.reasons, "delivered after the end"
        self.gathered.append(b"alone %d %b\n" % (delivery.tag, delivery.message.body))
        self.room -= 1

    def flush(self) -> None:
        """Write what is gathered."""
        self.written += self.gathered
        self.gathered.clear()

    def page_key(self) -> tuple[Hashable, Hashable] | None:
        """See ``PageConsumer``."""
        return None if self.is_closed else (self.family, self.name)

    def page_head(self, name: str) -> bytes:
        """See ``PageConsumer``."""
        return f"{self.name}-{name}".encode()

    def page_rests(self, deliveries: Sequence[Delivery]) -> Sequence[bytes]:
        """See ``PageConsumer``."""
        self.makes += 1
        return [b" %d %b\n" % (each.tag, each.message.body) for each in deliveries]

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``PageConsumer``."""
        return b"".join(head + rest for rest in rests)

    def join(self, membership: Membership) -> Road | None:
        """See ``PageConsumer``."""
        if self.room <= 0 or self.is_closed:
            return None
        self.memberships.append(membership)
        return Road(self, self.flush)

    def part(self, membership: Membership) -> None:
        """See ``PageConsumer``."""
        self.memberships.remove(membership)
        self.paged += membership.octets

    def write(self, page: bytes, /) -> None:
        """See ``Writer``: full when the room is used up."""
        assert not self.reasons, "written after the end"
        assert not self.gathered, "a page overtakes what was gathered"
        self.written.append(page)
        self.room -= page.count(b"\n")
        if self.on_write is not None:
            self.on_write()
        if self.room <= 0:
            self.leave()

    def leave(self) -> None:
        """Take no more pages."""
        for each in tuple(self.memberships):
            each.leave()

    @property
    def octets(self) -> int:
        """What came in pages, as its memberships count it."""
        return self.paged + sum(each.octets for each in self.memberships)

    def lines(self) -> list[list[str]]:
        """All that was written or gathered: head, tag, body."""
        return [line.split(" ") for line in b"".join(self.written + self.gathered).decode().splitlines()]

    def bodies(self) -> list[str]:
        """See ``FakeConsumer``."""
        return [body for _, _, body in self.lines()]

    def page_octets(self) -> int:
        """What came in pages."""
        return sum(len(each) for each in self.written if not each.startswith(b"alone"))
