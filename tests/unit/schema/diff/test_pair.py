"""``vdsm-schema diff`` on a crafted pair reports every rule of the table, in exactly these words.

``pair/old`` is a sound profile, ``pair/new.json`` the compiled form of one with all edits of ``cases``. To accept new words, run
this module as a program and read the difference.
"""

from __future__ import annotations

import re

import pytest

from libvdsm.codegen.main import OK, WRONG, main
from libvdsm.schema import check, compiled, ir
from libvdsm.schema.diff import RULES, compare
from tests.unit.schema.diff.cases import cases
from tests.unit.schema.diff.profiles import OLD, PAIR, api, old, without_example

NEW = PAIR / "new.json"
EXPECTED = PAIR / "expected.txt"


def make_new() -> ir.Api:
    """The older profile with all edits, and an example less."""
    return without_example(api(*(edit for case in cases() for edit in case.edits)), "Thing.watch")


def test_the_older_profile_is_sound() -> None:
    assert check.checked(OLD, with_lock=False).digest == old().digest


def test_the_newer_profile_is_what_the_cases_make_of_it() -> None:
    assert NEW.read_text(encoding="utf-8") == compiled.encode(make_new())


def test_the_pair_reports_every_rule_with_class_path_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(OLD), str(NEW)]) == WRONG
    out = capsys.readouterr().out
    assert out == EXPECTED.read_text(encoding="utf-8")
    *lines, count = out.splitlines()
    found = [re.fullmatch(r"([BDS]) ([a-z-]+) ([\w.]+): .+", line) for line in lines]
    assert {(m[1], m[2]) for m in found if m} == {(rule.grade.value, name) for name, rule in RULES.items()}
    assert all(found)
    assert re.fullmatch(r"\d+ B, \d+ D, \d+ S", count)


@pytest.mark.parametrize("side", (OLD, NEW), ids=("directory", "compiled"))
def test_each_side_against_itself_reports_nothing(side: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(side), str(side)]) == OK
    assert capsys.readouterr().out == f"nothing changed for clients from {side} to {side}\n"


def _accept() -> None:
    NEW.write_text(compiled.encode(make_new()), encoding="utf-8")
    lines = [str(f) for f in compare(old(), compiled.load(NEW))]
    count = ", ".join(f"{sum(line.startswith(grade) for line in lines)} {grade}" for grade in "BDS")
    EXPECTED.write_text("\n".join([*lines, count]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _accept()
