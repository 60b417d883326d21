"""F-13: the disk of the state is full: growth is refused, deletions go on, nothing is spoiled, and all heals by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import StateFull
from libvdsm.interfaces.store import Logged
from libvdsm.journal.check import check
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.turns import Bounds

MEBIBYTE = 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def take_all(folder: Path) -> Path:
    """Another program's file, which takes all that is left."""
    hog = folder / "hog"
    with hog.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
        except OSError:
            return hog


def tell(store: SqliteStore) -> None:
    sequence = store.span("event")[1] + 1
    store.append("event", Logged(sequence, 0.0, b"something happened %d " % sequence * 10))


async def becomes(store: SqliteStore, state: str) -> None:
    async with asyncio.timeout(60):
        while store.health().state != state:  # noqa: ASYNC110 - another thread does it
            await asyncio.sleep(0.02)  # the store looks by itself, once a second


async def test_f13_deletions_go_on_and_room_is_found_again(small: Path) -> None:
    """Filled to the last block by another program, while in use."""
    store = SqliteStore.open(small, logs={"event": Bounds(gives_room=True)}, reserve_octets=4 * MEBIBYTE)
    kept: dict[str, bytes] = {}
    for number in range(40):
        kept[f"vm-{number}"] = b"%d" % number * 10_000
        store.put("document", f"vm-{number}", kept[f"vm-{number}"])
        tell(store)
        await store.commit()
    hog = take_all(small)
    refused = 0
    for number in range(40, 800):  # without asking first, as nobody does
        store.put("document", f"vm-{number}", b"%d" % number * 10_000)
        tell(store)
        try:
            await store.commit()
        except StateFull:
            refused += 1
            if refused == 5:
                break
        else:
            kept[f"vm-{number}"] = b"%d" % number * 10_000
    assert refused == 5
    assert store.health().state == "full"
    with pytest.raises(StateFull):
        store.check()
    for number in range(20):  # as a deed that deletes does it
        store.check(deletes=True)
        store.put("task", f"task-{number}", b"a deletion")
        tell(store)
        await store.commit()
        store.remove("document", f"vm-{number}")
        store.put("task", f"task-{number}", b"it is done")
        tell(store)
        await store.commit()
        del kept[f"vm-{number}"]
    assert store.load("document") == kept
    hog.unlink()
    await becomes(store, "ok")
    store.check()
    store.put("document", "new", b"1" * MEBIBYTE)
    kept["new"] = b"1" * MEBIBYTE
    await store.commit()
    records = await store.read("event", 0, 1000)
    assert records[-1].sequence == store.span("event")[1]
    await store.close()
    assert check(small).is_sound
    again = SqliteStore.open(small, reserve_octets=4 * MEBIBYTE)
    assert again.load("document") == kept
    assert len(again.load("task")) == 20
    again.close_now()


async def test_f13_a_store_starts_on_a_full_disk(small: Path) -> None:
    """What is there is served and can be deleted, although there is no room for a reserve."""
    store = SqliteStore.open(small, reserve_octets=4 * MEBIBYTE)
    for number in range(10):
        store.put("document", f"vm-{number}", b"1" * 10_000)
        tell(store)
    await store.commit()
    await store.close()
    (small / "state.reserve").unlink()
    hog = take_all(small)
    with hog.open("r+b") as stream:
        stream.truncate(hog.stat().st_size - 512 * 1024)  # as much as a log and its index need
    store = SqliteStore.open(small, reserve_octets=4 * MEBIBYTE)
    assert len(store.load("document")) == 10
    store.start()
    await becomes(store, "full")
    store.check(deletes=True)
    store.remove("document", "vm-3")
    tell(store)
    await store.commit()
    assert "vm-3" not in store.load("document")
    hog.unlink()
    await becomes(store, "ok")
    await store.close()


async def test_f13_events_push_out_older_ones_when_nothing_else_can_go(small: Path) -> None:
    """What happens cannot be refused: the log lives on within the room that it has, and its span says so."""
    store = SqliteStore.open(small, logs={"event": Bounds(gives_room=True)}, reserve_octets=4 * MEBIBYTE)
    for _ in range(4000):
        tell(store)
    await store.commit()
    take_all(small)
    refused = 0
    for _ in range(400):
        for _ in range(50):
            tell(store)
        try:
            await store.commit()
        except ApiError:
            refused += 1
    assert refused == 0
    first, last = store.span("event")
    assert last == 24_000
    assert 1 < first < last
    records = await store.read("event", last - 100, 1000)
    assert [record.sequence for record in records] == list(range(last - 99, last + 1))
    await store.close()
    assert check(small).is_sound
