"""The simulator's world as a child of the supervisor: what libvirtd is on a real host, so nobody takes its pulse."""

from __future__ import annotations

from libvdsm.daemon.child import loaded
from libvdsm.daemon.config import Config
from libvdsm.daemon.subsystems import simulator_socket
from libvdsm.subsystems.virt.drivers import simulator_world


def run_world(config: Config) -> int:
    """Be the world until SIGTERM; answers the exit status."""
    loaded()
    place = simulator_socket(config)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    arguments = ["--socket", str(place), "--state", str(place.with_name("world.json")), "--vms", str(config.hypervisor.simulated_vms)]
    return simulator_world.main(arguments)
