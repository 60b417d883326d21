"""The faults that a test may ask the simulator's world for. No I/O here but waiting."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from libvdsm.subsystems.virt.drivers.simulator_frames import Failure
from libvdsm.subsystems.virt.drivers.simulator_model import WorldError

#: Calls that a hypervisor answers although the machine's own process hangs (faults.md, fact 2).
_NEED_NO_PROCESS = frozenset({"domain", "define", "undefine", "set_autostart", "destroy"})


class FailNext(Struct, frozen=True):
    """The next ``call`` (for this machine, if one is named) fails with ``failure``."""

    call: str
    failure: Failure
    id: str | None = None


class Faults:
    """What is wrong at the moment."""

    def __init__(self) -> None:
        self.drops_events = False
        self.hung: set[str] = set()
        self._hangs_all = False
        self._slow: dict[str | None, float] = {}
        self._fail_next: list[FailNext] = []
        self._healed = asyncio.Event()

    def hang(self, id: str | None) -> None:
        """Calls for this machine, or all, are not answered."""
        if id is None:
            self._hangs_all = True
        else:
            self.hung.add(id)

    def slow(self, id: str | None, seconds: float) -> None:
        """Calls for this machine, or all, take so much longer."""
        self._slow[id] = seconds

    def fail_next(self, failing: FailNext) -> None:
        """See ``FailNext``."""
        self._fail_next.append(failing)

    def clear(self) -> None:
        """All is well again; what hung goes on."""
        self.drops_events = self._hangs_all = False
        self.hung.clear()
        self._slow.clear()
        self._fail_next.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    def is_in_the_way(self, call: str, params: dict[str, Any]) -> bool:
        """Whether ``suffer`` would wait or raise for this call."""
        id = params.get("id")
        return bool(self._slow or self._fail_next) or self._hangs(call, id)

    async def suffer(self, call: str, params: dict[str, Any]) -> None:
        """Wait or raise ``WorldError`` as was asked for."""
        id = params.get("id")
        while self._hangs(call, id):
            await self._healed.wait()
        await asyncio.sleep(max(self._slow.get(None, 0.0), self._slow.get(id, 0.0)))
        for failing in self._fail_next:
            if failing.call == call and failing.id in {None, id}:
                self._fail_next.remove(failing)
                raise WorldError(failing.failure.name, **failing.failure.params)

    def _hangs(self, call: str, id: str | None) -> bool:
        return self._hangs_all or (id in self.hung and call not in _NEED_NO_PROCESS)
