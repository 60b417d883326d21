"""What comes off a STOMP byte stream: frames, or the peer's failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLIENT_COMMANDS = frozenset(
    {
        "CONNECT",
        "STOMP",
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "ACK",
        "NACK",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "DISCONNECT",
    }
)
SERVER_COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})
#: Only these have a body (1.2, "Body").
WITH_BODY = frozenset({"SEND", "MESSAGE", "ERROR"})
#: These escape nothing, for the sake of 1.0 (1.2, "Value Encoding").
WITHOUT_ESCAPES = frozenset({"CONNECT", "STOMP", "CONNECTED"})


class Frame:
    """One frame. Not to be changed: frames with the same head share their headers."""

    __slots__ = ("body", "command", "headers")

    def __init__(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.command = command
        self.headers = headers  # the first of each name, in their order (1.2, "Repeated Header Entries")
        self.body = body

    def __repr__(self) -> str:
        """Without values: some are secrets."""
        return f"Frame({self.command}, {', '.join(self.headers)}, {len(self.body)} octets)"


class StompError(Exception):
    """The peer broke the protocol; nothing more is read. ``str()`` is fit for the peer: it repeats nothing of what it sent."""

    def __init__(self, reason: str, receipt: str | None = None) -> None:
        super().__init__(reason)
        self.receipt = receipt  # what the broken frame asked a receipt for, if that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class StompLimits:
    """What one frame may be; sizes in octets."""

    command_octets: int = 32
    line_octets: int = 16 * 1024  # of a header
    headers: int = 128
    head_octets: int = 64 * 1024  # command and headers
    body_octets: int = 1024 * 1024

    def __post_init__(self) -> None:
        if min(self.command_octets, self.line_octets, self.headers, self.head_octets, self.body_octets) < 1:
            msg = "limits must be positive"
            raise ValueError(msg)
