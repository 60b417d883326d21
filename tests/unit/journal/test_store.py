"""What both stores promise: one suite over the one on disk and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import StateFull, StateUnavailable
from libvdsm.interfaces.store import Logged, Refused
from libvdsm.journal.failures import BusyStoreError
from libvdsm.journal.gathering import GatheringStore
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.place import DATABASE
from libvdsm.journal.reserve import Reserve
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.turns import Bounds

BOUNDS = {"short": Bounds(most_records=10), "small": Bounds(most_octets=100)}


@pytest.fixture(params=("disk", "memory"))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore | MemoryStore]:
    made = MemoryStore(logs=BOUNDS) if request.param == "memory" else SqliteStore.open(tmp_path, logs=BOUNDS, reserve_octets=65536)
    yield made
    if isinstance(made, SqliteStore):
        made.close_now()


def log(store: GatheringStore, name: str, data: bytes = b".") -> int:
    sequence = store.span(name)[1] + 1
    store.append(name, Logged(sequence, 1000.0 + sequence, data))
    return sequence


async def test_a_turn_is_committed(store: SqliteStore | MemoryStore) -> None:
    """What was put is there once ``commit`` has come back; what was removed is not."""
    store.put("vm", "a", b"1")
    store.put("vm", "b", b"2")
    store.put("vm", "a", b"3")
    store.put("task", "a", b"4")
    await store.commit()
    store.remove("vm", "b")
    store.remove("vm", "never")
    await store.commit()
    assert store.load("vm") == {"a": b"3"}
    assert store.load("task") == {"a": b"4"}
    assert store.load("none") == {}


async def test_nothing_to_commit_is_committed(store: SqliteStore | MemoryStore) -> None:
    """``commit`` without anything asked for does not wait."""
    await asyncio.wait_for(store.commit(), 60)


async def test_a_commit_waits_for_turns_before_it(store: SqliteStore | MemoryStore) -> None:
    """Whoever commits later has all that was asked for before."""
    store.put("vm", "a", b"1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.commit()
    assert store.load("vm") == {"a": b"1"}


async def test_logs_are_read_in_order_from_any_place(store: SqliteStore | MemoryStore) -> None:
    """Committed records, oldest first, bounded by the limit."""
    assert store.span("event") == (1, 0)
    for number in range(5):
        log(store, "event", b"%d" % number)
    assert store.span("event") == (1, 5)
    assert store.committed("event") == 0
    await store.commit()
    assert (store.span("event"), store.committed("event")) == ((1, 5), 5)
    assert [record.data for record in await store.read("event", 0, 10)] == [b"0", b"1", b"2", b"3", b"4"]
    assert [record.sequence for record in await store.read("event", 2, 2)] == [3, 4]
    assert list(await store.read("event", 5, 2)) == []
    assert list(await store.read("other", 0, 2)) == []
    assert [record.sequence for record in store.tail("event", 2, 1000)] == [4, 5]
    assert [record.sequence for record in store.tail("event", 10, 3)] == [3, 4, 5]


async def test_a_wrong_sequence_is_refused(store: SqliteStore | MemoryStore) -> None:
    """A log has no place for what is not the next record."""
    with pytest.raises(ValueError, match="record 2 of log event follows 0"):
        store.append("event", Logged(2, 0.0, b""))
    log(store, "event")
    with pytest.raises(ValueError, match="record 1 of log event follows 1"):
        store.append("event", Logged(1, 0.0, b""))


@pytest.mark.parametrize(("name", "most"), (("short", 10), ("small", 10)))
async def test_logs_are_bounded(store: SqliteStore | MemoryStore, name: str, most: int) -> None:
    """The oldest records go; the span says so."""
    for _ in range(30):
        log(store, name, b"0123456789")
        await store.commit()
    await trimmed(store, name, most)
    first, last = store.span(name)
    assert last == 30
    assert [record.sequence for record in await store.read(name, 0, 100)] == list(range(first, 31))


async def trimmed(store: SqliteStore | MemoryStore, name: str, most: int) -> None:
    """Wait until a log has no more than ``most`` records; trimming follows the commit."""
    async with asyncio.timeout(60):
        while store.span(name)[1] - store.span(name)[0] >= most:  # noqa: ASYNC110 - another thread does it
            await asyncio.sleep(0.001)


async def test_listeners_hear_of_commits(store: SqliteStore | MemoryStore) -> None:
    """In the loop's thread, and before whoever waits for the commit goes on."""
    heard: list[int] = []
    store.on_commit(lambda: heard.append(store.committed("event")))
    log(store, "event")
    assert heard == []
    await store.commit()
    assert heard == [1]


async def test_many_writers_at_once(store: SqliteStore | MemoryStore) -> None:
    """Each of them gets what it asked for, in order."""

    async def write(name: str) -> None:
        for number in range(20):
            store.put("vm", name, b"%d" % number)
            log(store, "event", name.encode())
            await store.commit()

    await asyncio.gather(*(write(f"w{number}") for number in range(16)))
    assert set(store.load("vm").values()) == {b"19"}
    assert [record.sequence for record in await store.read("event", 0, 1000)] == list(range(1, 321))


async def test_health(store: SqliteStore | MemoryStore) -> None:
    """All is well, and how large it is."""
    store.put("vm", "a", b"1" * 1000)
    await store.commit()
    health = store.health()
    assert (health.state, health.reason, health.quarantined) == ("ok", "", 0)
    assert health.octets >= 1000
    store.check()


def fill(store: SqliteStore | MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let there be no more room; answers what lets there be some again."""
    if isinstance(store, MemoryStore):
        store.become("full")
        return lambda: store.become("ok")
    monkeypatch.setattr(Reserve, "free", lambda _self: 0)
    return monkeypatch.undo


async def test_f13_a_full_store_refuses_growth_and_takes_deletions(
    store: SqliteStore | MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed refusals for what grows, deletions and what tells of them go on, and all works again with the room."""
    store.put("vm", "large", b"1" * 100_000)
    await store.commit()
    make_room = fill(store, monkeypatch)
    store.put("vm", "small", b"")
    if isinstance(store, SqliteStore):
        await store.commit()
    refused: list[Refused] = []
    store.on_refusal(refused.append)
    log(store, "event")
    store.put("vm", "more", b"2" * 50_000)
    with pytest.raises(StateFull):
        await store.commit()
    assert [each.lost for each in refused] == [{"event": (1, 1)}]
    assert store.health().state == "full"
    with pytest.raises(StateFull):
        store.check()
    store.check(deletes=True)
    store.remove("vm", "large")
    assert log(store, "event") == 2
    await store.commit()
    assert store.load("vm").keys() <= {"small"}
    assert [record.sequence for record in await store.read("event", 0, 10)] == [2]
    make_room()
    async with asyncio.timeout(60):
        while store.health().state != "ok":  # noqa: ASYNC110 - another thread does it
            await asyncio.sleep(0.01)
    store.check()
    store.put("vm", "more", b"2" * 50_000)
    await store.commit()
    assert "more" in store.load("vm")


async def test_a_busy_store_is_not_opened_twice(tmp_path: Path) -> None:
    """Two daemons on one state would each undo what the other did."""
    store = SqliteStore.open(tmp_path)
    with pytest.raises(BusyStoreError, match="a daemon is using the state"):
        SqliteStore.open(tmp_path)
    await store.close()
    SqliteStore.open(tmp_path).close_now()


async def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    """Records, logs, spans, and the epoch."""
    store = SqliteStore.open(tmp_path)
    store.put("vm", "a", b"1")
    for _ in range(3):
        log(store, "event", b"x")
    await store.commit()
    epoch = store.epoch
    await store.close()
    again = SqliteStore.open(tmp_path)
    assert (again.epoch, again.span("event"), again.load("vm")) == (epoch, (1, 3), {"a": b"1"})
    assert log(again, "event", b"y") == 4
    await again.commit()
    assert [record.data for record in await again.read("event", 0, 9)] == [b"x", b"x", b"x", b"y"]
    await again.close()


def list_files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """What is kept may be read by nobody else."""
    store = SqliteStore.open(tmp_path)
    store.put("vm", "a", b"1")
    await store.commit()
    assert {path.name: path.stat().st_mode & 0o777 for path in list_files(tmp_path)} == dict.fromkeys(
        (DATABASE, "state.db-wal", "state.db-shm", "state.mark", "state.reserve", "state.lock"), 0o600
    )
    await store.close()


async def test_a_relative_folder_needs_no_right_to_what_is_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The front may search its own folder only: nothing is opened by an absolute path."""
    monkeypatch.chdir(tmp_path)
    store = SqliteStore.open(Path())
    store.put("vm", "a", b"1")
    await store.commit()
    (row,) = store._database._connection.execute("PRAGMA database_list").fetchall()
    assert row[2] == "/proc/self/cwd/state.db"
    await store.close()


@pytest.mark.parametrize("state", ("failed", "read-only"))
async def test_a_failed_store_takes_nothing(state: str) -> None:
    """Neither growth nor deletions, and whoever wants to know hears of the breakdown once."""
    store = MemoryStore()
    heard: list[str] = []
    store.on_breakdown(heard.append)
    store.put("vm", "a", b"1")
    await store.commit()
    store.become(state, "no disk")
    with pytest.raises(StateUnavailable, match="no disk"):
        store.check(deletes=True)
    store.remove("vm", "a")
    with pytest.raises(ApiError):
        await store.commit()
    assert store.load("vm") == {"a": b"1"}
    assert heard == (["no disk"] if state == "failed" else [])
