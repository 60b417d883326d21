"""Builds the virt subsystem: the one table of its drivers. A driver's libraries are loaded only when it is chosen."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from libvdsm.base.clock import Clock
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.virt.config import VirtConfig
from libvdsm.subsystems.virt.driver import Driver
from libvdsm.subsystems.virt.service import Virt

_log = logging.getLogger(__name__)

#: Exit status of a process that cannot reach its hypervisor (EX_TEMPFAIL): restarted soon, and no crash.
TEMPORARY_FAILURE: Final = 75


def _simulator(config: VirtConfig, _clock: Clock) -> Driver:
    from libvdsm.subsystems.virt.drivers.simulator import SimulatorDriver

    return SimulatorDriver(config.simulator_socket)


def _libvirt(config: VirtConfig, clock: Clock) -> Driver:
    from libvdsm.subsystems.virt.drivers.libvirt import LibvirtDriver

    return LibvirtDriver(config.hypervisor, clock)


#: By the word before the first colon of ``VirtConfig.hypervisor``; every other word begins a libvirt URI.
DRIVERS: Final[Mapping[str, Callable[[VirtConfig, Clock], Driver]]] = {"simulator": _simulator}


def end_process(reason: str) -> None:
    """End this process at once, with no clean-up: a thread of it hangs for ever."""
    _log.error("the process ends: %s", reason)
    logging.shutdown()
    os._exit(TEMPORARY_FAILURE)


def build(config: VirtConfig, reporter: Reporter, clock: Clock, *, end_process: Callable[[str], None] = end_process) -> Virt:
    """The subsystem, ready to be started; called in the thread of the running loop."""
    driver = DRIVERS.get(config.hypervisor.partition(":")[0], _libvirt)(config, clock)
    return Virt(driver=driver, config=config, reporter=reporter, clock=clock, end_process=end_process)
