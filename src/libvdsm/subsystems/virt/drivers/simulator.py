"""The driver of the simulator: the contract of ``driver`` over the socket of its world (``simulator_world``).

Three roads are three connections. A thread asks each second whether the world still answers; three answers missed are a loss.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.interfaces.generated.types import HostCapabilities, ShutdownWay, VmStats
from libvdsm.subsystems.virt.driver import Definition, Domain, DomainEvent, Listener, Road
from libvdsm.subsystems.virt.drivers.simulator_frames import Event
from libvdsm.subsystems.virt.drivers.simulator_roads import SimulatorRoad, open_stream
from libvdsm.subsystems.virt.threads import begin_thread

_log = logging.getLogger(__name__)
_PINGS_MISSED = 3
_ROADS: tuple[Road, ...] = ("command", "monitor", "rescue")


class SimulatorDriver:
    """See ``Driver``."""

    def __init__(self, socket_path: str | Path, *, call_timeout_s: float = 30.0, ping_interval_s: float = 1.0) -> None:
        self._path = Path(socket_path)
        self._call_timeout_s = call_timeout_s
        self._ping_interval_s = ping_interval_s
        self._lock = threading.Lock()  # guards what follows
        self._roads: dict[Road, SimulatorRoad] = {}
        self._listener: Listener | None = None
        self._ended = threading.Event()  # of the present life; set by close and by a loss

    # connections

    def open(self, listener: Listener) -> None:
        """See ``Driver``."""
        self.close()
        ended = threading.Event()
        with self._lock:
            self._listener, self._ended = listener, ended
        try:
            for road in _ROADS:
                self._connect(road, ended)
        except HypervisorUnavailable:
            self.close()
            raise
        begin_thread("simulator-keepalive", self._keep_alive, ended)

    def close(self) -> None:
        """See ``Driver``."""
        with self._lock:
            self._ended.set()
            self._listener = None
            roads, self._roads = list(self._roads.values()), {}
        for road in roads:
            road.close()

    def replace(self, road: Road) -> None:
        """See ``Driver``."""
        with self._lock:
            ended, old = self._ended, self._roads.get(road)
        self._connect(road, ended)
        if old is not None:
            old.retire()

    def _connect(self, road: Road, ended: threading.Event) -> None:
        def on_end(reason: str) -> None:
            self._lose(ended, reason)

        listens = road == "monitor"
        connection = SimulatorRoad(self._path, road, on_event=self._event if listens else None, on_end=on_end)
        try:
            connection.call("listen" if listens else "ping", {}, self._ping_interval_s * _PINGS_MISSED)
        except HypervisorUnavailable:
            connection.close()
            raise
        with self._lock:
            is_late = ended.is_set()
            if not is_late:
                self._roads[road] = connection
        if is_late:
            connection.close()
            raise HypervisorUnavailable(reason="the simulator was lost meanwhile")

    def _event(self, event: Event) -> None:
        with self._lock:
            listener = self._listener
        if listener is not None:
            listener.domain_event(DomainEvent(id=event.id, detail=event.detail, gone=event.gone))

    def _lose(self, ended: threading.Event, reason: str) -> None:
        with self._lock:
            if ended.is_set():
                return
            ended.set()
            listener = self._listener
            roads, self._roads = list(self._roads.values()), {}
        for road in roads:
            road.close()
        if listener is not None:
            listener.connection_lost(reason)

    def _keep_alive(self, ended: threading.Event) -> None:
        missed = 0
        while not ended.wait(self._ping_interval_s if missed == 0 else 0):
            try:
                self._call("monitor", "ping", {}, self._ping_interval_s)
                missed = 0
            except HypervisorUnavailable:
                missed += 1
                ended.wait(0.01)
            if missed == _PINGS_MISSED:
                self._lose(ended, f"the simulator has not answered {missed} pings")

    def _call(self, road: Road, call: str, params: dict[str, Any], timeout_s: float | None = None) -> Raw:
        with self._lock:
            connection = self._roads.get(road)
        if connection is None:
            raise HypervisorUnavailable(reason="there is no connection to the simulator")
        return connection.call(call, params, self._call_timeout_s if timeout_s is None else timeout_s)

    # what there is

    def capabilities(self) -> HostCapabilities:
        """See ``Driver``."""
        return msgspec.json.decode(self._call("monitor", "capabilities", {}), type=HostCapabilities)

    def domains(self) -> list[Domain]:
        """See ``Driver``."""
        domains = []
        for raw in msgspec.json.decode(self._call("monitor", "domains", {}), type=list[Raw]):
            try:
                domains.append(msgspec.json.decode(raw, type=Domain))
            except msgspec.ValidationError as error:
                _log.warning("a domain of the simulator cannot be read and is left out: %s", error)
        return domains

    def domain(self, id: str) -> Domain:
        """See ``Driver``."""
        return msgspec.json.decode(self._call("monitor", "domain", {"id": id}), type=Domain)

    def stats(self) -> Sequence[VmStats]:
        """See ``Driver``."""
        return msgspec.json.decode(self._call("monitor", "stats", {}), type=list[VmStats])

    # what one may ask for

    def fence(self, id: str) -> None:
        """See ``Driver``."""
        self._call("command", "fence", {"id": id})

    def unusable_file(self, path: str) -> str | None:  # noqa: ARG002 - there are no files
        """See ``Driver``."""
        return None

    def define(self, definition: Definition) -> None:
        """See ``Driver``."""
        self._call("command", "define", {"id": definition.id, "definition": msgspec.to_builtins(definition)})

    def set_autostart(self, id: str, autostart: bool) -> None:
        """See ``Driver``."""
        self._call("command", "set_autostart", {"id": id, "autostart": autostart})

    def undefine(self, id: str) -> None:
        """See ``Driver``."""
        self._call("command", "undefine", {"id": id})

    def start(self, id: str, *, paused: bool) -> None:
        """See ``Driver``."""
        self._call("command", "start", {"id": id, "paused": paused})

    def ask_shutdown(self, id: str, way: ShutdownWay) -> None:
        """See ``Driver``."""
        self._call("command", "ask_shutdown", {"id": id, "way": str(way)})

    def ask_reboot(self, id: str, way: ShutdownWay) -> None:
        """See ``Driver``."""
        self._call("command", "ask_reboot", {"id": id, "way": str(way)})

    def destroy(self, id: str) -> None:
        """See ``Driver``."""
        self._call("rescue", "destroy", {"id": id})

    def reset(self, id: str) -> None:
        """See ``Driver``."""
        self._call("command", "reset", {"id": id})

    def suspend(self, id: str) -> None:
        """See ``Driver``."""
        self._call("command", "suspend", {"id": id})

    def resume(self, id: str) -> None:
        """See ``Driver``."""
        self._call("command", "resume", {"id": id})

    def screenshot(self, id: str, screen: int) -> tuple[str, bytes]:
        """See ``Driver``."""
        return "image/png", msgspec.json.decode(self._call("command", "screenshot", {"id": id, "screen": screen}), type=bytes)

    def open_serial(self, id: str, device_id: str, *, take_over: bool) -> socket.socket:
        """See ``Driver``; the connection to the world itself, which carries nothing else."""
        return open_stream(self._path, "open_serial", {"id": id, "device_id": device_id, "take_over": take_over}, self._call_timeout_s)

    def open_graphics(self, id: str) -> socket.socket:
        """See ``Driver``."""
        return open_stream(self._path, "open_graphics", {"id": id}, self._call_timeout_s)
