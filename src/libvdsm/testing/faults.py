"""``LIBVDSM_FAULT=verb:point[:count],…``: the process that reaches the point stops itself there (SIGSTOP).

Whoever set the variable sees it in state ``T``, and kills it or lets it go on (SIGCONT). A fault fires ``count`` times
(1 if not given) in the life of one supervisor, through all restarts of its children; ``*`` stands for every verb.
``LIBVDSM_PACE=name=seconds,…`` changes members of the supervisor's ``Pace``, so that tests of hangs need not take minutes.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from libvdsm.base import faultpoints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PaceT = TypeVar("_PaceT", bound="DataclassInstance")

FAULT: Final = "LIBVDSM_FAULT"
PACE: Final = "LIBVDSM_PACE"
_MOST: Final = 255


@dataclass(frozen=True, slots=True)
class Fault:
    """Stop where ``verb`` reaches ``point``, so many times."""

    verb: str
    point: str
    count: int = 1


def parse(text: str) -> tuple[Fault, ...]:
    """The faults that ``text`` asks for; raises ``ValueError`` for anything else."""
    return tuple(_parse_one(word) for word in text.split(",") if word)


def _parse_one(word: str) -> Fault:
    verb, _, rest = word.partition(":")
    point, _, count = rest.partition(":")
    times = int(count or "1")
    if not verb or point not in faultpoints.POINTS or not 0 < times <= _MOST:
        reason = f"{word}: not verb:point[:count] with a point of {', '.join(faultpoints.POINTS)} and a count up to {_MOST}"
        raise ValueError(reason)
    return Fault(verb, point, times)


class Stopper:
    """The hook of ``base.faultpoints``. Children that are forked from its maker share what is left of each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._left = mmap.mmap(-1, max(1, len(faults)))  # anonymous and shared: forked children count in the same place
        self._places: dict[tuple[str, str], list[int]] = {}
        for index, fault in enumerate(faults):
            self._places.setdefault((fault.verb, fault.point), []).append(index)
            self._left[index] = fault.count

    def __call__(self, verb: str, point: str) -> None:
        """Stop this process, if that was asked for; goes on after SIGCONT."""
        if self._claim(verb, point):
            os.kill(os.getpid(), signal.SIGSTOP)

    def _claim(self, verb: str, point: str) -> bool:
        """Take one of what is left. A point is passed by one process at a time, so this needs no lock."""
        for index in (*self._places.get((verb, point), ()), *self._places.get(("*", point), ())):
            if self._left[index]:
                self._left[index] -= 1
                return True
        return False


def arm(environment: Mapping[str, str]) -> None:
    """Do in this process, and in what is forked from it, what ``LIBVDSM_FAULT`` asks for."""
    if environment.get(FAULT):
        faultpoints.set_hook(Stopper(parse(environment[FAULT])))


def paced(pace: _PaceT, environment: Mapping[str, str]) -> _PaceT:
    """``pace`` with what ``LIBVDSM_PACE`` changes; raises ``ValueError`` for a member that it does not have."""
    kinds = {field.name: type(getattr(pace, field.name)) for field in dataclasses.fields(pace)}
    changes = {}
    for word in filter(None, environment.get(PACE, "").split(",")):
        name, _, value = word.partition("=")
        if name not in kinds:
            reason = f"{PACE}: there is no {name}; members are {', '.join(kinds)}"
            raise ValueError(reason)
        changes[name] = kinds[name](value)
    return dataclasses.replace(pace, **changes)
