"""What a subsystem reports, as the notifications of ``interfaces.messages``; the same over a channel and inside the front."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from libvdsm.daemon.dispatch import Tell
from libvdsm.interfaces.messages import (
    Cause,
    Observed,
    ReportChanged,
    ReportCondition,
    ReportDesired,
    ReportOffer,
    ReportRemoved,
    ReportSnapshot,
    ReportStats,
    ReportTls,
)

_encode = msgspec.json.Encoder().encode


class EncodingReporter:
    """``interfaces.work.Reporter`` over bytes."""

    def __init__(self, tell: Tell, send_stream: Callable[[socket.socket], int]) -> None:
        """``send_stream`` sends a descriptor by the side channel and answers its token."""
        self._tell = tell
        self._send_stream = send_stream

    def snapshot(self, type: str, objects: Sequence[Observed], cause: Cause) -> None:
        """See ``Reporter``."""
        self._tell("report.snapshot", _encode(ReportSnapshot(type=type, objects=list(objects), cause=cause)))

    def changed(self, type: str, observed: Observed, cause: Cause) -> None:
        """See ``Reporter``."""
        self._tell("report.changed", _encode(ReportChanged(type=type, observed=observed, cause=cause)))

    def removed(self, type: str, id: str, cause: Cause) -> None:
        """See ``Reporter``."""
        self._tell("report.removed", _encode(ReportRemoved(type=type, id=id, cause=cause)))

    def desired(self, type: str, id: str, generation: int, document: bytes) -> None:
        """See ``Reporter``."""
        self._tell("report.desired", _encode(ReportDesired(type=type, id=id, generation=generation, document=Raw(document))))

    def stats(self, type: str, items: Sequence[tuple[str, bytes]]) -> None:
        """See ``Reporter``."""
        self._tell("report.stats", _encode(ReportStats(type=type, items=[(id, Raw(document)) for id, document in items])))

    def condition(self, state: str, reason: str | None = None) -> None:
        """See ``Reporter``."""
        self._tell("report.condition", _encode(ReportCondition(state=state, reason=reason)))

    def offer(self, ticket: str, identity: str, stream: socket.socket, expires_s: float, *, address: str = "", vm: str = "") -> None:
        """See ``Reporter``."""
        token = self._send_stream(stream)
        offer = ReportOffer(token=token, ticket=ticket, identity=identity, expires=expires_s, address=address, vm=vm)
        self._tell("report.offer", _encode(offer))

    def tls(self, told: ReportTls) -> None:
        """See ``Reporter``."""
        self._tell("report.tls", _encode(told))
