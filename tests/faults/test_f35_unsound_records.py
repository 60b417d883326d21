"""F-35: one bad record of each kind, and one that no step to a new format understands: set aside, the rest served."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from libvdsm.access.roles import Roles
from libvdsm.base.clock import ManualClock
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intents
from libvdsm.inventory.objects import Objects
from libvdsm.journal.check import check
from libvdsm.journal.checksums import record_sum
from libvdsm.journal.database import Database
from libvdsm.journal.failures import TooNewStoreError, UnsoundStoreError
from libvdsm.journal.opening import open_sound, set_meta
from libvdsm.journal.place import DATABASE, Place
from libvdsm.journal.recorder import Recorder
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.stored import StoredDocuments, StoredJournal
from libvdsm.journal.tables import STEPS, Step, create
from libvdsm.journal.turns import Turn
from libvdsm.tasks.tasks import Tasks

KINDS = ("document", "task", "answer", "identity", "grant")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with ten records of each kind."""
    place = Place(tmp_path)
    database = Database(open_sound(place, ManualClock()), place, ManualClock())
    database.apply([Turn({(kind, f"{kind}-{number}"): b"%d" % number for kind in KINDS for number in range(10)})])
    database.close()
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_f35_one_bad_record_is_set_aside(folder: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, logged by name and kept; the next start is clean."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("UPDATE records SET data = x'00' WHERE kind = ? AND key = ?", (kind, f"{kind}-4"))
    store = SqliteStore.open(folder)
    assert len(store.load(kind)) == 9
    assert f"{kind}-4" not in store.load(kind)
    assert store.health().quarantined == 1
    assert all(len(store.load(other)) == 10 for other in KINDS if other != kind)
    store.close_now()
    assert f"{kind}-4" in caplog.text
    verdict = check(folder)
    assert verdict.is_sound
    assert any(f"key {kind}-4" in note for note in verdict.notes)
    again = SqliteStore.open(folder)
    assert len(again.load(kind)) == 9
    assert again.health().quarantined == 1
    again.close_now()


@pytest.mark.parametrize(
    "statement",
    (
        "DELETE FROM records WHERE key = 'task-4'",
        "UPDATE records SET kind = 'other' WHERE key = 'task-4'",
        "INSERT INTO records VALUES ('task', 'task-11', x'00', 1)",
    ),
)
def test_f35_a_lost_record_cannot_be_set_aside(folder: Path, statement: str) -> None:
    """What is missing has no name any more: the start is refused, nothing is served as if it had never been."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(statement)
    store = SqliteStore.open(folder)
    with pytest.raises(UnsoundStoreError, match="records of kind task"):
        store.load("task")
    store.close_now()


def convert(key: str, data: bytes) -> bytes:
    """The new form of a record; one of them has no sense."""
    if key == "task-4":
        raise ValueError("a task without a method")
    return b"new " + data


def test_f35_a_step_to_a_new_format_sets_aside_what_it_does_not_understand(folder: Path) -> None:
    """The others are converted, the store of before is kept beside, and the step is taken once."""
    steps = (*STEPS, Step(("ALTER TABLE quarantine ADD COLUMN note TEXT",), {"task": convert}))
    for _ in range(2):
        store = SqliteStore.open(folder, steps=steps)
        tasks = store.load("task")
        assert len(tasks) == 9
        assert tasks["task-5"] == b"new 5"
        assert store.load("grant")["grant-5"] == b"5"
        assert store.health().quarantined == 1
        store.close_now()
    with closing(sqlite3.connect(folder / "state-format-2.db")) as before:
        assert before.execute("SELECT count(*), max(data) FROM records WHERE kind = 'task'").fetchone() == (10, b"9")
    with pytest.raises(TooNewStoreError, match="format 3"):
        SqliteStore.open(folder)


def test_f35_the_first_format_is_brought_up(tmp_path: Path) -> None:
    """A store of format 1 had no totals: they are counted once, and hold from then on."""
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        create(connection)
        connection.execute("INSERT INTO records VALUES ('task', 'a', x'61', ?)", (record_sum("task", "a", b"a"),))
        set_meta(connection, "epoch", "0123456789abcdef")
        set_meta(connection, "format", "1")
    store = SqliteStore.open(tmp_path)
    assert store.load("task") == {"a": b"a"}
    assert store.epoch == "0123456789abcdef"
    store.close_now()
    assert check(tmp_path).is_sound


def recorder(store: SqliteStore) -> Recorder:
    return Recorder(StoredJournal(store, ManualClock()), ManualClock())


ROLE = '{"name":"%s","summary":"Made here.","permissions":[],"builtIn":false}'
INTENT = '{"id":"%s","method":"VM.pause","params":{},"actor":{"identity":"user:a","source":"token","address":"192.0.2.1"},"begun_at":1,"timeout":5}'
TASK = (
    '{"number":1,"created_at":1,"ended_at":null,"document":{"id":"%s","method":"VM.start","state":"running","identity":"user:a","revision":1,'
    '"subsystem":"virt","progress":{"value":0,"unit":"percent"},"cancellable":true,"createdAt":"2026-01-01T00:00:00Z"}}'
)

#: A sound record of each kind, and who serves those records: what he has after a start.
ROOMS: dict[str, tuple[str, Callable[[SqliteStore], int]]] = {
    "answer": (
        '{"at":1,"digest":"%s","method":"VM.pause","result":{}}',
        lambda store: len(Answers(ManualClock(), store, lambda _id: None)),
    ),
    "document": ('1\n{"name":"%s"}', lambda store: sum(StoredDocuments(store).get("vm", name) is not None for name in "abc")),
    "intent": (INTENT, lambda store: len(Intents(store))),
    "object.vm": ('{"id":"%s","revision":1}', lambda store: len(Objects("vm", recorder(store), str, store))),
    "role": (ROLE, lambda store: sum(not role.built_in for role in Roles(store).all())),
    "task": (TASK, lambda store: len(list(Tasks(recorder=recorder(store), clock=ManualClock(), store=store)))),
}


@pytest.mark.parametrize("kind", ROOMS)
@pytest.mark.parametrize("damage", (b"", b"{}", b"[1", b'{"number":"one","id":7}', b"\xff\n{}"))
def test_f35_a_sound_record_that_cannot_be_understood_is_set_aside(tmp_path: Path, kind: str, damage: bytes) -> None:
    """As an earlier or a later version may have left it. The daemon starts, serves the others, and says so once."""
    sample, serve = ROOMS[kind]
    place = Place(tmp_path)
    database = Database(open_sound(place, ManualClock()), place, ManualClock())
    keys = {name: f"vm/{name}" if kind == "document" else name for name in "abc"}
    records = {(kind, key): (sample % name).encode() for name, key in keys.items()}
    database.apply([Turn({**records, (kind, keys["b"]): damage})])
    database.close()
    for _ in range(2):
        store = SqliteStore.open(tmp_path)
        assert serve(store) == 2
        assert store.health().quarantined == 1
        store.close_now()
    assert check(tmp_path).is_sound
