"""Traffic whose every effect can be counted: clients with machines of their own, and what a model expects of the world.

A client sends only what its machine's state allows, waits for the end of each command, and notes what must have
happened. As nobody else has its machines, anything that was lost, done twice or made up shows as another count.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.caller import Caller, Command, Story


@dataclass(frozen=True)
class Act:
    """What a verb does to a machine, in the words of the world, and the state that it leaves."""

    verb: str
    effect: str
    then: str


#: By the machine's state. Machines go down by ``stop`` alone: a shutdown has its own time.
ACTS: Final[dict[str, Sequence[Act]]] = {
    "stopped": (Act("VM.start", "started booted", "running"), Act("VM.update", "defined updated", "stopped")),
    "running": (
        Act("VM.pause", "suspended paused", "paused"),
        Act("VM.stop", "stopped destroyed", "stopped"),
        Act("VM.reset", "reboot", "running"),
        Act("VM.update", "defined updated", "running"),
    ),
    "paused": (Act("VM.resume", "resumed unpaused", "running"), Act("VM.stop", "stopped destroyed", "stopped")),
}


@dataclass
class Expectation:
    """What must have befallen one machine; of what nobody knows, a count that it may have more."""

    state: str
    sure: Counter[str] = field(default_factory=Counter)
    perhaps: Counter[str] = field(default_factory=Counter)

    def note(self, act: Act, outcome: str) -> None:
        """A command has ended."""
        if outcome == "done":
            self.sure[act.effect] += 1
            self.state = act.then
        elif outcome == "OutcomeUnknown":
            self.perhaps[act.effect] += 1  # only verbs that leave the state as it is have no probe
        else:
            raise AssertionError(f"{act.verb} ended as {outcome} on a machine that is {self.state}")

    def check(self, befell: Counter[str]) -> None:
        """What has happened is what was told."""
        for effect in {*befell, *self.sure, *self.perhaps}:
            count, least = befell[effect], self.sure[effect]
            most = least + self.perhaps[effect]
            assert least <= count <= most, f"{effect}: {count} times, but {least} to {most} were told"


class Client:
    """One client in a thread of its own."""

    def __init__(self, socket: Path, machines: dict[str, str], seed: int, patience_s: float = 90.0) -> None:
        """``machines``: its own, with their states."""
        self.expected = {id: Expectation(state) for id, state in machines.items()}
        self.stories: list[Story] = []
        self.trouble: BaseException | None = None
        self._dice = random.Random(seed)
        self._caller = Caller(socket)
        self._patience_s = patience_s
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._halt.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """No new command; returns when the last one has ended."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(self._patience_s + 10)
            assert not self._thread.is_alive(), "a client does not come to an end"
        self._caller.close()
        if self.trouble is not None:
            raise self.trouble

    def _run(self) -> None:
        try:
            while not self._halt.is_set():
                self._one()
        except BaseException as trouble:  # noqa: BLE001 - told by ``halt``
            self.trouble = trouble

    def _one(self) -> None:
        id = self._dice.choice(sorted(self.expected))
        act = self._dice.choice(ACTS[self.expected[id].state])
        params: dict[str, Any] = {"vmId": id}
        if act.verb == "VM.update":
            params["config"] = {"metadata": {"crash.note": uuid.UUID(int=self._dice.getrandbits(128)).hex}}
        key = f"traffic-{self._dice.getrandbits(64):x}"
        command = Command(act.verb, params, key, METHODS[act.verb].kind == "operation")
        story = self._caller.finish(command, patience_s=self._patience_s)
        self.stories.append(story)
        self.expected[id].note(act, story.final.outcome)
