"""The dice of the tests of plans; the end of the run tells their seed, and ``LIBVDSM_PLAN_SEED`` repeats a run."""

from __future__ import annotations

import os
import random
from typing import Final

import pytest

SEED: Final = int(os.environ["LIBVDSM_PLAN_SEED"])


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Dice of the test's own, so that each can be repeated alone."""
    return random.Random(f"{SEED} {request.node.name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to repeat it."""
    terminalreporter.write_line(f"plans: LIBVDSM_PLAN_SEED={SEED}")
