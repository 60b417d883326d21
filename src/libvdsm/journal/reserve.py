"""Room on the disk that is kept for the day when there is none.

It is given up in two halves: the first lets what is under way be recorded, the second only deletions and what tells of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Reserve:
    """A preallocated file."""

    def __init__(self, path: Path, octets: int) -> None:
        self._path = path
        self._octets = octets
        self.given_up = 0  # halves

    def make(self) -> bool:
        """Take all of the room, if it is there with as much again to work in. Raises ``OSError`` other than for a lack of room."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            held = os.fstat(descriptor).st_blocks * 512
            system = os.fstatvfs(descriptor)
            wanted = max(0, self._octets - held) + self._octets // 4
            if system.f_bavail * system.f_frsize < wanted:
                return False
            if self._octets:
                os.posix_fallocate(descriptor, 0, self._octets)
            os.fsync(descriptor)
        except OSError as failure:
            if failure.errno not in _NO_ROOM:
                raise
            return False
        finally:
            os.close(descriptor)
        self.given_up = 0
        return True

    def give_up(self, *, all: bool) -> bool:
        """Let a half of it go, or ``all``; whether there was anything to let go."""
        halves = 2 if all else 1
        if self.given_up >= halves or not self._octets:
            return False
        self.given_up = halves
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self._path, self._octets * (2 - halves) // 2)
        return True


def take_ahead(path: Path, octets: int) -> None:
    """Have the blocks of a file that will be written over again and again, if that can be."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(descriptor, 0, octets)
        finally:
            os.close(descriptor)
