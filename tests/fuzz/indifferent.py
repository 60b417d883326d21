"""A server of AMQP that takes whatever it is given."""

from __future__ import annotations

from typing import Any

from libvdsm.wire.amqp import performatives as p

_ACCEPTED = b"\x00\x53\x24\x45"
_DATA = b"\x00\x53\x75"


class Indifferent:
    """See ``Handler`` of the connection."""

    def may_skip_login(self) -> bool:
        """Everybody may."""
        return True

    def mechanisms(self) -> tuple[str, ...]:
        """Anybody's."""
        return ("ANONYMOUS", "PLAIN")

    def login(self, mechanism: str, response: bytes | None) -> int | None:
        """Welcome."""
        return 0

    def opened(self, peer: p.Open) -> p.Open:
        """Welcome."""
        return p.Open("x")

    def attached(self, link: Any, attach: p.Attach) -> None:
        """Any link."""
        if attach.role:
            link.accept(attach.source or p.Source(), settles=False)
        else:
            link.accept(attach.target or p.Target())

    def arrived(self, link: Any, number: int, payload: bytes, *, is_settled: bool) -> bytes | None:
        """Any message."""
        return _ACCEPTED

    def credited(self, link: Any, *, drain: bool) -> None:
        """One message for each word of credit."""
        if drain:
            link.drained()
        elif link.credit:
            link.send(_DATA, b"\xa0\x00", 1)

    def settled(self, tags: list[int], outcome: Any) -> None:
        """Only what was sent."""
        assert set(tags) == {1}

    def writable(self) -> None:
        """Nothing waits."""

    def detached(self, link: Any) -> None:
        """Nothing is kept."""

    def ended(self) -> None:
        """Nothing is kept."""
