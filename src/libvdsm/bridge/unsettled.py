"""Objects of which it is being found out what became of a deed: nothing else is begun on them until that is known."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from libvdsm.bridge.intents import Intent
from libvdsm.interfaces.generated.errors import ResourceBusy
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.method import MethodEntry

#: How long a deed waits for what is being found out about its object.
_MOST_WAIT_S: Final = 4.0


class Unsettled:
    """Those objects, and who looks."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str], set[asyncio.Future[Any]]] = {}

    def mark(self, intent: Intent, finding: asyncio.Future[Any]) -> None:
        """Until it is known what became of it, nothing else is begun on its object."""
        subject = intent.subject or _to_be_made(intent)
        if subject is None:
            return
        found = self._findings.setdefault(subject, set())
        found.add(finding)

        def done(_future: asyncio.Future[Any]) -> None:
            found.discard(finding)
            if not found and self._findings.get(subject) is found:
                del self._findings[subject]

        finding.add_done_callback(done)

    async def wait(self, entry: MethodEntry, object_id: str | None) -> None:
        """Until nothing is being found out about the object; raises ``ResourceBusy`` when that takes too long."""
        found = None if object_id is None else self._findings.get((entry.object_type or "", object_id))
        if not found:
            return
        await asyncio.wait(tuple(found), timeout=_MOST_WAIT_S)
        if self._findings.get((entry.object_type or "", object_id or "")):
            reason = "what became of an interrupted call is still being found out"
            raise ResourceBusy(type=entry.object_type or "", id=object_id or "", reason=reason)


def _to_be_made(intent: Intent) -> tuple[str, str] | None:
    """The object that an interrupted verb was to make, if its id was chosen by the caller."""
    type = intent.method.partition(".")[0].lower()
    members = msgspec.json.decode(intent.params) if type in OBJECTS else None
    id = members.get(f"{type}Id") if isinstance(members, dict) else None
    return (type, id) if isinstance(id, str) else None
