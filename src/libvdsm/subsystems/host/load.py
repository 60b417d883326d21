"""Builds the host subsystem: the one table of its drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from libvdsm.base.clock import Clock
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.host.config import HostConfig
from libvdsm.subsystems.host.driver import HostDriver
from libvdsm.subsystems.host.drivers.linux import LinuxHost
from libvdsm.subsystems.host.drivers.simulated import SimulatedHost
from libvdsm.subsystems.host.pki.service import PkiService
from libvdsm.subsystems.host.service import HostSubsystem

DRIVERS: Mapping[str, Callable[[HostConfig, Clock], HostDriver]] = {
    "linux": lambda _config, _clock: LinuxHost(),
    "simulated": lambda config, clock: SimulatedHost(config.seed, clock),
}


def build(config: HostConfig, reporter: Reporter, clock: Clock) -> HostSubsystem:
    """The subsystem, ready to be started."""
    pki = None if config.pki is None else PkiService(config.pki, reporter, clock)
    return HostSubsystem(config, DRIVERS[config.driver](config, clock), reporter, clock, pki)
