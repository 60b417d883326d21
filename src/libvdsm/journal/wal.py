"""SQLite's write-ahead log, looked at before SQLite does.

SQLite takes the first frame that is unsound for the end of the log: right for a torn tail, but a single flipped bit in the
middle then silently loses every transaction behind it. Here such a log is told from a torn one. Format: SQLite's
"WAL-mode File Format", sections 1 and 2.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import Final

HEADER_OCTETS: Final = 32
FRAME_HEADER_OCTETS: Final = 24
_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC_LITTLE: Final = 0x377F0682  # its last bit tells the byte order of the checksums
_MAGIC_BIG: Final = 0x377F0683
_VERSION: Final = 3007000
_MASK: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class WalReport:
    """What a log holds."""

    salts: tuple[int, int] = (0, 0)  # of its header; zeros when it is empty
    page_octets: int = 0
    committed: int = 0  # frames up to the last sound commit
    later_commits: int = 0  # frames behind the first unsound one that commit a transaction of this log
    bad_frame: int = 0  # the first unsound one, counted from 1; 0 if the log just ends
    complaint: str = ""  # why it has lost what was acknowledged; empty if it has not

    @property
    def committed_octets(self) -> int:
        """How much of the file counts."""
        return HEADER_OCTETS + self.committed * (FRAME_HEADER_OCTETS + self.page_octets) if self.page_octets else 0


def examine(octets: bytes) -> WalReport:
    """Look at a whole log. Never raises: what is wrong is in the report."""
    if octets.count(0, 0, HEADER_OCTETS) == len(octets[:HEADER_OCTETS]):  # empty, or made room for and never written
        lost = octets.count(0) != len(octets)
        return WalReport(complaint="the head of its write-ahead log is gone" if lost else "")
    if len(octets) < HEADER_OCTETS:
        return WalReport()  # a torn head: nothing was ever committed to this log
    magic, version, page_octets, _, salt_1, salt_2, *head_sum = _HEADER.unpack_from(octets)
    is_known = magic in {_MAGIC_LITTLE, _MAGIC_BIG} and version == _VERSION
    is_little = magic == _MAGIC_LITTLE
    sums = _checksum(octets[: HEADER_OCTETS - 8], (0, 0), is_little=is_little)
    if not is_known or sums != tuple(head_sum):
        return WalReport(complaint="the head of its write-ahead log is unsound")
    return _Frames(octets, page_octets, (salt_1, salt_2), sums, is_little=is_little).report()


class _Frames:
    def __init__(self, octets: bytes, page_octets: int, salts: tuple[int, int], sums: tuple[int, int], *, is_little: bool) -> None:
        self._octets = octets
        self._page_octets = page_octets
        self._size = FRAME_HEADER_OCTETS + page_octets
        self._salts = salts
        self._sums = sums
        self._is_little = is_little
        self._count = (len(octets) - HEADER_OCTETS) // self._size

    def report(self) -> WalReport:
        committed = 0
        for number in range(1, self._count + 1):
            is_commit = self._is_sound(number)
            if is_commit is None:
                return self._ended(committed, number)
            if is_commit:
                committed = number
        return WalReport(self._salts, self._page_octets, committed)

    def _is_sound(self, number: int) -> bool | None:
        """Whether a frame commits; ``None`` when it is unsound or of an earlier log. Frames are asked for in order."""
        start = HEADER_OCTETS + (number - 1) * self._size
        page, commits, salt_1, salt_2, *told = _FRAME.unpack_from(self._octets, start)
        if (salt_1, salt_2) != self._salts or page == 0:
            return None
        sums = _checksum(self._octets[start : start + 8], self._sums, is_little=self._is_little)
        sums = _checksum(self._octets[start + FRAME_HEADER_OCTETS : start + self._size], sums, is_little=self._is_little)
        if sums != tuple(told):
            return None
        self._sums = sums
        return bool(commits)

    def _ended(self, committed: int, bad: int) -> WalReport:
        """A transaction is written once the one before is on disk: two commits at or behind the bad frame prove that one is lost."""
        commits = [number for number in range(bad, self._count + 1) if self._claims_commit(number)]
        later = [number for number in commits if number > bad]
        is_torn = self._claims_salts(bad) or bool(later)
        complaint = ""
        if len(commits) >= 2:  # noqa: PLR2004 - the one that was being written, and one that was acknowledged before it
            complaint = f"frame {bad} of its write-ahead log is unsound, and {len(later)} transactions stand behind it"
        return WalReport(self._salts, self._page_octets, committed, len(later), bad if is_torn else 0, complaint)

    def _claims_salts(self, number: int) -> bool:
        start = HEADER_OCTETS + (number - 1) * self._size
        return _FRAME.unpack_from(self._octets, start)[2:4] == self._salts

    def _claims_commit(self, number: int) -> bool:
        start = HEADER_OCTETS + (number - 1) * self._size
        _, commits, *salts_and_sums = _FRAME.unpack_from(self._octets, start)
        return bool(commits) and tuple(salts_and_sums[:2]) == self._salts


def _checksum(octets: bytes, sums: tuple[int, int], *, is_little: bool) -> tuple[int, int]:
    words = array("I", octets)
    if is_little != (sys.byteorder == "little"):
        words.byteswap()
    first, second = sums
    pairs = iter(words)
    for even, odd in zip(pairs, pairs, strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second


@dataclass(frozen=True, slots=True)
class Page:
    """What a frame says of the database."""

    number: int  # counted from 1
    octets: bytes
    pages_at_commit: int  # the size of the database if it commits; else 0


def salvage(octets: bytes) -> list[Page]:
    """All pages of sound frames up to the last commit, also behind frames that are unsound.

    A checksum continues the one before. Behind an unsound frame it is taken up again from what that frame tells or from what
    it holds, whichever the next frame agrees with, so one flipped bit costs one page.
    """
    if len(octets) < HEADER_OCTETS:
        return []
    magic, _, page_octets, _, salt_1, salt_2, *_ = _HEADER.unpack_from(octets)
    size = FRAME_HEADER_OCTETS + page_octets
    is_little = magic != _MAGIC_BIG
    candidates = {_checksum(octets[: HEADER_OCTETS - 8], (0, 0), is_little=is_little), _HEADER.unpack_from(octets)[6:]}
    pages: list[Page] = []
    end = 0
    for start in range(HEADER_OCTETS, len(octets) - size + 1, size):
        number, commits, *salts, sum_1, sum_2 = _FRAME.unpack_from(octets, start)
        if tuple(salts) != (salt_1, salt_2) and not _later_frames(octets[start + size :], size, (salt_1, salt_2)):
            break
        frame, told = octets[start : start + size], (sum_1, sum_2)
        computed = {_frame_sum(frame, sums, is_little=is_little) for sums in candidates}
        if told in computed:
            pages.append(Page(number, frame[FRAME_HEADER_OCTETS:], commits))
            end = len(pages) if commits else end
            candidates = {told}
        else:
            candidates = {told, *computed}
    return pages[:end]


def _frame_sum(frame: bytes, sums: tuple[int, int], *, is_little: bool) -> tuple[int, int]:
    return _checksum(frame[FRAME_HEADER_OCTETS:], _checksum(frame[:8], sums, is_little=is_little), is_little=is_little)


def _later_frames(octets: bytes, size: int, salts: tuple[int, int]) -> bool:
    """Whether the log goes on behind a frame that seems to be of another one."""
    places = range(0, len(octets) - size + 1, size)
    return any(_FRAME.unpack_from(octets, start)[2:4] == salts for start in places)
