"""F-15: what was acknowledged survives a power cut and a kill at any instant.

``LIBVDSM_POWER_CUTS`` (default 20) and ``LIBVDSM_KILLS`` (default 50; 2000 in ``make test-all``) are how many.
``LIBVDSM_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.state_child import Child, look

CUTS = int(os.environ.get("LIBVDSM_POWER_CUTS", "20"))
KILLS = int(os.environ.get("LIBVDSM_KILLS", "50"))
SEED = int(os.environ["LIBVDSM_SEED"])
IMAGE_OCTETS = 24 * 1024 * 1024


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def copy_still(image: Path, copy: Path) -> None:
    """The image as the disk would hold it; the kernel may be at work on what it was asked for, so until it stands still."""
    octets, before = image.read_bytes(), b""
    while octets != before:
        octets, before = image.read_bytes(), octets
    copy.write_bytes(octets)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where images lie: in memory if it can be, because they are copied many times."""
    if os.geteuid() != 0:
        pytest.skip("a file system in a file can be mounted by root only")
    return tmp_path


@pytest.mark.timeout(300 + CUTS * 5)
def test_f15_acknowledged_transactions_survive_a_power_cut(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies of the disk, taken at random instants of writing, hold all that was acknowledged, and no half transaction."""
    chance = random.Random(SEED)
    image = disk / "disk.img"
    with image.open("wb") as made:
        made.truncate(IMAGE_OCTETS)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    beyond = 0
    with mounted(image, disk / "mounted") as folder, Child(folder) as child:
        child.wait_for(1)
        for number in range(CUTS):
            time.sleep(chance.uniform(0.0, 0.03))  # the instant itself is what is tried
            child.stop()
            child.hear()
            # Each has a name of its own: what another test unshares meanwhile keeps it mounted, and the kernel would take the next for the same.
            cut = disk / f"cut-{number}.img"
            copy_still(image, cut)
            with mounted(cut, disk / "after") as after:
                beyond += look(after, child.acknowledged) - child.acknowledged
            cut.unlink()
            child.go_on()
    with capsys.disabled():
        sys.stdout.write(f"\n{CUTS} power cuts, seed {SEED}: {child.acknowledged} transactions acknowledged, {beyond} more found\n")
    assert child.acknowledged > 0


@pytest.mark.timeout(300 + KILLS * 2)
def test_f15_acknowledged_transactions_survive_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed at any instant and started again, many times over: nothing acknowledged is missing, nothing is half."""
    chance = random.Random(SEED)
    acknowledged, epochs = 0, set()
    for _ in range(KILLS):
        with Child(tmp_path) as child:
            child.wait_for(acknowledged + 1)
            time.sleep(chance.uniform(0.0, 0.02))
            child.kill()
            found = look(tmp_path, child.acknowledged)
            acknowledged = max(found, child.acknowledged)
            epochs.add(child.words[0].split()[2])
    with capsys.disabled():
        sys.stdout.write(f"\n{KILLS} kills, seed {SEED}: {acknowledged} transactions\n")
    assert len(epochs) == 1


def test_f15_a_stop_is_no_loss(tmp_path: Path) -> None:
    """Asked to end, or left alone, it ends with all written back and no log behind."""
    with Child(tmp_path, "50") as child:
        assert child.wait() == 0
    assert child.acknowledged == 50
    assert not (tmp_path / "state.db-wal").exists()
    assert look(tmp_path, 50) == 50
