"""Which cases a run plays, and what it says at its end.

``CRASH_MATRIX=all``: every one. ``CRASH_CASE=verb:point:victim``: this one (several with commas; ``*`` and ``?`` stand for
anything). ``CRASH_SEED=n``: the sample and the kills of a former run. Else a sample of 40, whose seed is printed.
"""

from __future__ import annotations

import fnmatch
import os
from typing import Final

from tests.crash.cases import Case, every_case, sample

SAMPLE: Final = 40
#: In the environment, so that every process of a run has the same.
SEED: Final = int(os.environ["CRASH_SEED"])  # made by tests.seeds
#: Lines for the end of the run.
NOTES: Final[list[str]] = []


def chosen() -> list[Case]:
    """The cases of this run."""
    wanted = os.environ.get("CRASH_CASE")
    if wanted:
        patterns = wanted.split(",")
        found = [case for case in every_case() if any(fnmatch.fnmatchcase(str(case), pattern) for pattern in patterns)]
        if not found:
            raise ValueError(f"CRASH_CASE={wanted}: there is no such case")
        return found
    if os.environ.get("CRASH_MATRIX") == "all":
        return list(every_case())
    return sample(SEED, SAMPLE)
