"""Each row of the table of changes: what is done to a profile, and exactly what is found then."""

from __future__ import annotations

import pytest

from libvdsm.schema import load_api
from libvdsm.schema.diff import RULES, compare
from tests.unit.schema.diff.cases import Case, cases
from tests.unit.schema.diff.profiles import old, told, without_example


@pytest.mark.parametrize("case", tuple(cases()), ids=lambda case: "-".join(case.found[0]))
def test_a_change_is_found_and_nothing_else(case: Case) -> None:
    assert told(*case.edits) == set(case.found)


def test_an_example_that_is_gone_is_found() -> None:
    """A directory cannot lack it, for the language demands one; a compiled form can."""
    assert [(f.rule, f.path) for f in compare(old(), without_example(old(), "Thing.watch"))] == [("example-removed", "Thing.watch")]


def test_every_rule_has_a_case() -> None:
    assert {case.found[0][0] for case in cases()} | {"example-removed"} == set(RULES)


def test_a_profile_against_itself_shows_nothing() -> None:
    assert compare(old(), old()) == ()
    assert compare(load_api(), load_api()) == ()
