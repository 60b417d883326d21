"""The program ``vdsmsh``."""

from __future__ import annotations

import sys
from typing import Final

_NEEDED: Final = frozenset({"click", "rich"})


def main() -> int:
    """Run the command line of this process; the result is its exit code."""
    try:
        from libvdsm.cli.shell import run
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.stderr.write("vdsmsh needs click and rich: pip install 'libvdsm[shell]'\n")
        return 1
    return int(run(sys.argv[1:]))
