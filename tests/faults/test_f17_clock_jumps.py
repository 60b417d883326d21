"""F-17: the host's clock jumps: order, sequences and ids are unaffected, and nothing is thrown away because of a wrong year."""

from __future__ import annotations

import asyncio
from pathlib import Path

from libvdsm.interfaces.store import Logged
from libvdsm.journal.ages import BELIEVED_AFTER_S, Ages
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.turns import Bounds

YEAR_S = 365 * 86400.0


class JumpingClock:
    """A steady clock, and one that is set by somebody."""

    def __init__(self) -> None:
        self.steady = 1000.0
        self.wall = 1_767_225_600.0

    def monotonic(self) -> float:
        return self.steady

    def time(self) -> float:
        return self.wall

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds


def test_f17_a_jump_is_believed_after_an_hour() -> None:
    """Not when it comes, and not when it goes again before."""
    clock = JumpingClock()
    ages = Ages(clock)
    assert ages.believed_now() is None
    clock.pass_by(BELIEVED_AFTER_S)
    assert ages.believed_now() == clock.wall
    clock.jump(10 * YEAR_S)
    assert ages.believed_now() is None
    clock.pass_by(BELIEVED_AFTER_S / 2)
    clock.jump(-10 * YEAR_S)
    assert ages.believed_now() is None
    clock.pass_by(BELIEVED_AFTER_S)
    assert ages.believed_now() == clock.wall
    clock.jump(30.0)
    assert ages.believed_now() == clock.wall


async def test_f17_order_and_ages_survive_jumps(tmp_path: Path) -> None:
    """Records are appended through jumps in both directions: all are there, in order, and only what is truly old goes."""
    clock = JumpingClock()
    store = SqliteStore.open(tmp_path, logs={"event": Bounds(keep_s=7 * 86400.0)}, clock=clock)
    for jump in (0.0, 10 * YEAR_S, -20 * YEAR_S, 10 * YEAR_S):
        clock.jump(jump)
        clock.pass_by(120.0)  # long enough for the store to look at ages
        for _ in range(5):
            store.append("event", Logged(store.span("event")[1] + 1, clock.time(), b"."))
            await store.commit()
    assert store.span("event") == (1, 20)
    assert [record.sequence for record in await store.read("event", 0, 100)] == list(range(1, 21))
    clock.pass_by(BELIEVED_AFTER_S + 120.0)
    await one_more(store, clock)
    assert store.span("event")[0] == 1
    clock.pass_by(8 * 86400.0)
    await one_more(store, clock)
    async with asyncio.timeout(60):
        while store.span("event")[0] == 1:  # noqa: ASYNC110 - another thread does it
            await asyncio.sleep(0.01)
    assert [record.sequence for record in await store.read("event", 0, 100)] == list(range(store.span("event")[0], 23))
    await store.close()


async def one_more(store: SqliteStore, clock: JumpingClock) -> None:
    store.append("event", Logged(store.span("event")[1] + 1, clock.time(), b"."))
    await store.commit()
    store.put("nothing", "a", b"")
    await store.commit()
