"""The seeds of all that is picked at random in a run: made once for all its processes, and printed at its head.

Set one in the environment to have a former run again.
"""

from __future__ import annotations

import os
import random
from typing import Final

#: What each seed is for.
NAMES: Final = {
    "CRASH_SEED": "cases of the crash matrix, and kills",
    "LIBVDSM_SEED": "power cuts and swaps of certificates",
    "LIBVDSM_PLAN_SEED": "calls whose plans are compared with them",
    "LIBVDSM_MATRIX_SEED": "calls of the matrix of rights",
}


def make() -> None:
    """Give every seed that is not set a value of chance, for this process and all that it starts."""
    for name in NAMES:
        os.environ.setdefault(name, str(random.SystemRandom().randrange(1, 2**32)))


def told() -> str:
    """All of them, as they are set."""
    return " ".join(f"{name}={os.environ[name]}" for name in NAMES)
