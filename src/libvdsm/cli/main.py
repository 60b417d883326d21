"""The program ``vdsmsh``."""

from __future__ import annotations

import os
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
    code = int(run(sys.argv[1:]))
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # what could not be written must not be tried again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
