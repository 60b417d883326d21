"""The host subsystem as its process runs it: it looks at the host at an interval and reports what it sees.

It has no verbs of its own: the front answers from what is reported here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Raw, Struct

from libvdsm.base.clock import Clock, timestamp
from libvdsm.interfaces.generated.types import Diagnosis, HostCpuStats, HostMemoryStats, NotRefreshed
from libvdsm.interfaces.messages import Cause, Checked, Observed, Recovered
from libvdsm.interfaces.work import Reporter, WorkContext
from libvdsm.subsystems.host.config import HostConfig
from libvdsm.subsystems.host.doctor import judge
from libvdsm.subsystems.host.driver import HostDriver, HostFacts, Sample
from libvdsm.subsystems.host.pki.service import PkiService
from libvdsm.subsystems.host.plan import clean, cpu_percent, settled

_log = logging.getLogger(__name__)


class HostDocument(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The members of ``HostInfo`` that this subsystem knows."""

    hostname: str
    operating_system: str
    kernel: str
    architecture: str
    cpu_model: str | None = None
    cpus: int
    memory: int
    booted_at: str


class HostStatsGroups(Struct, frozen=True, kw_only=True):
    """The groups of ``HostStats`` that this subsystem knows."""

    cpu: HostCpuStats
    memory: HostMemoryStats


class HostSubsystem:
    """See ``HostService`` and ``Service``."""

    def __init__(self, config: HostConfig, driver: HostDriver, reporter: Reporter, clock: Clock, pki: PkiService | None = None) -> None:
        """``pki``: the room of certificates, if somebody is served with TLS or may want one."""
        self._config = config
        self._driver = driver
        self._reporter = reporter
        self._clock = clock
        self._facts: HostFacts | None = None
        self._sample: Sample | None = None
        self._stats: HostStatsGroups | None = None
        self._state = "starting"
        self._task: asyncio.Task[None] | None = None
        self._pki = pki
        self.internal: Mapping[str, Callable[[bytes], Awaitable[bytes]]] = {
            "host.diagnose": self._diagnose,
            **({} if pki is None else pki.internal),
        }

    async def start(self) -> None:
        """See ``Service``."""
        self.look()
        self._task = asyncio.create_task(self._look_on(), name="host")
        if self._pki is not None:
            self._pki.start()

    async def stop(self) -> None:
        """See ``Service``."""
        if self._pki is not None:
            self._pki.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def recover(self, context: WorkContext, params: Struct) -> Recovered:  # noqa: ARG002 - it has no verbs
        """See ``Service``."""
        return Recovered(outcome="unknown", reason="this subsystem has no verbs")

    async def check(self, context: WorkContext, params: Struct) -> Checked:  # noqa: ARG002 - it has no verbs
        """See ``Service``."""
        return Checked(reasons=[])

    async def _diagnose(self, _params: bytes) -> bytes:
        """What the host offers: a ``Diagnosis``."""
        return msgspec.json.encode(Diagnosis(items=judge(self._driver.faculties())))

    async def _look_on(self) -> None:
        await asyncio.sleep(self._config.first_sample_s)
        while True:
            self.look()
            await asyncio.sleep(self._config.stats_interval_s)

    def look(self) -> None:
        """Look at the host once, and report what is new. Never raises."""
        try:
            self._report_facts(settled(self._facts, self._driver.facts()))
            self._report_stats(self._driver.sample())
        except (OSError, ValueError) as error:
            self._degrade(clean(str(error)))
        else:
            if self._stats is not None:  # who is ready has figures
                self._set_condition("ready", None)

    def _report_facts(self, facts: HostFacts) -> None:
        if facts == self._facts:
            return
        observed = Observed(id=facts.id, document=Raw(msgspec.json.encode(_document(facts))))
        if self._facts is None or self._facts.id != facts.id:
            self._reporter.snapshot("host", [observed], Cause(kind="daemon", detail="first seen"))
        else:
            self._reporter.changed("host", observed, Cause(kind="daemon", detail="seen to have changed"))
        self._facts = facts

    def _report_stats(self, sample: Sample) -> None:
        before, self._sample = self._sample, sample
        if before is None:
            return  # processor use needs two
        now = timestamp(self._clock.time())
        self._send(
            HostStatsGroups(
                cpu=HostCpuStats(
                    sampled_at=now,
                    used_percent=cpu_percent(before.cpu, sample.cpu),
                    load1=sample.load[0],
                    load5=sample.load[1],
                    load15=sample.load[2],
                ),
                memory=HostMemoryStats(
                    sampled_at=now,
                    total=sample.memory.total,
                    available=sample.memory.available,
                    swap_total=sample.memory.swap_total,
                    swap_free=sample.memory.swap_free,
                ),
            )
        )

    def _send(self, stats: HostStatsGroups) -> None:
        if self._facts is not None:
            self._stats = stats
            self._reporter.stats("host", [(self._facts.id, msgspec.json.encode(stats))])

    def _degrade(self, reason: str) -> None:
        """Say that the host cannot be looked at: the last figures stay, with the reason."""
        if self._stats is not None:
            why = NotRefreshed(error="SubsystemUnavailable", reason=reason)
            cpu = msgspec.structs.replace(self._stats.cpu, not_refreshed=why)
            self._send(HostStatsGroups(cpu=cpu, memory=msgspec.structs.replace(self._stats.memory, not_refreshed=why)))
        self._set_condition("degraded", reason)

    def _set_condition(self, state: str, reason: str | None) -> None:
        if state == self._state:
            return
        self._state = state
        if reason is not None:
            _log.warning("the host cannot be looked at: %s", reason)
        self._reporter.condition(state, reason)


def _document(facts: HostFacts) -> HostDocument:
    return HostDocument(
        hostname=facts.hostname,
        operating_system=facts.operating_system,
        kernel=facts.kernel,
        architecture=facts.architecture,
        cpu_model=facts.cpu_model,
        cpus=facts.cpus,
        memory=facts.memory_bytes,
        booted_at=timestamp(facts.booted_at),
    )
