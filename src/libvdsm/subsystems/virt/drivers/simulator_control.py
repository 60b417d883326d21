"""Faults on request: for tests of whatever stands on the simulator, ours and those of client authors."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from libvdsm.base.errors import ApiError
from libvdsm.subsystems.virt.drivers.simulator_roads import SimulatorRoad


class SimulatorControl:
    """A hand on the simulator's world; use it as a context manager."""

    def __init__(self, socket_path: str | Path) -> None:
        self._road = SimulatorRoad(Path(socket_path), "control")

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Let go; the faults stay."""
        self._road.close()

    def hang(self, id: str | None = None) -> None:
        """Calls that need this machine's process (or all calls) are not answered until ``clear``."""
        self._fault("hang", id=id)

    def slow(self, seconds: float, id: str | None = None) -> None:
        """Calls for this machine (or all calls) take so much longer until ``clear``."""
        self._fault("slow", seconds=seconds, id=id)

    def drop_events(self) -> None:
        """Nobody is told of anything until ``clear``."""
        self._fault("drop_events")

    def fail_next(self, call: str, error: ApiError, id: str | None = None) -> None:
        """The next ``call`` (a method of the driver), for this machine if one is named, fails with ``error``."""
        self._fault("fail_next", call=call, failure={"name": error.name, "params": dict(error.params)}, id=id)

    def crash(self, id: str, *, silent: bool = False) -> None:
        """The machine's process dies; without an event if ``silent``."""
        self._fault("crash", id=id, silent=silent)

    def reboot_host(self) -> None:
        """All processes die, machines with autostart are started."""
        self._fault("reboot_host")

    def advance(self, seconds: float) -> None:
        """Move the world's clock forward."""
        self._fault("advance", seconds=seconds)

    def clear(self) -> None:
        """No more faults."""
        self._fault("clear")

    def _fault(self, fault: str, **params: object) -> None:
        self._road.call(f"fault.{fault}", params, 5.0)
