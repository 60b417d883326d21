"""F-16: a flipped bit or a missing end of any of the state's files is seen, whatever it hits; nothing is silently wrong.

``LIBVDSM_FLIPS`` (default 1000) is how many bits of each file are flipped, evenly spread; 0 flips them all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.journal.check import check, repair
from libvdsm.journal.database import Database
from libvdsm.journal.failures import StoreError, UnsoundStoreError
from libvdsm.journal.opening import open_sound
from libvdsm.journal.place import DATABASE, MARK, WAL, Place
from libvdsm.journal.wal import FRAME_HEADER_OCTETS, HEADER_OCTETS
from tests.faults.state_on_disk import FILES, Content, copy, fill, read_all

FLIPS = int(os.environ.get("LIBVDSM_FLIPS", "1000"))
TURNS = 12
FRAME = FRAME_HEADER_OCTETS + 4096


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory if there is one: thousands of stores are opened."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module", params=("in use", "closed"))
def source(request: pytest.FixtureRequest, memory: Path) -> Path:
    """A store as a kill leaves it, with its write-ahead log, and one as a clean end does."""
    folder, kept = memory / f"{request.param} source", memory / f"{request.param} kept"
    folder.mkdir()
    place = Place(folder)
    database = Database(open_sound(place, ManualClock()), place, ManualClock())
    fill(database, TURNS)
    if request.param == "in use":
        copy(folder, kept)
        used = HEADER_OCTETS + (database.acknowledged()[1] + 1) * FRAME
        os.truncate(kept / WAL, used)  # the rest is room kept ahead
        database.close()
    else:
        database.close()
        copy(folder, kept)
    return kept


def damaged(memory: Path, source: Path, name: str, octets: bytes | bytearray) -> Path:
    target = memory / "damaged"
    copy(source, target)
    (target / name).write_bytes(octets)
    return target


def outcome(folder: Path, whole: Content) -> str:
    """What became of a damaged store: right, refused, or set aside; fails if it is silently wrong."""
    try:
        found = read_all(folder)
    except StoreError as refusal:
        return "refused" if "vdsmd --check-state --repair" in str(refusal) else "refused by the disk"
    assert found.epoch == whole.epoch
    assert found.logs == whole.logs
    if found.records == whole.records:
        return "right"
    missing = {(kind, key) for kind, each in whole.records.items() for key in each} - {
        (kind, key) for kind, each in found.records.items() for key in each
    }
    assert found.quarantined == len(missing) > 0
    for kind, each in found.records.items():
        assert each.items() <= whole.records[kind].items()
    return "set aside"


def places(count: int, most: int) -> range:
    return range(0, count, max(1, count // most if most else 1) | 1)


@pytest.mark.timeout(600 if FLIPS else 36_000)
@pytest.mark.parametrize("name", FILES)
def test_f16_flipped_bits_are_never_silently_wrong(memory: Path, source: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each bit of each file: all is right, or the start is refused with what to do, or the record is set aside and counted."""
    if not (source / name).exists():
        assert (name, source.name) == (WAL, "closed kept")
        return
    whole = read_all(damaged(memory, source, MARK, (source / MARK).read_bytes()))
    octets = (source / name).read_bytes()
    bits = places(len(octets) * 8, FLIPS)
    seen: dict[str, int] = {}
    for bit in bits:
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        became = outcome(damaged(memory, source, name, flipped), whole)
        seen[became] = seen.get(became, 0) + 1
    with capsys.disabled():
        sys.stdout.write(f"\n{source.name} {name}: {len(bits)} of {len(octets) * 8} bits, stride {bits.step}: {seen}\n")
    assert seen.get("right", 0) > 0
    assert seen.keys() <= {"right", "refused", "set aside"}


@pytest.mark.timeout(600 if FLIPS else 36_000)
@pytest.mark.parametrize("name", (DATABASE, WAL))
def test_f16_truncated_files_are_never_silently_wrong(memory: Path, source: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each length of each file: all is right (the end was room kept ahead), or the start is refused."""
    if not (source / name).exists():
        return
    whole = read_all(damaged(memory, source, MARK, (source / MARK).read_bytes()))
    octets = (source / name).read_bytes()
    lengths = places(len(octets), FLIPS // 3)
    seen: dict[str, int] = {}
    for length in lengths:
        became = outcome(damaged(memory, source, name, octets[:length]), whole)
        seen[became] = seen.get(became, 0) + 1
    with capsys.disabled():
        sys.stdout.write(f"\n{source.name} {name}: {len(lengths)} of {len(octets)} lengths, stride {lengths.step}: {seen}\n")
    assert seen["refused"] > 0


@pytest.mark.parametrize("victim", (DATABASE, WAL))
def test_f16_a_lost_file_is_noticed(memory: Path, source: Path, victim: str) -> None:
    """Without its database or its log, a store is not begun anew as if nothing had been."""
    if not (source / victim).exists():
        return
    target = memory / "damaged"
    copy(source, target)
    (target / victim).unlink()
    with pytest.raises(UnsoundStoreError):
        read_all(target)


def test_f16_a_torn_tail_is_cut(memory: Path) -> None:
    """After a power cut the mark may be old: then a torn last transaction is none, and all before it are there."""
    folder, kept, torn = memory / "torn source", memory / "torn kept", memory / "torn"
    folder.mkdir()
    place = Place(folder)
    database = Database(open_sound(place, ManualClock()), place, ManualClock())
    fill(database, TURNS - 1)
    copy(folder, kept)
    before = read_all(kept)
    mark, (_, frames) = (folder / MARK).read_bytes(), database.acknowledged()
    fill(database, 1)
    (_, frames_after) = database.acknowledged()
    octets = (folder / WAL).read_bytes()
    database.close()
    for length in range(32 + frames * FRAME, 32 + frames_after * FRAME, 97):
        copy(folder, torn)
        (torn / WAL).write_bytes(octets[:length])
        (torn / MARK).write_bytes(mark)
        assert read_all(torn) == before


def test_f16_repair_keeps_all_that_is_sound(memory: Path, source: Path) -> None:
    """A flipped bit in the middle: the check names what is wrong, the repair saves the rest, and the store is served again."""
    whole = read_all(damaged(memory, source, MARK, (source / MARK).read_bytes()))
    name = WAL if (source / WAL).exists() else DATABASE
    octets = bytearray((source / name).read_bytes())
    place = octets.index(b"what happened 5")
    octets[place] ^= 4
    target = damaged(memory, source, name, octets)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    verdict = check(target)
    assert not verdict.is_sound
    assert {path.name: path.read_bytes() for path in target.iterdir() if path.name in before} == before
    repair(target)
    assert check(target).is_sound
    found = read_all(target)
    assert found.records == whole.records
    for log, records in found.logs.items():
        assert len(records) >= TURNS - 1
        assert [record for record in whole.logs[log] if record in records] == records
    (kept,) = target.glob("damaged-*")
    assert (kept / name).read_bytes() == octets
