"""How often an address may present what proves nothing, before it has to wait."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from libvdsm.base.clock import Clock

#: So many wrong tokens at once, and then one more each ``REFILL_S``.
MOST: Final = 10
REFILL_S: Final = 6.0
#: Addresses that are remembered; those that were quiet longest are forgotten first.
ADDRESSES: Final = 10_000


class Attempts:
    """Failures by address, each forgotten after a while: a bucket that leaks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how full at which time

    def too_many(self, address: str) -> bool:
        """Whether the address has to wait."""
        return self._level(address) > MOST - 1

    def failed(self, address: str) -> None:
        """One more."""
        self._full[address] = (self._level(address) + 1, self._clock.monotonic())
        self._full.move_to_end(address)
        if len(self._full) > ADDRESSES:
            self._full.popitem(last=False)

    def _level(self, address: str) -> float:
        full, at = self._full.get(address, (0.0, 0.0))
        left = full - (self._clock.monotonic() - at) / REFILL_S
        if left <= 0:
            self._full.pop(address, None)
            return 0.0
        return left
