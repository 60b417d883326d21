"""Byte streams that wait for the holder of their ticket: one use, one identity at one address, a short time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from libvdsm.base.clock import Clock
from libvdsm.interfaces.generated.errors import ObjectNotFound


@dataclass(frozen=True, slots=True)
class _Offer:
    identity: str
    address: str
    stream: socket.socket
    until: float
    vm: str


class Tickets:
    """Streams by ticket."""

    def __init__(self, clock: Clock, *, later: Callable[[float, Callable[[], None]], object], most: int = 1000) -> None:
        """``later`` is the loop's ``call_later``."""
        self._clock = clock
        self._later = later
        self._offers: dict[str, _Offer] = {}
        self._most = most

    def offer(self, ticket: str, identity: str, stream: socket.socket, expires_s: float, *, address: str = "", vm: str = "") -> None:
        """Keep a stream for whoever asked for it, from where he asked (``Caller.address``: all unix sockets are one place); it is closed when its time is up, or at once when there are too many."""
        if len(self._offers) >= self._most:
            stream.close()
            return
        self._offers[ticket] = _Offer(identity, address, stream, self._clock.monotonic() + expires_s, vm)
        self._later(expires_s + 0.1, self._sweep)

    def redeem(self, identity: str, ticket: str, *, address: str = "") -> tuple[socket.socket, str]:
        """The stream and the machine that it belongs to, once; a wrong identity, or the right one elsewhere, learns nothing and spoils nothing."""
        offer = self._offers.get(ticket)
        if offer is None or (offer.identity, offer.address) != (identity, address) or offer.until < self._clock.monotonic():
            raise ObjectNotFound(type="ticket", id="that was given")
        del self._offers[ticket]
        return offer.stream, offer.vm

    def close(self) -> None:
        """Close all that were not redeemed."""
        for offer in self._offers.values():
            offer.stream.close()
        self._offers.clear()

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for ticket in [ticket for ticket, offer in self._offers.items() if offer.until < now]:
            self._offers.pop(ticket).stream.close()
