"""What exists: every domain as it was last seen, and what of it the front was told.

The one place that reports domains. A report is made only if something that callers can see has changed, so the
hypervisor's echo of a call is silent when the call has told it already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from libvdsm.base.clock import Clock, timestamp
from libvdsm.interfaces.generated.types import VmConfig, VmState
from libvdsm.interfaces.messages import Cause, Observed
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.driver import Domain

_FOUND_AT_RESYNC = "found-at-resync"


class VmDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The members of ``VM`` that this subsystem knows."""

    name: str
    state: VmState
    config: VmConfig
    restart_needed: list[str]
    state_reason: str | None = None
    problem: str | None = None
    started_at: str | None = None


@dataclass(slots=True)
class Known:
    """A domain and what we make of it. The inventory alone changes it."""

    domain: Domain
    state_reason: str | None = None
    started_at: float | None = None
    problem: str | None = None
    told: Observed | None = None


class Inventory:
    """All domains. Used in the loop's thread only."""

    def __init__(self, reporter: Reporter, clock: Clock) -> None:
        self._reporter = reporter
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._causes: dict[str, list[Cause]] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def get(self, id: str) -> Domain | None:
        """The domain as it was last seen."""
        known = self._known.get(id)
        return known.domain if known is not None else None

    def all(self) -> Sequence[Domain]:
        """All domains as they were last seen."""
        return [known.domain for known in self._known.values()]

    @contextmanager
    def acting(self, id: str, cause: Cause) -> Iterator[None]:
        """While a call acts on a domain, what happens to it is put down to the call."""
        causes = self._causes.setdefault(id, [])
        causes.append(cause)
        try:
            yield
        finally:
            causes.remove(cause)
            if not causes:
                del self._causes[id]

    def cause_of(self, id: str, detail: str) -> Cause:
        """Why a change was seen of which the hypervisor has told in the word ``detail``."""
        causes = self._causes.get(id)
        if not causes:
            return Cause(kind="hypervisor", detail=detail)
        return msgspec.structs.replace(causes[-1], detail=detail)

    def see(self, domain: Domain, cause: Cause, *, is_desired_anew: bool = False) -> None:
        """A domain was read: tell of it if that is news, or what is desired of it was told just now and is to be shown."""
        known = self._take_in(domain, cause)
        observed = _observed(known)
        if is_desired_anew or observed != known.told:
            known.told = observed
            self._reporter.changed("vm", observed, cause)
        self._wake(domain.id)

    def see_all(self, domains: Sequence[Domain], cause: Cause) -> None:
        """All domains were listed: tell of them all, and by that also of those that are gone."""
        gone = self._known.keys() - {domain.id for domain in domains}
        for id in gone:
            del self._known[id]
        seen = [self._take_in(domain, cause) for domain in domains]
        for known in seen:
            known.told = _observed(known)
        self._reporter.snapshot("vm", [known.told for known in seen if known.told is not None], cause)
        for id in list(self._waiting):
            self._wake(id)

    def forget(self, id: str, cause: Cause) -> None:
        """A domain is not there any more: tell so, if it ever was."""
        if self._known.pop(id, None) is not None:
            self._reporter.removed("vm", id, cause)
        self._wake(id)

    def set_problem(self, id: str, problem: str | None) -> None:
        """What keeps us from managing a domain fully, or that nothing does any more."""
        known = self._known.get(id)
        if known is None or known.problem == problem:
            return
        known.problem = problem
        self.see(known.domain, Cause(kind="daemon", detail=problem or "it answers again"))

    async def changed(self, id: str, timeout_s: float) -> bool:
        """Wait until the domain is seen or forgotten the next time; whether that was within the time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(id, set())
        waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(id) is waiting:
                del self._waiting[id]
        return True

    def _take_in(self, domain: Domain, cause: Cause) -> Known:
        before = self._known.get(domain.id)
        known = Known(domain, domain.state_reason, domain.started_at)
        if before is not None:
            self._carry_over(before, known, cause)
        self._known[domain.id] = known
        return known

    def _carry_over(self, before: Known, known: Known, cause: Cause) -> None:
        """What the hypervisor does not tell and we have seen ourselves."""
        known.told, known.problem = before.told, before.problem
        has_turned = before.domain.state is not known.domain.state
        if known.state_reason is None:
            if not has_turned:
                known.state_reason = before.state_reason
            elif cause.kind == "resync":
                known.state_reason = _FOUND_AT_RESYNC
        if not plan.is_active(known.domain.state):
            known.started_at = known.problem = None
        elif known.started_at is None:
            was_active = plan.is_active(before.domain.state)
            known.started_at = before.started_at if was_active else self._clock.time()

    def _wake(self, id: str) -> None:
        for future in self._waiting.get(id, ()):
            if not future.done():
                future.set_result(None)


def _observed(known: Known) -> Observed:
    domain = known.domain
    document = VmDocument(
        name=domain.name,
        state=domain.state,
        state_reason=known.state_reason,
        problem=known.problem or plan.drift(domain.name, domain.config, domain.digest),
        started_at=timestamp(known.started_at) if known.started_at is not None else None,
        config=domain.config,
        restart_needed=plan.restart_needed(domain.config, domain.live_config),
    )
    return Observed(
        id=domain.id,
        document=msgspec.Raw(msgspec.json.encode(document)),
        generation=domain.generation,
        operationId=domain.operation_id,
        digest=domain.digest,
    )
