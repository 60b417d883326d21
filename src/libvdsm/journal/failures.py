"""Why a store cannot be opened. Each says what a person can do."""

from __future__ import annotations

import sqlite3
from typing import Final

#: What to do about an unsound store.
REMEDY: Final = "stop the daemon and run vdsmd --check-state, then vdsmd --check-state --repair"


#: What reading a damaged database raises: SQLite's own words may then be no text, and a number may be another kind of value.
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, TypeError)


class StoreError(Exception):
    """The store cannot be opened; ``str()`` says why."""


class UnsoundStoreError(StoreError):
    """What was acknowledged once cannot be read any more."""

    def __init__(self, found: str) -> None:
        super().__init__(f"the state is unsound: {found}; {REMEDY}")
        self.found = found


class BusyStoreError(StoreError):
    """Another process has the store open."""


class TooNewStoreError(StoreError):
    """A later version of the daemon has written it."""
