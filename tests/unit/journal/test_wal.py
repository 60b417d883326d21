"""The write-ahead log is judged as SQLite writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from libvdsm.journal.wal import FRAME_HEADER_OCTETS, HEADER_OCTETS, examine, salvage

FRAME = FRAME_HEADER_OCTETS + 4096


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A log of six transactions."""
    path = tmp_path_factory.mktemp("wal") / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a, b)")
        for number in range(5):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, b"x" * 3000))
        return Path(f"{path}-wal").read_bytes()


def flipped(octets: bytes, place: int) -> bytes:
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]


def test_a_sound_log(log: bytes) -> None:
    """All frames count, whatever zeros stand behind."""
    report = examine(log)
    assert (report.committed, report.bad_frame, report.complaint) == ((len(log) - HEADER_OCTETS) // FRAME, 0, "")
    assert report.committed_octets == len(log)
    assert examine(log + bytes(10_000)).committed == report.committed
    assert len(salvage(log)) == report.committed


@pytest.mark.parametrize("octets", (b"", bytes(10), bytes(50_000)))
def test_an_empty_log(octets: bytes) -> None:
    """Nothing, or room that was made for it."""
    report = examine(octets)
    assert (report.committed, report.committed_octets, report.complaint) == (0, 0, "")


def test_a_torn_tail_is_no_complaint(log: bytes) -> None:
    """The last transaction was never acknowledged."""
    report = examine(log[: -FRAME // 2])
    assert report.complaint == ""
    assert 0 < report.committed < examine(log).committed
    assert examine(flipped(log, len(log) - 1)).complaint == ""


def test_an_unsound_middle_is_a_complaint(log: bytes) -> None:
    """What stands behind it was acknowledged; its other pages can be saved."""
    report = examine(flipped(log, HEADER_OCTETS + FRAME + 100))
    assert "frame 2 of its write-ahead log is unsound" in report.complaint
    assert len(salvage(flipped(log, HEADER_OCTETS + FRAME + 100))) == examine(log).committed - 1
    assert len(salvage(flipped(log, HEADER_OCTETS + FRAME + 20))) == examine(log).committed - 1


@pytest.mark.parametrize("place", range(HEADER_OCTETS))
def test_an_unsound_head_is_a_complaint(log: bytes, place: int) -> None:
    """Without it SQLite would forget the whole log."""
    assert examine(flipped(log, place)).complaint


def test_a_lost_head_is_a_complaint(log: bytes) -> None:
    """Zeros are an empty log only if nothing follows."""
    assert examine(bytes(HEADER_OCTETS) + log[HEADER_OCTETS:]).complaint


def test_frames_of_an_earlier_log_are_no_complaint(log: bytes) -> None:
    """A log that begins anew writes over its old frames; those behind have other salts."""
    old = bytearray(log)
    for start in range(HEADER_OCTETS + 3 * FRAME, len(log), FRAME):
        old[start + 8] ^= 0xFF
    report = examine(bytes(old))
    assert (report.complaint, report.bad_frame, report.committed) == ("", 0, 3)
