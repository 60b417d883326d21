"""Records that are unsound are set aside with the reason, so that the rest can be served and nothing is destroyed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record in quarantine."""

    kind: str
    key: str
    reason: str


def set_aside(connection: sqlite3.Connection, at: float, kind: bytes, key: bytes, reason: str) -> bool:
    """Move a record; part of the present transaction. Whether it could be removed from where it was."""
    place = (kind, key)
    found = connection.execute("SELECT data FROM records WHERE kind = CAST(? AS TEXT) AND key = CAST(? AS TEXT)", place).fetchone()
    data = found[0] if found else None
    connection.execute("INSERT INTO quarantine (at, kind, key, data, reason) VALUES (?, ?, ?, ?, ?)", (at, *place, data, reason))
    removed = connection.execute("DELETE FROM records WHERE kind = CAST(? AS TEXT) AND key = CAST(? AS TEXT)", place)
    return removed.rowcount > 0


def in_quarantine(connection: sqlite3.Connection) -> list[SetAside]:
    """All of them, oldest first."""
    rows = connection.execute("SELECT kind, key, reason FROM quarantine ORDER BY number").fetchall()
    return [SetAside(_text(kind), _text(key), str(reason)) for kind, key, reason in rows]


def _text(octets: object) -> str:
    return octets.decode("utf-8", "backslashreplace") if isinstance(octets, bytes) else str(octets)
