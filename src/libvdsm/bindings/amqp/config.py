"""What an AMQP connection may ask for, and what happened; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from libvdsm.wire.amqp.limits import AmqpLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLimits:
    """The bounds of one connection."""

    wire: AmqpLimits = field(default_factory=AmqpLimits)
    login_s: float = 10.0  # from the first octet to open
    frame_s: float = 60.0  # from the first octet of a frame to its last
    probe_s: float = 5.0  # after which a sender that was stopped because the disk is full may try again
    pending: int = 4_096  # messages that are being stored


@dataclass(slots=True)
class AmqpCounters:
    """What happened, since the start."""

    connections: int = 0
    messages: int = 0
    refused_messages: int = 0
    refused_logins: int = 0
    refused_links: int = 0
    lost_peers: int = 0
    dropped_answers: int = 0
