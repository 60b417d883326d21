"""The fair queue: who is next, how many, what waits, and what never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bridge.fairness import WEIGHTS, FairLines, FairQueue, QueueLimits, Turn
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import LimitExceeded


def caller(identity: str, *, source: str = "certificate", roles: tuple[str, ...] = ()) -> Caller:
    """One connection of an identity."""
    return Caller(identity=identity, source=source, roles=roles, rights=Rights())


class Clock:
    """Time and timers by hand."""

    def __init__(self) -> None:
        self.at = 0.0
        self.timers: list[Timer] = []

    def now(self) -> float:
        """Seconds."""
        return self.at

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Call after so many seconds of this clock."""
        timer = Timer(self, self.at + delay, call)
        self.timers.append(timer)
        return timer

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.at += seconds
        for timer in [timer for timer in self.timers if timer.due <= self.at]:
            if timer in self.timers:
                self.timers.remove(timer)
                timer.call()


class Timer:
    """What ``later`` answers."""

    def __init__(self, clock: Clock, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call = call
        self._clock = clock

    def cancel(self) -> None:
        """Do not call."""
        if self in self._clock.timers:
            self._clock.timers.remove(self)


def run(work: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own, for a few seconds at most."""
    asyncio.run(asyncio.wait_for(work, 60))


def make(**limits: Any) -> tuple[FairQueue, Clock]:
    """A queue on a clock by hand."""
    clock = Clock()
    return FairQueue(QueueLimits(**limits), now=clock.now, later=clock.later), clock


def note(order: list[str], identity: str, done: asyncio.Future[Turn]) -> None:
    """Whose turn it was; it is over at once."""
    order.append(identity)
    done.result().leave()


FLOWS = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.sampled_from(sorted(WEIGHTS.values())), min_size=1, max_size=40), min_size=1, max_size=5
)


@given(FLOWS)
def test_each_flow_keeps_its_order_and_nobody_starves(flows: dict[str, list[int]]) -> None:
    """Whatever waits: all of it is served, each flow in order, and no two backlogged flows drift apart by more than their dearest items."""
    lines: FairLines[str, tuple[str, int]] = FairLines()
    for name, costs in flows.items():
        for number, cost in enumerate(costs):
            lines.push(name, cost, (name, number))
    served: list[tuple[str, int]] = []
    had = dict.fromkeys(flows, 0)
    dearest = max(max(costs) for costs in flows.values())
    while lines:
        backlogged = [name for name in flows if lines.waiting(name)]
        shares = [had[name] for name in backlogged]
        assert max(shares) - min(shares) <= 2 * dearest
        cost, item = lines.pop()
        had[item[0]] += cost
        served.append(item)
    for name, costs in flows.items():
        assert [number for flow, number in served if flow == name] == list(range(len(costs)))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from(sorted(WEIGHTS))), max_size=80))
def test_the_queue_is_never_idle_while_somebody_may_go(deeds: list[tuple[str, bool, str]]) -> None:  # noqa: C901 - a model and its checks
    """Whatever comes and goes: no more turns than allowed, none free while somebody may have it, order kept, and all served in the end."""

    async def work() -> None:
        queue, _clock = make(in_flight=3, in_flight_per_identity=2, reserved=0)
        callers = {name: caller(name) for name in "abc"}
        held: list[tuple[str, Turn]] = []
        waiting: list[tuple[str, asyncio.Future[Turn]]] = []

        def settle() -> None:
            given_now = [(name, promise) for name, promise in waiting if promise.done()]
            for name in "abc":  # a connection's promises are kept in their order
                mine = [promise.done() for who, promise in waiting if who == name]
                assert mine == sorted(mine, reverse=True)
            for name, promise in given_now:
                waiting.remove((name, promise))
                held.append((name, promise.result()))

        def check() -> None:
            assert queue.running("virt") == len(held) <= 3
            of = {name: sum(who == name for who, _turn in held) for name in "abc"}
            assert max(of.values()) <= 2
            if len(held) < 3:
                assert all(of[name] == 2 for name, _promise in waiting)
            assert queue.waiting == len(waiting)

        for name, is_leaving, cost in deeds:
            if is_leaving and held:
                held.pop(0)[1].leave()
            else:
                turn = queue.take(callers[name], "virt", cost)
                if turn is None:
                    waiting.append((name, queue.wait(callers[name], "virt", cost)))
                else:
                    held.append((name, turn))
            settle()
            check()
        while held:
            held.pop()[1].leave()
            settle()
            check()
        assert not waiting

    run(work())


def test_shares_follow_the_cost() -> None:
    """Of two identities that always have more to do, the one with dear writes gets as much cost, hence fewer writes."""

    async def work() -> None:
        queue, _clock = make(in_flight=1, in_flight_per_identity=1, reserved=0, waiting_per_connection=1_000)
        first = queue.take(caller("x"), "virt", "free")
        assert first is not None
        order: list[str] = []
        promises = []
        for identity, cost in (("cheap", "low"), ("dear", "medium")):
            connection = caller(identity)
            for _ in range(100):
                promise = queue.wait(connection, "virt", cost)
                promise.add_done_callback(partial(note, order, identity))
                promises.append(promise)
        first.leave()
        await asyncio.gather(*promises)
        await asyncio.sleep(0)
        assert 19 <= order[:100].count("dear") <= 21  # costs as 1 to 4

    run(work())


def test_fifty_connections_of_one_identity_count_as_one() -> None:
    """An identity with many connections gets no more turns than one with a single connection."""

    async def work() -> None:
        queue, _clock = make(in_flight=1, in_flight_per_identity=1, reserved=0)
        first = queue.take(caller("x"), "virt", "free")
        assert first is not None
        order: list[str] = []
        promises = []
        for identity, count in (("many", 50), ("one", 1)):
            for connection in [caller(identity) for _ in range(count)]:
                for _ in range(50 // count):
                    promise = queue.wait(connection, "virt", "low")
                    promise.add_done_callback(partial(note, order, identity))
                    promises.append(promise)
        first.leave()
        await asyncio.gather(*promises)
        await asyncio.sleep(0)
        assert order[:100].count("one") == 50
        assert abs(order[:50].count("one") - 25) <= 1

    run(work())


def test_full_queues_refuse_at_once_with_the_limit() -> None:
    """A connection, an identity and the whole queue have their bounds; one that is full harms no other."""

    async def work() -> None:
        queue, _clock = make(in_flight=1, in_flight_per_identity=1, reserved=1, waiting_per_connection=2, waiting_per_identity=3, waiting=4)
        busy, more, other = caller("a"), caller("a"), caller("b")
        first = queue.take(busy, "virt", "low")
        assert first is not None
        promises = [queue.wait(busy, "virt", "low"), queue.wait(busy, "virt", "low")]
        with pytest.raises(LimitExceeded, match="2 writes waiting on a connection"):
            queue.wait(busy, "virt", "low")
        promises.append(queue.wait(more, "virt", "low"))
        with pytest.raises(LimitExceeded, match="3 writes waiting for an identity"):
            queue.wait(more, "virt", "low")
        promises.append(queue.wait(other, "virt", "low"))
        with pytest.raises(LimitExceeded, match="4 writes waiting"):
            queue.wait(caller("c"), "virt", "low")
        first.leave()
        for promise in promises:
            promise.add_done_callback(lambda done: done.result().leave())
        await asyncio.gather(*promises)

    run(work())


def test_whoever_administers_at_the_machine_has_a_reserve() -> None:
    """Turns beyond all others are kept for administrators on the unix socket."""

    async def work() -> None:
        queue, _clock = make(in_flight=2, in_flight_per_identity=2, reserved=1)
        flood, local = caller("flood"), caller("unix:0", source="unix", roles=("administrator",))
        turns = [queue.take(flood, "virt", "low") for _ in range(2)]
        assert queue.take(caller("other"), "virt", "low") is None
        reserve = queue.take(local, "virt", "low")
        assert reserve is not None
        assert queue.take(local, "virt", "low") is None
        for turn in (*turns, reserve):
            assert turn is not None
            turn.leave()
        assert queue.running("virt") == 0

    run(work())


def test_f36_whoever_holds_a_turn_never_waits_for_another() -> None:
    """F-36: fill the pool with writes that each write again beneath: none waits for a turn that it holds up itself."""

    async def work() -> None:
        queue, clock = make(in_flight=4, in_flight_per_identity=4, reserved=0)
        ended: list[int] = []
        everybody_is_in = asyncio.Event()
        inside = 0

        async def write(connection: Caller, number: int, depth: int) -> None:
            nonlocal inside
            async with queue.turn(connection, "virt", "high"):
                inside += depth == 3
                if inside == 4:
                    everybody_is_in.set()
                await everybody_is_in.wait()  # the pool is full before anybody goes deeper
                if depth:
                    await write(connection, number, depth - 1)
                    await asyncio.create_task(write(connection, number, 0))
            if depth == 3:
                ended.append(number)

        await asyncio.gather(*(write(caller(f"u{number % 3}"), number, 3) for number in range(20)))
        assert sorted(ended) == list(range(20))
        assert (queue.running("virt"), queue.waiting, clock.at) == (0, 0, 0.0)

    run(work())


def test_f36_what_hangs_fills_no_pool() -> None:
    """F-36: turns that are held for too long while others wait count no more; their end then changes nothing."""

    async def work() -> None:
        queue, clock = make(in_flight=2, in_flight_per_identity=2, reserved=0, patience_s=2.0)
        hung = [queue.take(caller("a"), "virt", "low") for _ in range(2)]
        promise = queue.wait(caller("b"), "virt", "low")
        clock.pass_s(1.9)
        assert not promise.done()
        clock.pass_s(0.1)
        assert promise.done()
        for turn in hung:
            assert turn is not None
            turn.leave()
        assert queue.running("virt") == 1
        promise.result().leave()
        assert queue.running("virt") == 0
        assert not clock.timers

    run(work())


def test_a_subsystem_that_is_full_holds_up_no_other() -> None:
    """Pools are apart."""

    async def work() -> None:
        queue, _clock = make(in_flight=1, in_flight_per_identity=1, reserved=0)
        connection = caller("a")
        assert queue.take(connection, "virt", "low") is not None
        assert queue.take(connection, "virt", "low") is None
        assert queue.take(connection, "storage", "low") is not None

    run(work())


def test_who_goes_away_gives_up_its_place() -> None:
    """A cancelled writer takes no turn, also when it was given one in the very moment."""

    async def work() -> None:
        queue, _clock = make(in_flight=1, in_flight_per_identity=1, reserved=0)
        first = queue.take(caller("a"), "virt", "low")
        assert first is not None
        gone = asyncio.create_task(queue.enter(caller("b"), "virt", "low"))
        unlucky = asyncio.create_task(queue.enter(caller("c"), "virt", "low"))
        last = asyncio.create_task(queue.enter(caller("d"), "virt", "low"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        first.leave()  # given to the unlucky one, which is cancelled before it hears of it
        unlucky.cancel()
        await asyncio.gather(unlucky, return_exceptions=True)
        turn = await last
        assert queue.running("virt") == 1
        turn.leave()
        turn.leave()
        assert queue.running("virt") == 0

    run(work())


def test_limits_that_admit_nobody_are_refused() -> None:
    """A pool has room for somebody."""
    with pytest.raises(ValueError, match="admits nobody"):
        QueueLimits(in_flight=0)
    with pytest.raises(ValueError, match="admits nobody"):
        QueueLimits(patience_s=0)
