"""Who is connected, as the verbs of ``Connection`` see it. The transports keep the book."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from libvdsm.interfaces.caller import Caller, Sink


class OpenConnection(Protocol):
    """A connection whose protocol is known."""

    number: int  # counts from 1, in the order of their making
    address: str
    received_octets: int
    calls: int
    connected_at: float  # seconds since 1970 in UTC

    @property
    def caller(self) -> Caller | None:
        """Who is at its other end; None while it is being made."""
        ...

    @property
    def sink(self) -> Sink | None:
        """By which it is told of events; None if it follows none in that way."""
        ...

    @property
    def protocol(self) -> str:
        """``json``, or with its version ``stomp/1.2``; what a WebSocket carries stands last: ``websocket/jsonrpc``."""
        ...

    @property
    def listener(self) -> str:
        """The name of the listener that accepted it."""
        ...

    @property
    def cipher(self) -> str | None:
        """TLS version and cipher; None if it is plain."""
        ...

    @property
    def heart_beat_s(self) -> float | None:
        """How often its client promised to show life; None if it did not."""
        ...

    @property
    def sent_octets(self) -> int:
        """What was written to it."""
        ...

    def unsent_octets(self) -> int:
        """What its client has not taken yet."""
        ...

    def behind(self) -> tuple[int, int]:
        """How many subscriptions of messages it has beside its sink's, and by how many events the slowest is behind."""
        ...

    def end(self) -> None:
        """Close it at once."""
        ...

    def shut_down(self) -> None:
        """Finish what is running, begin nothing new, then close."""
        ...


class Connections(Protocol):
    """The connections of all listeners."""

    def after(self, number: int) -> Iterator[OpenConnection]:
        """Those made after this one, in their order."""
        ...

    def find(self, number: int) -> OpenConnection | None:
        """The one of this number, if it is open."""
        ...
