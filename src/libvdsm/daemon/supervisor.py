"""Holds the process tree together: starts, watches, kills, restarts, stops. Knows no verb and no loop.

Standard library only, and small, because nobody watches it and everything is forked from it. Front and workers die
with it. Its listening sockets stay open while the front is restarted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from libvdsm.daemon.child import ChildEnds, Ending, Process, Program, launch
from libvdsm.daemon.control import ControlEnd, Notice
from libvdsm.daemon.restart import UNREACHABLE, Pace, RestartPolicy

_log = logging.getLogger(__name__)

STOPPED = 0
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a supervisor holds together."""

    front: Program
    workers: Sequence[Program] = ()
    worlds: Sequence[Program] = ()
    listeners: tuple[socket.socket, ...] = ()
    keep: Sequence[int] = ()  # descriptors that every child keeps: where its log goes
    ready_file: Path | None = None
    describe: dict[str, object] = field(default_factory=dict)  # further members of the ready file
    pace: Pace = field(default_factory=Pace)


class _Post:
    """The place of one program: its process, if it runs, and when it is started again, if not."""

    def __init__(self, program: Program, pace: Pace) -> None:
        self.program = program
        self.policy = RestartPolicy(pace)
        self.process: Process | None = None
        self.last_pid = 0
        self.start_at: float | None = None  # None: not to be started now


class Supervisor:
    """``run`` is its whole life."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._front = _Post(plan.front, plan.pace)
        self._workers = [_Post(program, plan.pace) for program in plan.workers]
        self._worlds = [_Post(program, plan.pace) for program in plan.worlds]
        self._posts = [self._front, *self._workers, *self._worlds]
        self._control: ControlEnd | None = None
        self._is_ready = False
        self._was_ready = False
        self._stop_asked = False
        self._is_stopping = False
        self._exit_status = STOPPED
        self._written = b""

    def run(self) -> int:
        """Start everything and keep it so until SIGTERM or SIGINT; answers the exit status."""
        wake, wakeup = socket.socketpair()
        wake.setblocking(False)
        wakeup.setblocking(False)
        former_wakeup = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        former = {number: signal.signal(number, self._note_signal) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
        try:
            now = self._clock()
            for post in (*self._worlds, self._front):
                post.start_at = now
            while self._turn(wake):
                pass
        finally:
            self._kill_all()
            self._forget_ready_file()
            signal.set_wakeup_fd(former_wakeup)
            for number, handler in former.items():
                signal.signal(number, handler)
            wake.close()
            wakeup.close()
        return self._exit_status

    # --- one turn

    def _turn(self, wake: socket.socket) -> bool:
        """Wait for something, deal with all there is; ``False`` when everything has ended as asked."""
        self._wait(wake)
        now = self._clock()
        self._hear_front(now)
        for post in self._posts:
            self._look_at(post, now)
        if self._stop_asked and not self._is_stopping:
            self._begin_stop(now)
        if self._is_stopping:
            return self._go_on_stopping(now)
        for post in self._posts:
            if post.start_at is not None and post.start_at <= now and self._may_start(post):
                self._start(post, now)
        self._write_ready_file()
        return True

    def _wait(self, wake: socket.socket) -> None:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        if self._control is not None:
            poll.register(self._control, select.POLLIN | (select.POLLOUT if self._control.has_waiting else 0))
        for post in self._posts:
            if post.process is not None and not post.process.is_degraded:
                continue
            if post.process is not None:
                poll.register(post.process.heartbeat, select.POLLIN)  # its coming back is news; other beats can wait
        poll.poll(self._until_due() * 1000)
        with contextlib.suppress(BlockingIOError):
            while wake.recv(4096):
                pass

    def _until_due(self) -> float:
        """Seconds until time itself is a reason to look."""
        now = self._clock()
        due = [now + self._plan.pace.look_s]
        due += [post.start_at for post in self._posts if post.start_at is not None and self._may_start(post)]
        due += [post.process.kill_at for post in self._posts if post.process is not None and post.process.kill_at is not None]
        return max(0.0, min(due) - now + 0.001)

    def _note_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stop_asked = True

    # --- the front's words

    def _hear_front(self, now: float) -> None:
        while self._control is not None:
            self._control.flush()
            try:
                received = self._control.receive()
            except BlockingIOError:
                return
            if received is None:
                self._control.close()
                self._control = None
                return
            for descriptor in received.descriptors:
                os.close(descriptor)
            if received.notice.what == "ready":
                self._front_is_ready(now)

    def _front_is_ready(self, now: float) -> None:
        self._is_ready = self._was_ready = True
        for post in self._workers:
            if post.start_at is not None and post.last_pid == 0:
                post.start_at = now

    def _tell_front(self, notice: Notice, streams: list[socket.socket] | None = None) -> None:
        if self._control is not None:
            self._control.send(notice, streams)
        else:
            for stream in streams or []:
                stream.close()

    # --- watching

    def _look_at(self, post: _Post, now: float) -> None:
        process = post.process
        if process is None:
            return
        process.read_beats(now)
        if (ending := process.reap()) is not None:
            post.process = None
            self._ended(post, process, ending, now)
        elif process.kill_at is not None and process.kill_at <= now:
            _log.warning("%s does not end; it is killed", post.program.name)
            process.kill_at = None
            process.send_signal(signal.SIGKILL)
        elif post.program.role != "world":
            self._feel_pulse(post, process, now - process.last_beat)

    def _feel_pulse(self, post: _Post, process: Process, silent_s: float) -> None:
        pace = self._plan.pace
        if silent_s >= pace.hung_s and process.kill_at is None:
            _log.error("%s (pid %d) has been silent for %.0f s; it is killed", post.program.name, process.pid, silent_s)
            process.send_signal(signal.SIGKILL)
            process.last_beat += pace.hung_s
        elif (silent_s >= pace.degraded_s) != process.is_degraded:
            process.is_degraded = not process.is_degraded
            reason = f"no heartbeat for {silent_s:.0f} s" if process.is_degraded else ""
            _log.warning("%s: %s", post.program.name, reason or "its heartbeat is back")
            if post.program.role == "worker":
                self._tell_front(Notice("degraded", post.program.name, reason))

    def _ended(self, post: _Post, process: Process, ending: Ending, now: float) -> None:
        if self._is_stopping:
            return
        name = post.program.name
        if post.program.role == "worker" and self._front.process is None:
            return  # it follows its front; ``_front_ended`` said when it begins again
        verdict = post.policy.ended(now, now - process.started_at, ending.exit_status)
        post.start_at = now + verdict.delay_s
        level = logging.WARNING if ending.exit_status == UNREACHABLE else logging.ERROR
        _log.log(level, "%s (pid %d): %s; again in %.1f s", name, process.pid, ending, verdict.delay_s)
        if post is self._front:
            self._front_ended(post.start_at, now, is_held=verdict.is_held)
        elif verdict.is_held:
            post.last_pid = 0
            self._tell_held(post, ending)

    def _tell_held(self, post: _Post, ending: Ending) -> None:
        pace = self._plan.pace
        reason = f"{ending}, too often in {pace.window_s:.0f} s; the next attempt follows in {pace.held_s:.0f} s"
        self._tell_front(Notice("held", post.program.name, reason))

    def _front_ended(self, start_at: float, now: float, *, is_held: bool) -> None:
        """Its workers see the end of file and end by themselves; we make sure of it. All begin again after it."""
        self._is_ready = False
        if self._control is not None:
            self._control.close()
            self._control = None
        for post in self._workers:
            post.start_at = start_at + self._plan.pace.head_start_s
            post.last_pid = 0
            if post.process is not None and post.process.kill_at is None:
                post.process.kill_at = now + self._plan.pace.worker_stop_s
        if is_held and not self._was_ready:
            _log.error("the front cannot be started")
            self._exit_status = FAILED
            self._stop_asked = True

    # --- starting

    def _may_start(self, post: _Post) -> bool:
        """A worker needs its front; a front waits until the workers of the one before are gone."""
        if post.program.role == "worker":
            return self._front.process is not None
        return post is not self._front or all(worker.process is None for worker in self._workers)

    def _start(self, post: _Post, now: float) -> None:
        post.start_at = None
        try:
            if post.program.role == "front":
                self._start_front(post, now)
            elif post.program.role == "worker":
                self._start_worker(post, now)
            else:
                post.process = launch(post.program, lambda heartbeat: ChildEnds(heartbeat=heartbeat), self._plan.keep, now)
        except OSError as failure:
            verdict = post.policy.ended(now, 0.0, None)
            post.start_at = now + verdict.delay_s
            _log.error("%s cannot be started: %s; again in %.1f s", post.program.name, failure, verdict.delay_s)
            return
        if post.process is not None:
            post.last_pid = post.process.pid

    def _start_front(self, post: _Post, now: float) -> None:
        ours, its = ControlEnd.pair()
        with its:
            try:
                post.process = launch(
                    post.program,
                    lambda heartbeat: ChildEnds(heartbeat=heartbeat, control=its, listeners=self._plan.listeners),
                    self._plan.keep,
                    now,
                )
            except OSError:
                ours.close()
                raise
        self._control = ControlEnd(ours)
        for worker in self._workers:
            worker.start_at = max(worker.start_at or 0.0, now + self._plan.pace.head_start_s)

    def _start_worker(self, post: _Post, now: float) -> None:
        with contextlib.ExitStack() as opened:
            front_frames, frames = socket.socketpair()
            opened.enter_context(front_frames)
            opened.enter_context(frames)
            front_side, side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.enter_context(front_side)
            opened.enter_context(side)
            post.process = launch(
                post.program,
                lambda heartbeat: ChildEnds(heartbeat=heartbeat, frames=frames, side=side),
                self._plan.keep,
                now,
            )
            notice = Notice("attach", post.program.name, pid=post.process.pid)
            self._tell_front(notice, [front_frames.dup(), front_side.dup()])

    # --- the ready file

    def _write_ready_file(self) -> None:
        file = self._plan.ready_file
        if file is None or not self._is_ready:
            return
        pids = {post.program.name: post.last_pid for post in (*self._workers, *self._worlds) if post.last_pid}
        content = json.dumps({"pid": os.getpid(), "front": self._front.last_pid, **self._plan.describe, "workers": pids}).encode()
        if content == self._written:
            return
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            fresh.write_bytes(content + b"\n")
            fresh.replace(file)
        except OSError as failure:
            _log.error("%s cannot be written: %s", file, failure)
        self._written = content

    def _forget_ready_file(self) -> None:
        if self._plan.ready_file is not None and self._written:
            self._plan.ready_file.unlink(missing_ok=True)

    # --- stopping

    def _begin_stop(self, now: float) -> None:
        _log.info("stopping")
        self._is_stopping = True
        if self._front.process is not None:
            self._ask_to_end(self._front.process, now + self._plan.pace.front_stop_s)
        else:
            self._stop_rest(self._workers, now, self._plan.pace.worker_stop_s)

    def _go_on_stopping(self, now: float) -> bool:
        """First the front, which flushes; then the workers, which saw the end of file; then the simulator's world."""
        pace = self._plan.pace
        if self._front.process is not None:
            return True
        if any(post.process is not None for post in self._workers):
            self._stop_rest(self._workers, now, pace.worker_stop_s)
            return True
        self._stop_rest(self._worlds, now, pace.world_stop_s)
        return any(post.process is not None for post in self._worlds)

    def _stop_rest(self, posts: Sequence[_Post], now: float, patience_s: float) -> None:
        for post in posts:
            if post.process is not None and post.process.kill_at is None:
                self._ask_to_end(post.process, now + patience_s)

    def _ask_to_end(self, process: Process, kill_at: float) -> None:
        process.send_signal(signal.SIGTERM)
        process.kill_at = kill_at

    def _kill_all(self) -> None:
        for post in self._posts:
            if post.process is not None:
                post.process.send_signal(signal.SIGKILL)
        while any(post.process is not None for post in self._posts):
            for post in self._posts:
                if post.process is not None and post.process.reap() is not None:
                    post.process = None
            time.sleep(0.005)
        if self._control is not None:
            self._control.close()
            self._control = None
