"""The settings of the host subsystem, with their units and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libvdsm.subsystems.host.pki.config import PkiConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """The settings of the host subsystem."""

    driver: Literal["linux", "simulated"] = "linux"
    stats_interval_s: float = 2.0
    first_sample_s: float = 0.1  # between the first two samples: processor use needs two
    seed: int = 1  # of the simulated host
    pki: PkiConfig | None = None  # no certificates at all if absent

    def __post_init__(self) -> None:
        for name in ("stats_interval_s", "first_sample_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")
