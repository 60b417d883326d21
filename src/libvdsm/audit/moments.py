"""Timestamps of the schema as seconds. Pure."""

from __future__ import annotations

from libvdsm.base.clock import seconds_of
from libvdsm.interfaces.generated.errors import InvalidParams


def moment(text: str, path: str) -> float:
    """Seconds since 1970 of an RFC 3339 timestamp in UTC; raises ``InvalidParams`` at ``path`` for a day that never was."""
    try:
        return seconds_of(text)
    except ValueError:
        raise InvalidParams(path=path, reason="there is no such day") from None
