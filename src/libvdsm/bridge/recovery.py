"""What became of work whose end was not seen: asked of the subsystem, which fences the object and looks (DESIGN 6).

Nothing is run again. A verb ends as done (its effect is there), interrupted (it is not, and will not come), or unknown:
its probe is ``none``, or nobody can look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UnsetType

from libvdsm.base import faultpoints
from libvdsm.base.errors import ApiError
from libvdsm.bridge.intents import Intent
from libvdsm.interfaces.generated.errors import Interrupted, OutcomeUnknown
from libvdsm.interfaces.messages import Recovered, WorkRecover
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.worker_port import WorkerPort

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Recovered).decode

#: How long a subsystem may take to find out what became of a call.
LOOK_S = 60.0
#: How often it is asked when it does not answer in that time.
MOST_LOOKS = 3
#: How long a subsystem may be away before what it did not finish is called unknown.
MOST_WAIT_S = 600.0

#: A subsystem's worker is there and has told what there is; awaits that.
Ready = Callable[[str], Awaitable[None]]
#: The meta of a recovered call, encoded.
Meta = Callable[[Intent, float], bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found."""

    result: bytes | None = None
    error: ApiError | None = None

    @property
    def had_no_effect(self) -> bool:
        """Whether the call can be made again as if it had never been."""
        return isinstance(self.error, Interrupted)


class Recovery:
    """Finds out what became of intents."""

    def __init__(self, *, methods: Mapping[str, MethodEntry], ports: Mapping[str, WorkerPort], ready: Ready, meta: Meta) -> None:
        self._methods = methods
        self._ports = ports
        self._ready = ready
        self._meta = meta

    def entry(self, intent: Intent) -> MethodEntry | None:
        """The verb; None if this version has it no more."""
        return self._methods.get(intent.method)

    async def outcome(self, intent: Intent, reason: str) -> Outcome:
        """What became of ``intent``, whose end was not seen because of ``reason``. Never raises but when cancelled."""
        entry = self._methods.get(intent.method)
        port = None if entry is None else self._ports.get(entry.subsystem)
        if entry is None or port is None or entry.probe in (None, "none"):
            return _unknown(intent, reason)
        try:
            async with asyncio.timeout(MOST_WAIT_S):
                return await self._look(port, entry, intent, reason)
        except TimeoutError:
            return _unknown(intent, f"{reason}; {entry.subsystem} could not be asked for {MOST_WAIT_S:.0f} s")

    async def _look(self, port: WorkerPort, entry: MethodEntry, intent: Intent, reason: str) -> Outcome:
        looks = 0
        asked = _encode(WorkRecover(method=entry.name, params=intent.params))
        while looks < MOST_LOOKS:
            await self._ready(entry.subsystem)
            faultpoints.reach(entry.name, "in_recovery")
            try:
                answer = await port.call("work.recover", asked, self._meta(intent, LOOK_S), LOOK_S)
            except ApiError as error:
                if error.name == "SubsystemUnavailable":
                    continue  # it went away once more: the next worker is asked
                looks += 1
                reason = f"{reason}; {error.message}"
                if error.name != "DeadlineExceeded":
                    break
                continue
            return _judged(intent, _decode(bytes(answer)), reason)
        return _unknown(intent, reason)


def _judged(intent: Intent, found: Recovered, reason: str) -> Outcome:
    _log.info("%s %s (%s): %s", intent.method, intent.id, reason, found.outcome)
    if found.outcome == "done":
        return Outcome(result=b"{}" if isinstance(found.result, UnsetType) else bytes(found.result))
    if found.outcome == "absent":
        return Outcome(error=Interrupted(method=intent.method, reason=found.reason or reason))
    return _unknown(intent, found.reason or reason)


def _unknown(intent: Intent, reason: str) -> Outcome:
    return Outcome(error=OutcomeUnknown(method=intent.method, reason=reason))
