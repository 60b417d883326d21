"""A program that writes a store and says on stdout what was acknowledged: ``state_writer.py FOLDER [COUNT [SIZE]]``.

Transaction n replaces or removes a record and appends record n to the log ``event``, so what is on disk can be compared
with what the first n transactions give. It goes on from where an earlier one ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.store import Logged
from libvdsm.journal.store import SqliteStore

KEYS = 40


def key(number: int) -> str:
    """The record of transaction ``number``."""
    return f"key-{number % KEYS}"


def value(number: int, size: int) -> bytes | None:
    """What it becomes; each seventh transaction removes it."""
    return None if number % 7 == 0 else b"value %d " % number * (size // 10)


def after(count: int, size: int) -> dict[str, bytes]:
    """The records after so many transactions."""
    records: dict[str, bytes] = {}
    for number in range(1, count + 1):
        data = value(number, size)
        if data is None:
            records.pop(key(number), None)
        else:
            records[key(number)] = data
    return records


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


async def write(store: SqliteStore, number: int, size: int) -> None:
    """One transaction, and a word when it is on disk."""
    data = value(number, size)
    if data is None:
        store.remove("document", key(number))
    else:
        store.put("document", key(number), data)
    store.append("event", Logged(number, 1_767_225_600.0 + number, b"what happened %d" % number))
    try:
        await store.commit()
    except ApiError as error:
        say(f"refused {number} {error.name}")
    else:
        say(f"acknowledged {number}")


async def main(folder: Path, count: int, size: int) -> None:
    store = SqliteStore.open(folder, reserve_octets=256 * 1024)
    store.on_breakdown(lambda _reason: say("breakdown"))
    say(f"open {store.span('event')[1]} {store.epoch}")
    running: set[asyncio.Task[None]] = set()
    while count and store.health().state == "ok":
        count -= 1
        task = asyncio.ensure_future(write(store, store.span("event")[1] + 1, size))
        await asyncio.sleep(0)
        running.add(task)
        task.add_done_callback(running.discard)
        if len(running) >= 4:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    if running:
        await asyncio.wait(running)
    await store.close()
    say("closed")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else -1, int(sys.argv[3]) if len(sys.argv) > 3 else 400))
