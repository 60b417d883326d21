"""A front that writes down what a subsystem tells it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from libvdsm.interfaces.messages import Cause, Observed, ReportTls


class RecordingReporter:
    """``Reporter``. What was told stands in ``told`` in order; ``documents`` and ``conditions`` are kept apart too."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any, Cause | None]] = []
        self.documents: dict[str, dict[str, Any]] = {}
        self.conditions: list[tuple[str, str | None]] = []
        self.figures: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, socket.socket] = {}
        self.offered_to: dict[str, tuple[str, str]] = {}  # identity and address
        self.tls_told: list[ReportTls] = []
        self._news = asyncio.Event()

    def snapshot(self, type: str, objects: Sequence[Observed], cause: Cause) -> None:
        self.documents = {observed.id: msgspec.json.decode(observed.document) for observed in objects}
        self._tell("snapshot", list(objects), cause)

    def changed(self, type: str, observed: Observed, cause: Cause) -> None:
        self.documents[observed.id] = msgspec.json.decode(observed.document)
        self._tell("changed", observed, cause)

    def removed(self, type: str, id: str, cause: Cause) -> None:
        self.documents.pop(id, None)
        self._tell("removed", id, cause)

    def desired(self, type: str, id: str, generation: int, document: bytes) -> None:
        self._tell("desired", (id, generation, msgspec.json.decode(document)), None)

    def stats(self, type: str, items: Sequence[tuple[str, bytes]]) -> None:
        self.figures |= {id: msgspec.json.decode(item) for id, item in items}
        self._tell("stats", [id for id, _ in items], None)

    def condition(self, state: str, reason: str | None = None) -> None:
        self.conditions.append((state, reason))
        self._tell("condition", state, None)

    def offer(self, ticket: str, identity: str, stream: socket.socket, expires_s: float, *, address: str = "", vm: str = "") -> None:
        self.offered_to[ticket] = (identity, address)
        self.offers[ticket] = stream
        self._tell("offer", ticket, None)

    def tls(self, told: ReportTls) -> None:
        self.tls_told.append(told)
        self._tell("tls", told.generation, None)

    def kinds(self) -> list[str]:
        """What was told, in order, without statistics."""
        return [kind for kind, _, _ in self.told if kind != "stats"]

    async def until(self, is_so: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until what was told makes it so."""
        async with asyncio.timeout(timeout_s):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    def _tell(self, kind: str, what: object, cause: Cause | None) -> None:
        self.told.append((kind, what, cause))
        self._news.set()
