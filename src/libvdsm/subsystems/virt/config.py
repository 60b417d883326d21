"""The settings of the virt subsystem, with their units and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from libvdsm.subsystems.virt.lanes import LaneLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How long a hypervisor's call of a kind may take before it counts as stuck, in seconds."""

    read_s: float = 10.0
    list_s: float = 30.0
    fence_s: float = 35.0  # libvirt itself gives up after 30 s
    path_s: float = 2.0  # a file that is not told of within this hangs
    define_s: float = 15.0
    start_s: float = 110.0
    ask_s: float = 10.0
    destroy_s: float = 45.0  # pulling the plug of a hung QEMU was measured at 12 s
    screenshot_s: float = 10.0
    console_s: float = 8.0
    stats_s: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtConfig:
    """The settings of the virt subsystem."""

    hypervisor: str = "qemu:///system"  # a libvirt URI, or simulator
    simulator_socket: str = "/run/libvdsm/simulator.sock"  # where the simulator's world is found
    open_s: float = 5.0  # connecting that takes longer ends the process: nothing else frees its thread
    backoff_s: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0)  # between attempts to connect; the last one repeats
    stats_interval_s: float = 2.0
    look_interval_s: float = 1.0  # how often a state that is waited for is looked at, lest its event was lost
    ask_again_s: float = 5.0  # a guest that is still booting does not hear that it is to shut down
    second_look_s: float = 0.5  # a request of a worker that was killed may still be on its way: what has no effect is looked at twice
    ticket_s: float = 30.0
    lanes: LaneLimits = field(default_factory=LaneLimits)
    calls: CallLimits = field(default_factory=CallLimits)

    def __post_init__(self) -> None:
        if not self.hypervisor:
            raise ValueError("hypervisor: name a libvirt URI or simulator")
        for name in ("open_s", "stats_interval_s", "look_interval_s", "ask_again_s", "ticket_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")
        if not self.backoff_s:
            raise ValueError("backoff_s: name one pause at least")
