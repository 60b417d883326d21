"""A plain caller for tests of faults: raw JSON-RPC over the unix socket, with events, and a pulse that measures pings."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from libvdsm.subsystems.virt.drivers.simulator_control import SimulatorControl
from tests.daemon_process import VdsmdProcess
from tests.lab.own_time import OwnTime

PATIENCE_S = 60.0
ENOUGH_PINGS = 50
#: So often the journal's end must be the same before it is believed.
ALIKE = 5


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: dict[str, Any] = error.get("data", {})
        self.error = str(self.data.get("error"))


class Caller:
    """One connection; calls one after the other, events kept."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        self._ids = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.follows_since = 0

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        """The result; raises ``RefusedError``."""
        id = next(self._ids)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}
        if options:
            message["meta"] = options
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        answer = self._receive()
        while answer.get("id") != id:
            answer = self._receive()
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        line = self._file.readline()
        assert line, "the daemon has closed the connection"
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Event.deliver":
            self.events.append(message["params"])
        return message

    def run(self, method: str, params: dict[str, Any], seconds: float = PATIENCE_S) -> dict[str, Any]:
        """An operation's task when it has ended."""
        task: dict[str, Any] = self.call(method, params, wait=seconds)["task"]
        return task

    def states(self) -> dict[str, str]:
        """The state of every virtual machine."""
        items = self.call("VM.list", {"fields": ["state"], "limit": 1000})["items"]
        return {item["id"]: item["state"] for item in items}

    def vm(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("VM.get", {"vmId": id})
        return found

    def condition(self, subsystem: str) -> str:
        """The state of a part of the daemon, as it says itself."""
        return {part["name"]: str(part["state"]) for part in self.call("Host.getInfo")["subsystems"]}.get(subsystem, "absent")

    def of_state(self, state: str) -> list[str]:
        """The ids of the virtual machines in this state."""
        return [id for id, found in self.states().items() if found == state]

    def await_(self, is_so: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
        """Look until it is so; the seconds that it took."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < patience_s, f"not within {patience_s} s: {what}"
            time.sleep(0.01)
        return time.monotonic() - began

    def heard(self, id: str) -> list[dict[str, Any]]:
        """The events of one object so far; an event is told when it is on disk, so the one of its present revision is waited for."""
        revision = self.vm(id)["revision"]
        self.await_(lambda: self._has_heard(id, revision), "what is recorded is told")
        return self._heard(id)

    def changes(self, id: str) -> list[dict[str, Any]]:
        """The same without those that made the object known."""
        return [event for event in self.heard(id) if event["change"] != "added"]

    def follow(self) -> None:
        """Hear of virtual machines from now on."""
        self.follows_since = int(self.call("Event.subscribe", {"topics": ["vm.#"]})["resume"].rpartition("-")[2])

    def _has_heard(self, id: str, revision: int) -> bool:
        self.call("Host.ping")
        return revision <= self.follows_since or self._last_heard(id) >= revision

    def _heard(self, id: str) -> list[dict[str, Any]]:
        return [delivery["event"] for delivery in self.events if delivery.get("event", {}).get("object", {}).get("id") == id]

    def _last_heard(self, id: str) -> int:
        return max((event["object"]["revision"] for event in self._heard(id)), default=0)


class Pulse:
    """Pings all the time on a connection of its own, and remembers how long each took."""

    def __init__(self, daemon: VdsmdProcess) -> None:
        self._caller = Caller(daemon.socket)
        self._daemon = daemon
        self._stop = threading.Event()
        self.took: list[float] = []
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(0.01):
                clock = OwnTime(lambda: (self._daemon.front,))
                self._caller.call("Host.ping")
                self.took.append(clock.seconds())
        except (AssertionError, OSError) as error:
            self._trouble = error

    def await_enough(self) -> None:
        """Go on after a fault that was short, until there is something to judge."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.took) < ENOUGH_PINGS and self._trouble is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._caller.close()

    def check(self) -> None:
        """99 of 100 pings took less than 100 ms, what they waited for a CPU aside, and none was lost."""
        assert self._trouble is None, f"a ping was lost: {self._trouble}"
        assert len(self.took) >= ENOUGH_PINGS, f"only {len(self.took)} pings were answered"
        assert sorted(self.took)[int(len(self.took) * 0.99)] < 0.1, f"slow pings: {sorted(self.took)[-5:]}"


@contextmanager
def calling(daemon: VdsmdProcess) -> Iterator[Caller]:
    """A caller that knows the daemon's present state."""
    caller = Caller(daemon.socket)
    try:
        yield caller
    finally:
        caller.close()


@contextmanager
def pulse(daemon: VdsmdProcess) -> Iterator[Pulse]:
    """Pings while the fault lasts; checked at its end."""
    beating = Pulse(daemon)
    try:
        yield beating
        beating.await_enough()
    finally:
        beating.stop()
    beating.check()


def world_control(daemon: VdsmdProcess) -> SimulatorControl:
    """A hand on the simulator's world of this daemon."""
    return SimulatorControl(daemon.socket.parent / "state" / "simulator" / "world.sock")
