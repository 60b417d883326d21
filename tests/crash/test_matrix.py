"""Every mutating verb × every fault point × every victim (F-01, F-02, F-03): never lost, never twice.

Which cases are played is told in ``choice``; ``make crash-matrix`` plays all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.base.faultpoints import POINTS
from libvdsm.bridge.deeds import is_deed
from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.cases import VICTIMS, Case, every_case, mutating, points_of, sample
from tests.crash.play import play
from tests.crash.scenarios import SCENARIOS


def test_every_mutating_verb_has_a_scenario() -> None:
    """Whoever adds a verb says here how it is tried; nothing else needs to be said."""
    assert set(SCENARIOS) == set(mutating())


def test_every_point_and_every_victim_is_in_the_matrix() -> None:
    cases = list(every_case())
    assert {point for case in cases for point in case.points} == set(POINTS)
    assert {case.victim for case in cases} == set(VICTIMS)
    for verb in mutating():
        reached = {case.points for case in cases if case.verb == verb}
        assert reached == set(points_of(METHODS[verb]))
        assert bool(reached) == is_deed(METHODS[verb]), f"{verb} is journalled, or has nothing to recover"
        if METHODS[verb].subsystem != "front":
            assert {(point,) for point in POINTS if point != "in_recovery"} <= reached
    assert len({str(case) for case in cases}) == len(cases)
    assert [Case.parse(str(case)) for case in cases] == cases


def test_a_sample_is_the_same_for_the_same_seed_and_has_every_verb() -> None:
    assert sample(7, 40) == sample(7, 40) != sample(8, 40)
    assert {case.verb for case in sample(7, 40)} == {case.verb for case in every_case()}


@pytest.mark.timeout(300)
def test_f01_f02_f03_crash(case: Case, tmp_path: Path) -> None:
    """The command ends in exactly one way, has its effect once, and everybody is told the same of it."""
    play(case, tmp_path)
