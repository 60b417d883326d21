"""What one connection may cost; sizes in octets, times in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from libvdsm.wire.amqp.frames import LEAST_FRAME

#: Sequence numbers wrap here (RFC 1982).
MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
#: Octets of a frame that count as one unit of work more: 2 ** 12.
UNIT_BITS: Final = 12


def distance(later: int, earlier: int) -> int:
    """How far ``later`` lies behind ``earlier``; negative if it lies before it."""
    found = (later - earlier) & MASK
    return found if found < HALF else found - MASK - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpLimits:
    """The bounds of a connection."""

    frame_octets: int = 64 * 1024
    message_octets: int = 16 * 1024 * 1024
    partial_octets: int = 32 * 1024 * 1024  # of all messages of a connection that are not complete
    sessions: int = 64
    links: int = 256  # of a session
    window: int = 2_048  # frames that a session takes in before it says that it takes more
    credit: int = 256  # deliveries that a link takes in
    idle_ms: int = 60_000  # what we ask for; twice as long is what we bear
    least_idle_ms: int = 1_000  # a peer that wants to hear from us more often is refused
    first_id: int = 0  # of deliveries and transfers

    def __post_init__(self) -> None:
        if self.frame_octets < LEAST_FRAME or min(self.message_octets, self.sessions, self.links, self.window, self.credit) < 1:
            msg = "limits must be positive, and a frame has 512 octets at least"
            raise ValueError(msg)
