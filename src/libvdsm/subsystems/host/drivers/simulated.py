"""A host that is not there: always the same for the same seed and time."""

from __future__ import annotations

import math
import uuid

from libvdsm.base.clock import Clock
from libvdsm.subsystems.host.driver import CpuTimes, HostFacts, Memory, Sample

_NAMESPACE = uuid.UUID("7c0a7d34-7df7-5a0e-8e0b-3f6f4f2f9d10")
_GIB = 1024**3
_CPUS = 32
_MEMORY = 256 * _GIB
_DAY_S = 86400
_BOOTS_EVERY_S = 30 * _DAY_S  # so that it is the same host to whoever asks again
_PERIOD_S = 300.0


class SimulatedHost:
    """See ``HostDriver``."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._booted_at = math.floor(clock.time() / _BOOTS_EVERY_S) * _BOOTS_EVERY_S - _DAY_S

    def facts(self) -> HostFacts:
        """See ``HostDriver``."""
        return HostFacts(
            id=str(uuid.uuid5(_NAMESPACE, str(self._seed))),
            hostname=f"simulated-{self._seed}",
            operating_system="Simulated Linux 1.0",
            kernel="6.1.0-simulated",
            architecture="x86_64",
            cpu_model="Simulated Processor",
            cpus=_CPUS,
            memory_bytes=_MEMORY,
            booted_at=float(self._booted_at),
        )

    def sample(self) -> Sample:
        """See ``HostDriver``: a load that swings around a quarter."""
        up = self._clock.time() - self._booted_at
        turn = 2 * math.pi / _PERIOD_S
        busy = _CPUS * (0.25 * up + 0.15 * (1 - math.cos(turn * up)) / turn)
        share = 0.25 + 0.15 * math.sin(turn * up)
        return Sample(
            cpu=CpuTimes(busy, _CPUS * up - busy),
            load=(round(_CPUS * share, 2), _CPUS * 0.25, _CPUS * 0.25),
            memory=Memory(total=_MEMORY, available=int(_MEMORY * (0.9 - share)), swap_total=8 * _GIB, swap_free=8 * _GIB),
        )

    def faculties(self) -> None:
        """See ``HostDriver``."""
