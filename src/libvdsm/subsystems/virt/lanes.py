"""The dispatcher of blocking driver calls: threads in, futures out.

A driver call may hang for ever, so every call here has a limit, runs in a thread that can be given up, and takes
a place on a *road* (a connection of the driver's). The rules (DESIGN 4, and measured): at most four calls in flight on
a road, one per virtual machine; a road with two stuck calls is retired and replaced; with twelve stuck calls in all
only priority calls go on. All methods are called from the loop; only ``_Crew.run`` runs in threads. One lock,
around the list of finished calls, so that many results wake the loop once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar, cast, get_args

from libvdsm.interfaces.generated.errors import DeadlineExceeded, GuestUnresponsive, HypervisorUnavailable, LimitExceeded
from libvdsm.subsystems.virt.driver import NotComeBackError, Road
from libvdsm.subsystems.virt.threads import begin_thread

T = TypeVar("T")


class Cancellable(Protocol):
    """A timer that can be stopped."""

    def cancel(self) -> None:
        """Stop it."""
        ...


class Timers(Protocol):
    """What the lanes need of a loop; tests bring their own time."""

    def time(self) -> float:
        """Seconds that never go back."""
        ...

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Cancellable:  # noqa: ANN401 - as asyncio has it
        """Call back at ``when``."""
        ...

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> object:  # noqa: ANN401 - as asyncio has it
        """Call back from the loop; may be asked from any thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """How many calls a hypervisor's connections bear."""

    per_road: int = 4
    stuck_per_road: int = 2
    stuck_in_all: int = 12
    queued_per_road: int = 1000
    replace_s: float = 5.0


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One call on its way."""

    work: Callable[[], object]
    label: str
    vm: str | None
    limit_s: float
    future: asyncio.Future[object]
    lane: Lane
    crew: Crew | None = None  # whose thread runs it; None while it waits
    is_stuck: bool = False
    is_over: bool = False  # the thread has come back
    deadline_timer: Cancellable | None = None
    limit_timer: Cancellable | None = None

    @property
    def key(self) -> tuple[Road, str] | None:
        """What only one call may hold at a time."""
        return (self.lane.road, self.vm) if self.vm is not None else None


class Crew:
    """The threads of one connection. A new connection gets a new crew; the threads of the old one end when they can."""

    def __init__(self, road: Road, post: Callable[[Job, object, BaseException | None], None]) -> None:
        self.road = road
        self.in_flight = 0
        self.stuck = 0
        self.is_retired = False
        self._threads = 0
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._post = post

    def take(self, job: Job) -> None:
        """Run a call in a thread; there is one for each call in flight."""
        self.in_flight += 1
        if self._threads < self.in_flight:
            failure = self._hire()
            if failure is not None and not self._threads:
                self._post(job, None, failure)
                return
        self._inbox.put(job)

    def _hire(self) -> HypervisorUnavailable | None:
        """One thread more; where there can be none, those that are there do the work when they can."""
        try:
            begin_thread(f"virt-{self.road}-{self._threads + 1}", self._run)
        except HypervisorUnavailable as failure:
            return failure
        self._threads += 1
        return None

    def retire(self) -> None:
        """Let idle threads end now and the others when their call returns."""
        self.is_retired = True
        for _ in range(self._threads):
            self._inbox.put(None)

    def _run(self) -> None:
        while (job := self._inbox.get()) is not None:
            try:
                result = job.work()
            except BaseException as error:  # noqa: BLE001 - carried to the caller in the loop
                self._post(job, None, error)
            else:
                self._post(job, result, None)
            del job


class Lane:
    """The calls that wait for a road, and the crew that runs them."""

    def __init__(self, road: Road, crew: Crew) -> None:
        self.road: Road = road
        self.crew = crew
        self.waiting: deque[Job] = deque()
        self.is_replacing = False
        self.replace_timer: Cancellable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Whom the lanes tell of what they meet; all are called from the loop."""

    stuck: Callable[[str, str], None] = lambda _vm, _reason: None  # a call for this VM hangs
    released: Callable[[str], None] = lambda _vm: None  # no call for this VM hangs any more
    lost: Callable[[str], None] = lambda _reason: None  # a road could not be replaced
    wedged: Callable[[str], None] = lambda _reason: None  # replacing a road hangs: nothing in this process can help


class Lanes:
    """Runs driver calls by the rules of this module."""

    def __init__(
        self, replace: Callable[[Road], None], timers: Timers, *, limits: LaneLimits | None = None, watchers: Watchers | None = None
    ) -> None:
        self._replace = replace
        self._timers = timers
        self._limits = limits or LaneLimits()
        self._watchers = watchers or Watchers()
        self._finished: list[tuple[Job, object, BaseException | None]] = []
        self._finished_lock = threading.Lock()
        self._busy: dict[tuple[Road, str], Job] = {}
        self._running: set[Job] = set()
        self._stuck_of: dict[str, int] = {}
        self._is_closed = False
        self._lanes: dict[Road, Lane] = {road: Lane(road, Crew(road, self._post)) for road in get_args(Road)}

    @property
    def stuck(self) -> int:
        """Calls that were given up and whose threads have not come back."""
        return sum(1 for job in self._running if job.is_stuck)

    @property
    def in_flight(self) -> int:
        """Calls whose threads have not come back, the stuck ones too."""
        return len(self._running)

    def is_stuck(self, vm: str) -> bool:
        """Whether a call for this virtual machine hangs."""
        return vm in self._stuck_of

    async def call(self, road: Road, work: Callable[[], T], *, label: str, limit_s: float, deadline: float, vm: str | None = None) -> T:
        """Run ``work`` in a thread on ``road`` and give its result or raise its error.

        It may run for ``limit_s`` seconds before it counts as stuck: then ``NotComeBackError`` if it is about ``vm``, else
        ``HypervisorUnavailable``. Nobody waits beyond ``deadline`` (the timers' time): ``DeadlineExceeded``; what was begun is then not undone.
        """
        self._admit(road, vm)
        now = self._timers.time()
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        job = Job(work=work, label=label, vm=vm, limit_s=limit_s, future=future, lane=self._lanes[road])
        job.deadline_timer = self._timers.call_at(deadline, self._on_deadline, job, deadline - now)
        job.lane.waiting.append(job)
        self._pump(job.lane)
        try:
            return cast("T", await future)
        finally:
            self._forget(job)

    def reset(self, reason: str) -> None:
        """The connections are gone: every call fails at once; what comes after goes by new ones."""
        for lane in self._lanes.values():
            lane.crew.retire()
            lane.crew = Crew(lane.road, self._post)
            lane.is_replacing = False
            _cancel(lane.replace_timer)
            for job in list(lane.waiting):
                _fail(job, HypervisorUnavailable(reason=reason))
            lane.waiting.clear()
        self._busy.clear()
        for job in self._running:
            _fail(job, HypervisorUnavailable(reason=reason))

    def close(self) -> None:
        """Fail what waits; threads end as their calls return."""
        self._is_closed = True
        self.reset("the subsystem is going down")

    def _admit(self, road: Road, vm: str | None) -> None:
        if self._is_closed:
            raise HypervisorUnavailable(reason="the subsystem is going down")
        if vm is not None and (holder := self._busy.get((road, vm))) is not None and holder.is_stuck:
            raise GuestUnresponsive(id=vm, reason=f"{holder.label} has not come back yet")
        if road != "rescue" and self.stuck >= self._limits.stuck_in_all:
            raise HypervisorUnavailable(reason=f"{self.stuck} calls hang; only VM.stop is tried until some come back")
        if len(self._lanes[road].waiting) >= self._limits.queued_per_road:
            raise LimitExceeded(limit="calls waiting for the hypervisor", maximum=self._limits.queued_per_road)

    def _pump(self, lane: Lane) -> None:
        """Start what may start, in order; a call whose VM is busy lets others pass."""
        passed_over: deque[Job] = deque()
        while lane.waiting and not lane.is_replacing and lane.crew.in_flight < self._limits.per_road:
            job = lane.waiting.popleft()
            if job.key is not None and job.key in self._busy:
                passed_over.append(job)
            elif not job.future.done():
                self._begin(job)
        passed_over.extend(lane.waiting)
        lane.waiting = passed_over

    def _begin(self, job: Job) -> None:
        job.crew = job.lane.crew
        if job.key is not None:
            self._busy[job.key] = job
        self._running.add(job)
        job.limit_timer = self._timers.call_at(self._timers.time() + job.limit_s, self._on_limit, job)
        job.crew.take(job)

    def _on_deadline(self, job: Job, seconds: float) -> None:
        holder = self._busy.get(job.key) if job.key is not None and job.crew is None else None
        if holder is not None and holder.is_stuck and job.vm is not None:
            _fail(job, GuestUnresponsive(id=job.vm, reason=f"{holder.label} has not come back yet"))
        else:
            _fail(job, DeadlineExceeded(seconds=round(max(seconds, 0.0), 3)))

    def _on_limit(self, job: Job) -> None:
        if job.is_over or job.crew is None:
            return
        job.is_stuck = True
        job.crew.stuck += 1
        reason = f"{job.label} has not come back within {job.limit_s:g} s"
        if job.vm is None:
            _fail(job, HypervisorUnavailable(reason=reason))
        else:
            _fail(job, NotComeBackError(id=job.vm, reason=reason))
            self._fail_followers(job)
            self._stuck_of[job.vm] = self._stuck_of.get(job.vm, 0) + 1
            self._watchers.stuck(job.vm, reason)
        if not job.crew.is_retired and job.crew.stuck >= self._limits.stuck_per_road:
            self._retire(job.lane)

    def _fail_followers(self, stuck: Job) -> None:
        """Those that wait behind a stuck call for the same VM need not wait longer."""
        for job in stuck.lane.waiting:
            if job.key == stuck.key and job.vm is not None:
                _fail(job, GuestUnresponsive(id=job.vm, reason=f"{stuck.label} has not come back yet"))

    def _retire(self, lane: Lane) -> None:
        """Replace the connection of a road; calls wait meanwhile, those on the old one go on."""
        lane.crew.retire()
        lane.crew = crew = Crew(lane.road, self._post)
        lane.is_replacing = True
        reason = f"a new connection ({lane.road}) was not there within {self._limits.replace_s:g} s"
        lane.replace_timer = self._timers.call_at(self._timers.time() + self._limits.replace_s, self._watchers.wedged, reason)
        try:
            begin_thread(f"virt-replace-{lane.road}", self._run_replace, lane, crew)
        except HypervisorUnavailable as failure:
            self._on_replaced(lane, crew, failure.message)

    def _run_replace(self, lane: Lane, crew: Crew) -> None:
        """In a thread of its own: opening may hang for ever."""
        failure: str | None = None
        try:
            self._replace(lane.road)
        except Exception as error:  # noqa: BLE001 - carried to the loop
            failure = str(error)
        self._wake(self._on_replaced, lane, crew, failure)

    def _on_replaced(self, lane: Lane, crew: Crew, failure: str | None) -> None:
        if lane.crew is not crew:
            return  # everything was reset meanwhile
        _cancel(lane.replace_timer)
        lane.is_replacing = False
        if failure is not None:
            self._watchers.lost(failure)
        self._pump(lane)

    def _post(self, job: Job, result: object, error: BaseException | None) -> None:
        """From a thread: a call has come back."""
        with self._finished_lock:
            self._finished.append((job, result, error))
            is_first = len(self._finished) == 1
        if is_first:
            self._wake(self._drain)

    def _wake(self, callback: Callable[..., object], *args: object) -> None:
        try:
            self._timers.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _drain(self) -> None:
        """Hand over everything that has come back since the last time."""
        with self._finished_lock:
            finished, self._finished = self._finished, []
        for job, result, error in finished:
            self._finish(job, result, error)
        for lane in self._lanes.values():
            self._pump(lane)

    def _finish(self, job: Job, result: object, error: BaseException | None) -> None:
        job.is_over = True
        _cancel(job.limit_timer)
        self._running.discard(job)
        if job.key is not None and self._busy.get(job.key) is job:
            del self._busy[job.key]
        if job.crew is not None:
            job.crew.in_flight -= 1
            job.crew.stuck -= job.is_stuck
        if job.is_stuck and job.vm is not None:
            self._release(job.vm)
        if error is not None:
            _fail(job, error)
        elif not job.future.done():
            job.future.set_result(result)

    def _release(self, vm: str) -> None:
        self._stuck_of[vm] -= 1
        if not self._stuck_of[vm]:
            del self._stuck_of[vm]
            self._watchers.released(vm)

    def _forget(self, job: Job) -> None:
        """The caller is served or gone: a call that has not begun is not begun any more."""
        _cancel(job.deadline_timer)
        if job.crew is None and job in job.lane.waiting:
            job.lane.waiting.remove(job)


def _fail(job: Job, error: BaseException) -> None:
    if not job.future.done():
        job.future.set_exception(error)


def _cancel(timer: Cancellable | None) -> None:
    if timer is not None:
        timer.cancel()
