"""The one place that names the subsystems: how each is configured and built. Loaded where one runs: a worker, or the front in-process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from libvdsm.base.clock import Clock, SystemClock
from libvdsm.daemon.config import Config
from libvdsm.daemon.tls import pki_config
from libvdsm.interfaces.work import Reporter, Service

#: All of them; each has a process of its own.
SUBSYSTEMS: Final = ("virt", "host")


def build_subsystem(name: str, config: Config, reporter: Reporter) -> Service:
    """The service of subsystem ``name``; called in the thread of the running loop."""
    return _BUILDERS[name](config, reporter, SystemClock())


def simulator_socket(config: Config) -> Path:
    """Where the simulator's world is found."""
    return config.state_dir / "simulator" / "world.sock"


def _virt(config: Config, reporter: Reporter, clock: Clock) -> Service:
    from libvdsm.subsystems.virt import load
    from libvdsm.subsystems.virt.config import VirtConfig

    virt = VirtConfig(hypervisor=config.hypervisor.uri, simulator_socket=str(simulator_socket(config)))
    return load.build(virt, reporter, clock)


def _host(config: Config, reporter: Reporter, clock: Clock) -> Service:
    from libvdsm.subsystems.host import load
    from libvdsm.subsystems.host.config import HostConfig

    host = HostConfig(driver="simulated" if config.hypervisor.is_simulator else "linux", pki=pki_config(config))
    return load.build(host, reporter, clock)


_BUILDERS: Final[Mapping[str, Callable[[Config, Reporter, Clock], Service]]] = {"virt": _virt, "host": _host}
