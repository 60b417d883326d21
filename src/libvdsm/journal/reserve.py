"""Room on the disk that is kept for the day when there is none.

It is given up piece by piece, each just before the database grows by it. The first half lets what is under way be recorded,
the second only deletions and what tells of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

#: So little room is none: whoever else writes to the disk may take it at any moment.
LITTLE_OCTETS: Final = 256 * 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Reserve:
    """A preallocated file."""

    def __init__(self, path: Path, octets: int) -> None:
        self._path = path
        self._octets = octets

    def left(self, *, all: bool) -> int:
        """Octets that can be given up: of the first half, or of ``all``."""
        try:
            held = min(self._path.stat().st_blocks * 512, self._octets)
        except OSError:
            return 0
        return held if all else max(0, held - self._octets // 2)

    def free(self) -> int:
        """Octets that the file system has beside; raises ``OSError``."""
        system = os.statvfs(self._path.parent)
        return system.f_bavail * system.f_frsize

    def missing(self) -> int:
        """Octets that must be free to make it: what it lacks, and some to work in beside."""
        return self._octets - self.left(all=True) + max(self._octets // 4, 2 * LITTLE_OCTETS)

    def make(self) -> bool:
        """Take all of it, if it is there with room to work in beside. Raises ``OSError`` other than for a lack of room."""
        if self.free() < self.missing():
            return False
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if self._octets:
                os.posix_fallocate(descriptor, 0, self._octets)
            os.fsync(descriptor)
        except OSError as failure:
            if failure.errno not in _NO_ROOM:
                raise
            return False
        finally:
            os.close(descriptor)
        return True

    def give_up(self, octets: int) -> None:
        """Let so much of it go."""
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self._path, max(0, self._path.stat().st_size - octets))


def take_ahead(path: Path, octets: int) -> None:
    """Have the blocks of a file that will be written over again and again, if that can be."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(descriptor, 0, octets)
        finally:
            os.close(descriptor)
