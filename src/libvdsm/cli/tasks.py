"""Long work, followed to its end: a bar on a terminal, plain lines elsewhere, always on the error stream."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from libvdsm.cli.failures import ApiFailure, Exit, Failure, Refused
from libvdsm.cli.quantities import format_bytes
from libvdsm.cli.terminal import is_terminal, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.cli.session import Session

    Task = Mapping[str, Any]

#: Seconds of one wait: how often the bar moves while a task runs. Its end is told at once.
_STEP_S: Final = 0.5

_RUNNING: Final = frozenset({"running", "cancelling"})


def has_ended(task: Task) -> bool:
    """Whether a task is over; states that a later daemon adds count as ends."""
    return task["state"] not in _RUNNING


class Display(Protocol):
    """Shows how far a task is."""

    def update(self, task: Task) -> None:
        """Show the task as it is now."""

    def close(self) -> None:
        """Leave the screen in order."""


class Lines:
    """A line for every change."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._said = ""

    def update(self, task: Task) -> None:
        """Say the state if it is new."""
        words = f"{safe(str(task['method']))} {safe(str(task['state']))} {amount(task)}".rstrip()
        if words != self._said:
            self._said = words
            click.echo(words, err=True)

    def close(self) -> None:
        """Nothing is left open."""


class Bar:
    """A progress bar."""

    def __init__(self) -> None:
        """Make the bar; it appears with the first update."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._bar = self._progress.add_task("", total=None, amount="")
        self._progress.start()

    def update(self, task: Task) -> None:
        """Move the bar."""
        from rich.markup import escape

        in_percent = task["progress"]["unit"] == "percent"
        total = 100.0 if in_percent or has_ended(task) else None
        done = task["progress"]["value"] if in_percent else (100.0 if has_ended(task) else 0)
        title = escape(f"{safe(str(task['method']))} {safe(str(task['state']))}")
        self._progress.update(self._bar, description=title, total=total, completed=done, amount=escape(amount(task)))

    def close(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


def amount(task: Task) -> str:
    """Say how much of a task is done: ``40 %``, ``1.5 GiB``."""
    progress = task.get("progress") or {}
    value, unit = progress.get("value", 0), progress.get("unit", "")
    if unit == "percent":
        return f"{value:.0f} %"
    return format_bytes(value) if unit == "bytes" else f"{value:g} {safe(str(unit))}"


def display() -> Display:
    """Return what fits the error stream."""
    return Bar() if is_terminal("stderr") else Lines()


class Follower:
    """Waits for a task, and asks what to do when the user interrupts."""

    def __init__(
        self, session: Session, reopen: Callable[[], Session], *, wait_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Follow with ``session``; ``reopen`` gives a fresh one after an interruption; ``wait_s`` bounds the waiting."""
        self._session = session
        self._reopen = reopen
        self._clock = clock
        self._deadline = None if wait_s is None else clock() + wait_s

    def follow(self, task: Task) -> Task:
        """Return the ended task. Raises ``Failure`` with ``STILL_RUNNING`` if it is left running."""
        screen = display()
        try:
            while True:
                screen.update(task)
                if has_ended(task):
                    return task
                try:
                    task = self._next(task)
                except KeyboardInterrupt:
                    screen.close()
                    task = self._interrupted(task)
                    screen = display()
        finally:
            screen.close()

    def _next(self, task: Task) -> Task:
        step = _STEP_S
        if self._deadline is not None:
            left = self._deadline - self._clock()
            if left <= 0:
                raise left_running(task)
            step = min(step, left)
        found: Task = self._session.call("Task.wait", {"taskId": task["id"], "seconds": step})
        return found

    def _interrupted(self, task: Task) -> Task:
        """Offer to leave the task, to cancel it, or to wait on. Without a terminal it is left running."""
        if not (is_terminal("stdin") and is_terminal("stderr")):
            raise left_running(task)
        answer = _ask(task)
        if answer == "l":
            raise left_running(task)
        # The answer to the interrupted call may be on its way yet: go on with a connection of its own.
        self._session = self._reopen()
        if answer == "c":
            cancelled: Task = self._session.call("Task.cancel", {"taskId": task["id"]})
            return cancelled
        return task


def _ask(task: Task) -> str:
    words = f"\n{safe(str(task['method']))} is running. [l]eave it running, [c]ancel it, [w]ait on?"
    try:
        while True:
            answer = click.prompt(words, default="l", err=True).strip().lower()[:1]
            if answer in ("l", "c", "w"):
                return str(answer)
    except (click.Abort, KeyboardInterrupt):
        return "l"


def left_running(task: Task) -> Failure:
    """Return the failure that says that a task goes on."""
    return Failure(
        f"task {task['id']} ({task['method']}) goes on", remedy=f"Follow it with: vdsmsh task wait {task['id']}", code=Exit.STILL_RUNNING
    )


def check_outcome(task: Task) -> None:
    """Raise what a task failed with; return if it ended well."""
    if task["state"] == "done":
        return
    error = task.get("error")
    if isinstance(error, dict):
        raise Refused(ApiFailure.of(error))
    raise Failure(f"task {task['id']} ended as {task['state']}", code=Exit.OUTCOME_UNKNOWN)


def hint(task: Task) -> None:
    """Tell on the error stream how to follow a task that runs."""
    if sys.stderr is not None and not has_ended(task):
        click.echo(f"It goes on; follow it with: vdsmsh task wait {task['id']}", err=True)
