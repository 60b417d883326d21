"""What a STOMP connection may ask for, and what happened; sizes in octets, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from libvdsm.wire.stomp.events import StompLimits

VERSIONS = ("1.0", "1.1", "1.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """The bounds of one connection."""

    frame: StompLimits = field(default_factory=StompLimits)
    stranger: StompLimits = field(default_factory=lambda: StompLimits(line_octets=4_096, headers=32, head_octets=6 * 1_024, body_octets=1))
    #: Of whoever has greeted and is nobody: he may log in by a call.
    nobody: StompLimits = field(
        default_factory=lambda: StompLimits(line_octets=4_096, headers=32, head_octets=6 * 1_024, body_octets=58 * 1_024)
    )
    login_s: float = 10.0  # from the first octet to CONNECT
    held: int = 8  # SUBSCRIBE before CONNECT, on a listener that is not strict ...
    held_s: float = 2.0  # ... and for how long
    frame_s: float = 60.0  # from the first octet of a frame to its last
    subscriptions: int = 1_000
    transactions: int = 64
    transaction_frames: int = 10_000
    transaction_octets: int = 16 * 1024 * 1024
    prefetch: int = 1_000  # the most deliveries that may be unsettled on a subscription
    pending: int = 1_024  # frames whose effect is awaited
    shortest_beat_ms: int = 1_000
    longest_beat_ms: int = 24 * 3_600 * 1_000


@dataclass(slots=True)
class StompCounters:
    """What happened, since the start."""

    sessions: int = 0
    messages: int = 0
    errors: int = 0
    requests: int = 0
    dropped_answers: int = 0
    refused_logins: int = 0
    lost_peers: int = 0
    legacy_peers: int = 0
