"""How far the store has come, noted beside it: a lower bound that shows when acknowledged transactions are gone.

It is written after the transaction is on disk and never waits for the disk itself, so after a power cut it may be old,
which is harmless. A mark that is itself unsound says nothing.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from zlib import crc32

_FORM = struct.Struct("<8sQIIQ")
_SUM = struct.Struct("<I")
_NAME: Final = b"vdsmmark"


@dataclass(frozen=True, slots=True)
class Mark:
    """At least so much was acknowledged."""

    commits: int
    salts: tuple[int, int] = (0, 0)  # of the write-ahead log; zeros after a clean end, when there is none
    frames: int = 0  # committed in that log

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The mark, if there is a sound one."""
        try:
            octets = path.read_bytes()
        except FileNotFoundError:
            return None
        if len(octets) != _FORM.size + _SUM.size or _SUM.pack(crc32(octets[: _FORM.size])) != octets[_FORM.size :]:
            return None
        name, commits, salt_1, salt_2, frames = _FORM.unpack_from(octets)
        return cls(commits, (salt_1, salt_2), frames) if name == _NAME else None

    def octets(self) -> bytes:
        """Its form in the file."""
        head = _FORM.pack(_NAME, self.commits, *self.salts, self.frames)
        return head + _SUM.pack(crc32(head))


class MarkFile:
    """The file of the mark, overwritten in place."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def write(self, mark: Mark) -> None:
        """Note it; raises ``OSError``."""
        os.pwrite(self._descriptor, mark.octets(), 0)

    def close(self) -> None:
        """Done with it."""
        os.close(self._descriptor)


class WalIndex:
    """The index of the write-ahead log that SQLite shares: how many frames are committed (section 2.1 of its format).

    Its descriptor stays open as long as the store: closing it would give up SQLite's own locks on the file.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def read(self) -> tuple[tuple[int, int], int]:
        """The log's salts and the number of its committed frames."""
        octets = os.pread(self._descriptor, 48, 0)
        (frames,) = struct.unpack_from("=I", octets, 16)  # native order; the salts are kept as the log has them
        first, second = struct.unpack_from(">II", octets, 32)
        return (first, second), frames

    def close(self) -> None:
        """Done with it; only once SQLite is."""
        os.close(self._descriptor)
