"""Every case of the crash matrix, made from the schema: verbs × points × victims. Nothing here is listed by hand.

A case is written ``verb:point:victim``; ``in_recovery`` has a first crash to recover from: ``verb:after_effect+in_recovery:victim``.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from libvdsm.base.faultpoints import POINTS
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.method import MethodEntry

VICTIMS: Final = ("front", "worker", "supervisor", "all")
#: Points that the worker passes; the others are the front's.
OF_WORKER: Final = frozenset({"after_call", "after_effect"})
#: There are two things to find out in recovery: that there was no effect, and that there was one.
FIRST_CRASHES: Final = ("after_journal", "after_effect")


@dataclass(frozen=True)
class Case:
    """One crash, or two of which the second hits the recovery from the first."""

    verb: str
    points: tuple[str, ...]
    victim: str

    def __str__(self) -> str:
        return f"{self.verb}:{'+'.join(self.points)}:{self.victim}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case that is written so."""
        verb, points, victim = text.split(":")
        return cls(verb, tuple(points.split("+")), victim)

    def faults(self, crashes: int) -> str:
        """``LIBVDSM_FAULT`` after so many crashes of this case."""
        return ",".join(f"{self.verb}:{point}" for point in self.points[crashes:])


def mutating() -> Sequence[str]:
    """Every verb that changes something."""
    return [name for name, entry in METHODS.items() if entry.kind != "query"]


def points_of(entry: MethodEntry) -> Sequence[tuple[str, ...]]:
    """The points, or pairs of them, at which a verb can be stopped."""
    if "NeedsConnection" in entry.errors:
        return ()  # what it does is its connection's and ends with it: it leaves nothing to recover
    alone = [point for point in POINTS if point != "in_recovery"]
    if entry.subsystem == "front":
        # It is one transaction of the front: no worker passes its points, and there is no open intent that could be recovered.
        return [(point,) for point in alone if point not in OF_WORKER]
    return [*((point,) for point in alone), *((first, "in_recovery") for first in FIRST_CRASHES if entry.probe != "none")]


def every_case() -> Iterator[Case]:
    """The matrix."""
    for verb in mutating():
        for points, victim in itertools.product(points_of(METHODS[verb]), VICTIMS):
            yield Case(verb, points, victim)


def sample(seed: int, count: int) -> list[Case]:
    """Some cases at random: each verb once as far as they go, then any."""
    dice = random.Random(seed)
    cases = list(every_case())
    dice.shuffle(cases)
    first = {case.verb: case for case in reversed(cases)}
    chosen = [*first.values(), *(case for case in cases if case is not first[case.verb])]
    return chosen[:count]
