"""The contract between the host subsystem and the host.

All methods read what the kernel keeps in memory and return at once; they run no commands. A failure is an ``OSError``
or a ``ValueError`` that says what could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from libvdsm.subsystems.host.doctor import Faculties


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the host is. Texts are clean and short."""

    id: str
    hostname: str
    operating_system: str
    kernel: str
    architecture: str
    cpu_model: str | None
    cpus: int  # online
    memory_bytes: int
    booted_at: float  # seconds since 1970, to the second


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Processor time since the host's start, in any unit."""

    busy: float
    idle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory as it is, in bytes."""

    total: int
    available: int
    swap_total: int
    swap_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How busy the host is."""

    cpu: CpuTimes
    load: tuple[float, float, float]  # of one, five and fifteen minutes
    memory: Memory


class HostDriver(Protocol):
    """A host."""

    def facts(self) -> HostFacts:
        """What it is."""
        ...

    def sample(self) -> Sample:
        """How busy it is."""
        ...

    def faculties(self) -> Faculties | None:
        """What it offers to guests; None if there is no such host. Never fails: what cannot be seen is told as such."""
        ...
