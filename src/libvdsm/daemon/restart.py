"""When a process that ended is started again. Pure: time comes in as an argument."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

#: Exit status of a worker that cannot reach its hypervisor (EX_TEMPFAIL): restarted soon, and no crash.
UNREACHABLE = 75


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a supervisor, in seconds."""

    first_s: float = 0.1  # the first delay; each crash doubles it
    limit_s: float = 30.0
    unreachable_limit_s: float = 2.0  # the longest delay after ``UNREACHABLE``
    healthy_s: float = 60.0  # who ran so long begins at ``first_s`` again
    crashes: int = 5  # so many crashes ...
    window_s: float = 60.0  # ... within this time, and it is held down
    held_s: float = 30.0  # the delay while held down
    look_s: float = 1.0  # between two looks at the heartbeats
    degraded_s: float = 5.0  # without a heartbeat: the front is told
    hung_s: float = 30.0  # without a heartbeat: killed
    front_stop_s: float = 20.0  # to flush and end when asked
    worker_stop_s: float = 5.0  # to end after the front has
    world_stop_s: float = 3.0  # the same for the simulator's world
    head_start_s: float = 0.4  # workers begin when the front answers calls, at the latest after this


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an ending."""

    delay_s: float
    is_held: bool = False


def fraction() -> float:
    """A random number from 0 to 1."""
    return int.from_bytes(os.urandom(2), "big") / 0xFFFF


class RestartPolicy:
    """Remembers the endings of one program."""

    def __init__(self, pace: Pace, jitter: Callable[[], float] = fraction) -> None:
        """``jitter`` gives 0 to 1: how much of a quarter is taken off each delay."""
        self._pace = pace
        self._jitter = jitter
        self._crashes: list[float] = []
        self._steps = 0
        self._unreachable_steps = 0
        self._is_held = False

    def ended(self, now: float, ran_s: float, exit_status: int | None) -> Verdict:
        """It ended at ``now`` after ``ran_s``; ``exit_status`` is ``None`` if a signal killed it."""
        pace = self._pace
        if ran_s >= pace.healthy_s:
            self._steps = self._unreachable_steps = 0
            self._crashes.clear()
            self._is_held = False
        if exit_status == UNREACHABLE:
            self._unreachable_steps += 1
            return Verdict(self._delay(self._unreachable_steps, pace.unreachable_limit_s))
        self._steps += 1
        self._crashes = [at for at in self._crashes if at > now - pace.window_s] + [now]
        self._is_held = self._is_held or len(self._crashes) >= pace.crashes
        if self._is_held:
            return Verdict(pace.held_s, is_held=True)
        return Verdict(self._delay(self._steps, pace.limit_s))

    def _delay(self, steps: int, limit_s: float) -> float:
        nominal = min(limit_s, self._pace.first_s * 2.0 ** min(steps - 1, 30))
        return nominal * (1 - self._jitter() / 4)
