"""F-14: after a failed write or sync nothing is trusted: what was not acknowledged is not there, and what was, is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.faults.state_child import Child, look


def strace(*injections: str) -> list[str]:
    program = shutil.which("strace")
    assert program is not None, "strace makes system calls fail (make setup installs it)"
    injected = [f"--inject={each}" for each in injections]
    calls = ",".join(sorted({each.split(":")[0] for each in injections}))
    return [program, "-f", "-qq", "-o", "/dev/null", f"--trace={calls}", *injected]


@pytest.mark.parametrize("injection", ("fdatasync:error=EIO:when=12", "fsync,fdatasync:error=EIO:when=15", "pwrite64:error=EIO:when=60"))
def test_f14_a_failed_write_is_never_acknowledged(tmp_path: Path, injection: str) -> None:
    """What waits is refused, the store says so once, and what is found afterwards is exactly what was acknowledged."""
    with Child(tmp_path, "400", under=strace(injection)) as child:
        assert child.wait(90) == 0
    refused = [int(found[1]) for word in child.words if (found := re.match(r"refused (\d+) StateUnavailable", word))]
    assert "breakdown" in child.words
    assert refused
    assert 0 < child.acknowledged < min(refused)
    assert look(tmp_path, child.acknowledged) == child.acknowledged


def test_f14_a_disk_that_stays_broken_is_no_loop(tmp_path: Path) -> None:
    """A store whose disk takes nothing any more is opened, read, and refuses at once; the next life has all."""
    with Child(tmp_path, "20") as child:
        child.wait()
    with Child(tmp_path, "20", under=strace("fsync,fdatasync:error=EIO")) as broken:
        assert broken.wait(90) == 0
    assert broken.words[0].startswith("open 20 ")
    assert broken.acknowledged == 0
    assert look(tmp_path, 20) == 20
