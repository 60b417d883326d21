"""The lanes' rules, with calls that hang as long as the test wants and time that moves when told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from libvdsm.interfaces.generated.errors import DeadlineExceeded, GuestUnresponsive, HypervisorUnavailable, LimitExceeded
from libvdsm.subsystems.virt.driver import NotComeBackError, Road
from libvdsm.subsystems.virt.lanes import LaneLimits, Lanes, Watchers

VM = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
PATIENCE_S = 60


class Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class ManualTimers:
    """The real loop for waking, a time of its own for timers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, Timer, Callable[..., object], tuple[Any, ...]]] = []
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> Timer:
        timer = Timer()
        heapq.heappush(self._timers, (when, next(self._numbers), timer, callback, args))
        return timer

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object) -> object:
        return self._loop.call_soon_threadsafe(callback, *args)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self._timers and self._timers[0][0] <= self.now:
            _, _, timer, callback, args = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                callback(*args)


@dataclass
class Hanging:
    """A call that hangs until it is let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(PATIENCE_S), "the test forgot a call"
        return "done"


class Bench:
    """Lanes with everything that they are told and tell."""

    def __init__(self) -> None:
        self.timers = ManualTimers()
        self.replaced: list[Road] = []
        self.replacing = Hanging()
        self.replacing.go.set()
        self.stuck: list[str] = []
        self.released: list[str] = []
        self.lost: list[str] = []
        self.wedged: list[str] = []
        self.calls: list[Hanging] = []
        watchers = Watchers(
            stuck=lambda vm, _reason: self.stuck.append(vm), released=self.released.append, lost=self.lost.append, wedged=self.wedged.append
        )
        self.lanes = Lanes(self._replace, self.timers, limits=LaneLimits(stuck_in_all=4), watchers=watchers)
        self.replace_error: Exception | None = None

    def _replace(self, road: Road) -> None:
        self.replacing()
        if self.replace_error is not None:
            raise self.replace_error
        self.replaced.append(road)

    def hang(
        self, road: Road = "command", *, vm: str | None = None, limit: float = 10.0, deadline: float = 100.0
    ) -> tuple[Hanging, asyncio.Task[str]]:
        """Begin a call that hangs."""
        hanging = Hanging()
        self.calls.append(hanging)
        call = self.lanes.call(road, hanging, label="hanging", limit_s=limit, deadline=self.timers.now + deadline, vm=vm)
        return hanging, asyncio.create_task(call)

    async def quick(self, road: Road = "command", *, vm: str | None = None) -> str:
        return await self.lanes.call(road, lambda: "quick", label="quick", limit_s=10, deadline=self.timers.now + 100, vm=vm)


def run(scenario: Callable[[Bench], Any]) -> None:
    """Run a scenario in a loop of its own, and let every call end."""

    async def main() -> None:
        bench = Bench()
        try:
            await asyncio.wait_for(scenario(bench), PATIENCE_S)
        finally:
            for call in bench.calls:
                call.go.set()
            bench.replacing.go.set()
            bench.lanes.close()

    asyncio.run(main())


async def begun(*calls: Hanging) -> None:
    """All of these calls run in their threads."""
    for call in calls:
        assert await asyncio.to_thread(call.begun.wait, PATIENCE_S)


async def turn() -> None:
    """The loop has done what was ready."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_result_and_an_error_reach_the_caller() -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.quick() == "quick"
        with pytest.raises(ZeroDivisionError):
            await bench.lanes.call("monitor", lambda: 1 // 0, label="dividing", limit_s=1, deadline=bench.timers.now + 1)
        assert bench.lanes.in_flight == 0

    run(scenario)


def test_at_most_four_calls_are_in_flight_on_a_road_and_other_roads_are_free() -> None:
    async def scenario(bench: Bench) -> None:
        four = [bench.hang() for _ in range(4)]
        fifth, waiting = bench.hang()
        await begun(*(call for call, _ in four))
        assert await bench.quick("monitor") == "quick"
        assert not fifth.begun.is_set()
        four[0][0].go.set()
        await begun(fifth)
        fifth.go.set()
        assert await waiting == "done"

    run(scenario)


def test_one_call_for_a_vm_is_in_flight_and_calls_for_others_pass_it() -> None:
    async def scenario(bench: Bench) -> None:
        first, _ = bench.hang(vm=VM)
        second, waiting = bench.hang(vm=VM)
        await begun(first)
        assert await bench.quick(vm="another") == "quick"
        assert not second.begun.is_set()
        first.go.set()
        second.go.set()
        assert await waiting == "done"

    run(scenario)


def test_a_stuck_call_for_a_vm_is_the_guests_fault_and_refuses_the_next_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        hanging, task = bench.hang(vm=VM, limit=10)
        _, follower = bench.hang(vm=VM)
        await begun(hanging)
        bench.timers.advance(10)
        with pytest.raises(NotComeBackError):
            await task
        with pytest.raises(GuestUnresponsive) as raised:
            await follower
        assert not isinstance(raised.value, NotComeBackError), "it was never begun"
        assert (bench.lanes.stuck, bench.stuck, bench.lanes.is_stuck(VM)) == (1, [VM], True)
        with pytest.raises(GuestUnresponsive):
            await bench.quick(vm=VM)
        assert await bench.quick("rescue", vm=VM) == "quick"
        assert await bench.quick("monitor", vm=VM) == "quick"
        hanging.go.set()
        while bench.lanes.stuck:
            await turn()
        assert bench.released == [VM]
        assert await bench.quick(vm=VM) == "quick"

    run(scenario)


def test_a_stuck_call_about_no_vm_is_the_hypervisors_fault() -> None:
    async def scenario(bench: Bench) -> None:
        hanging, task = bench.hang(limit=5)
        await begun(hanging)
        bench.timers.advance(5)
        with pytest.raises(HypervisorUnavailable, match="hanging has not come back within 5 s"):
            await task

    run(scenario)


def test_nobody_waits_beyond_the_deadline_and_the_call_is_not_stuck_for_that() -> None:
    async def scenario(bench: Bench) -> None:
        hanging, task = bench.hang(limit=10, deadline=2)
        await begun(hanging)
        bench.timers.advance(2)
        with pytest.raises(DeadlineExceeded, match=r"within 2(\.0)? s"):
            await task
        assert (bench.lanes.stuck, bench.lanes.in_flight) == (0, 1)

    run(scenario)


def test_a_call_that_waited_beyond_its_deadline_never_begins() -> None:
    async def scenario(bench: Bench) -> None:
        first, _ = bench.hang(vm=VM)
        await begun(first)
        second, task = bench.hang(vm=VM, deadline=2)
        await turn()
        bench.timers.advance(2)
        with pytest.raises(DeadlineExceeded):
            await task
        first.go.set()
        assert await bench.quick(vm=VM) == "quick"
        assert not second.begun.is_set()

    run(scenario)


def test_a_road_with_two_stuck_calls_is_replaced_and_the_new_one_has_all_its_places() -> None:
    async def scenario(bench: Bench) -> None:
        stuck = [bench.hang(limit=10) for _ in range(2)]
        await begun(*(call for call, _ in stuck))
        bench.timers.advance(10)
        await asyncio.gather(*(task for _, task in stuck), return_exceptions=True)
        four = [bench.hang(limit=50) for _ in range(4)]
        await begun(*(call for call, _ in four))
        assert bench.replaced == ["command"]
        assert (bench.lanes.stuck, bench.lanes.in_flight) == (2, 6)
        stuck[0][0].go.set()
        while bench.lanes.stuck != 1:
            await turn()
        assert bench.replaced == ["command"]

    run(scenario)


def test_with_too_many_stuck_calls_only_pulling_plugs_goes_on() -> None:
    async def scenario(bench: Bench) -> None:
        roads: tuple[Road, ...] = ("command", "monitor")
        for road in roads:
            stuck = [bench.hang(road, limit=10) for _ in range(2)]
            await begun(*(call for call, _ in stuck))
            bench.timers.advance(10)
            await asyncio.gather(*(task for _, task in stuck), return_exceptions=True)
        assert bench.lanes.stuck == 4
        with pytest.raises(HypervisorUnavailable, match="4 calls hang"):
            await bench.quick("command")
        assert await bench.quick("rescue", vm=VM) == "quick"

    run(scenario)


def test_a_replacement_that_hangs_wedges_the_process() -> None:
    async def scenario(bench: Bench) -> None:
        bench.replacing.go.clear()
        stuck = [bench.hang(limit=10) for _ in range(2)]
        await begun(*(call for call, _ in stuck))
        bench.timers.advance(10)
        await asyncio.gather(*(task for _, task in stuck), return_exceptions=True)
        bench.timers.advance(5)
        assert len(bench.wedged) == 1

    run(scenario)


def test_a_replacement_that_fails_is_a_loss() -> None:
    async def scenario(bench: Bench) -> None:
        bench.replace_error = HypervisorUnavailable(reason="gone")
        stuck = [bench.hang(limit=10) for _ in range(2)]
        await begun(*(call for call, _ in stuck))
        bench.timers.advance(10)
        await asyncio.gather(*(task for _, task in stuck), return_exceptions=True)
        while not bench.lost:
            await turn()
        assert "gone" in bench.lost[0]

    run(scenario)


def test_a_loss_fails_what_waits_and_what_runs_and_new_calls_have_new_threads() -> None:
    async def scenario(bench: Bench) -> None:
        running = [bench.hang(vm=str(number)) for number in range(4)]
        _, waiting = bench.hang()
        await begun(*(call for call, _ in running))
        bench.lanes.reset("libvirtd is gone")
        for task in (*(task for _, task in running), waiting):
            with pytest.raises(HypervisorUnavailable, match="libvirtd is gone"):
                await task
        assert await bench.quick(vm="0") == "quick"

    run(scenario)


def test_the_queue_of_a_road_is_bounded() -> None:
    async def scenario(bench: Bench) -> None:
        bench.lanes = Lanes(bench._replace, bench.timers, limits=LaneLimits(per_road=1, queued_per_road=1))
        first, _ = bench.hang()
        await begun(first)
        bench.hang()
        await turn()
        with pytest.raises(LimitExceeded):
            await bench.quick()

    run(scenario)


def test_a_caller_that_goes_away_takes_its_waiting_call_with_it() -> None:
    async def scenario(bench: Bench) -> None:
        first, _ = bench.hang(vm=VM)
        await begun(first)
        second, task = bench.hang(vm=VM)
        await turn()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        first.go.set()
        assert await bench.quick(vm=VM) == "quick"
        assert not second.begun.is_set()

    run(scenario)


def test_many_results_wake_the_loop_once() -> None:
    async def scenario(bench: Bench) -> None:
        wakes = 0
        original = bench.timers.call_soon_threadsafe

        def counting(callback: Callable[..., object], *args: object) -> object:
            nonlocal wakes
            wakes += 1
            return original(callback, *args)

        bench.timers.call_soon_threadsafe = counting  # type: ignore[method-assign]
        four = [bench.hang() for _ in range(4)]
        await begun(*(call for call, _ in four))
        for call, _ in four:
            call.go.set()
        deadline = time.monotonic() + PATIENCE_S
        while len(bench.lanes._finished) < 4 and time.monotonic() < deadline:  # the loop is not given a turn meanwhile
            threading.Event().wait(0.001)
        assert await asyncio.gather(*(task for _, task in four)) == ["done"] * 4
        assert wakes == 1

    run(scenario)
