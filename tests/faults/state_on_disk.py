"""Stores for the tests of a damaged disk: how they are filled, copied while they are in use, and read back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from libvdsm.interfaces.store import Logged
from libvdsm.journal.database import Database
from libvdsm.journal.place import DATABASE, MARK, WAL
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.turns import Turn

KINDS = ("document", "task", "grant")
LOGS = ("event", "audit")
FILES = (DATABASE, WAL, MARK)


@dataclass
class Content:
    """What a store holds."""

    epoch: str
    records: dict[str, dict[str, bytes]] = field(default_factory=dict)
    logs: dict[str, list[Logged]] = field(default_factory=dict)
    quarantined: int = 0


def fill(database: Database, turns: int) -> None:
    """So many transactions, each with a record, perhaps a removal, and a record of each log."""
    for number in range(turns):
        turn = Turn()
        kind = KINDS[number % len(KINDS)]
        turn.records[kind, f"key-{number % 7}"] = b"value %d " % number * 3
        if number % 5 == 4:
            turn.records[KINDS[0], "key-0"] = None
        for log in LOGS:
            turn.logged[log] = [Logged(database.span(log)[1] + 1, 1_767_225_600.0 + number, b"what happened %d" % number)]
        database.apply([turn])


def read_all(folder: Path) -> Content:
    """All of a store, as the daemon reads it at its start and for those who resume far back; raises ``StoreError``."""
    store = SqliteStore.open(folder, reserve_octets=0)
    try:
        content = Content(store.epoch)
        for kind in sorted({*KINDS, *store.kinds()}):
            content.records[kind] = dict(store.load(kind))
        for log in LOGS:
            content.logs[log] = list(store.tail(log, 10_000, 10**9))
        content.quarantined = store.health().quarantined
    finally:
        store.close_now()
    return content


def copy(source: Path, target: Path) -> None:
    """The files of a store as they are now, and nothing else, in ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
