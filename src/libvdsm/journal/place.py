"""Where a store's files are, and who may have them open.

The front has given up its rights before it opens the store, and may search its working folder but not the folders above.
SQLite makes every path absolute and looks at each of its parts, which then fails. So a relative folder is opened through
``/proc/self/cwd``, which the kernel follows without looking at what is above, and SQLite is told not to resolve that link:
its call ``lstat`` is replaced by ``stat``, by the documented ``xSetSystemCall`` of its VFS.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libvdsm.journal.failures import BusyStoreError

_HERE: Final = Path("/proc/self/cwd")
#: The files of a store: what a backup of a stopped daemon consists of.
DATABASE: Final = "state.db"
WAL: Final = "state.db-wal"
WAL_INDEX: Final = "state.db-shm"
MARK: Final = "state.mark"
RESERVE: Final = "state.reserve"
LOCK: Final = "state.lock"
#: The store of all that is asked for; others stand beside it, and their files have their names.
STATE: Final = "state"


@dataclass(frozen=True, slots=True)
class Place:
    """A store's folder, and its name there."""

    folder: Path
    name: str = STATE

    @classmethod
    def at(cls, folder: Path, name: str = STATE) -> Place:
        """``folder``; a relative one needs no right to the folders above the working folder."""
        return cls(folder, name) if folder.is_absolute() or not _follows_links_of_proc() else cls(_HERE / folder, name)

    def file(self, name: str) -> Path:
        """One of its files: ``name`` is what that of the store ``state`` is called."""
        return self.folder / (name if self.name == STATE else name.replace(STATE, self.name, 1))

    def exists(self) -> bool:
        """Whether a store was ever here."""
        return self.file(DATABASE).exists() or self.file(WAL).exists() or self.file(MARK).exists()

    def sync(self) -> None:
        """Make the names of its files durable."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FolderLock:
    """Held by the one process that has the store open, until it closes it or ends."""

    def __init__(self, place: Place) -> None:
        """Raises ``BusyStoreError``."""
        self._descriptor = os.open(place.file(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise BusyStoreError(f"a daemon is using the state in {place.folder}") from None

    def release(self) -> None:
        """Let others open the store."""
        os.close(self._descriptor)


class _Vfs(ctypes.Structure):
    """The head of ``sqlite3_vfs``, version 3 (sqlite3.h)."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("methods", ctypes.c_void_p * 13),  # xOpen to xCurrentTimeInt64
        ("xSetSystemCall", ctypes.c_void_p),
    )


def _follows_links_of_proc() -> bool:
    """Tell this process's SQLite to leave links in paths to the kernel; ``False`` if it cannot be told."""
    try:
        library = ctypes.CDLL(sys.modules["_sqlite3"].__file__)
        find = library.sqlite3_vfs_find
        find.restype = ctypes.c_void_p
        address = find(None)
        stat = ctypes.CDLL(None).stat
        vfs = _Vfs.from_address(address)
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return False
    if vfs.iVersion < 3 or not vfs.xSetSystemCall or not _HERE.is_dir():  # noqa: PLR2004 - the version that has the call
        return False
    set_call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(vfs.xSetSystemCall)
    return int(set_call(address, b"lstat", ctypes.cast(stat, ctypes.c_void_p))) == sqlite3.SQLITE_OK
