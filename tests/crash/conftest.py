"""Tests with the argument ``case`` are run for every chosen one; the end of the run says how many, and the seed."""

from __future__ import annotations

from typing import Final

import pytest

from tests.crash.choice import NOTES, SEED, chosen

pytest.register_assert_rewrite("tests.crash.judge", "tests.crash.play", "tests.crash.traffic")

_PLAYED: Final[list[pytest.TestReport]] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", chosen(), ids=str)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count."""
    if report.when == "call" and "test_matrix.py::test_f01" in report.nodeid:
        _PLAYED.append(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many there were, and how they are had again."""
    if _PLAYED:
        good = sum(report.passed for report in _PLAYED)
        seconds = sum(report.duration for report in _PLAYED)
        terminalreporter.write_line(f"crash matrix: {good} of {len(_PLAYED)} cases green in {seconds:.0f} s; CRASH_SEED={SEED}")
    for note in NOTES:
        terminalreporter.write_line(note)
