"""Tasks are followed to their end, or left as the user says."""

from __future__ import annotations

import io
from typing import Any

import pytest

from libvdsm.cli import tasks
from libvdsm.cli.failures import Exit, Failure, Refused
from tests.unit.cli.support import TASK, FakeSession, task


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user at a terminal; the bar itself is drawn in the tests of the terminal."""
    monkeypatch.setattr(tasks, "is_terminal", lambda stream: True)
    monkeypatch.setattr(tasks, "display", tasks.Lines)


def interrupted_then(*answers: dict[str, Any]) -> FakeSession:
    """Return a session whose first wait is interrupted."""
    return FakeSession({"Task.wait": [KeyboardInterrupt(), *answers], "Task.cancel": task("cancelling")})


def follow(session: FakeSession, **more: Any) -> Any:
    """Follow a running task."""
    return tasks.Follower(session, lambda: session, **more).follow(task())


def test_a_task_is_followed_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Changes are said once each; the end comes as soon as the daemon tells it."""
    session = FakeSession({"Task.wait": [task(value=10), task(value=10), task("done", 100)]})
    assert follow(session)["state"] == "done"
    assert capsys.readouterr().err.splitlines() == ["VM.start running 0 %", "VM.start running 10 %", "VM.start done 100 %"]
    assert session.made("Task.wait") == [{"taskId": TASK, "seconds": 0.5}] * 3


def test_waiting_has_a_bound() -> None:
    """When the time is up the task goes on, and the failure says so."""
    times = iter([0.0, 0.0, 0.2, 1.0])
    session = FakeSession({"Task.wait": lambda params: task()})
    with pytest.raises(Failure, match="goes on") as caught:
        follow(session, wait_s=0.3, clock=lambda: next(times))
    assert caught.value.exit is Exit.STILL_RUNNING
    assert [round(params["seconds"], 3) for params in session.made("Task.wait")] == [0.3, 0.1]


def test_without_a_terminal_an_interrupt_leaves_the_task() -> None:
    """Nobody can be asked: the task goes on and its id is told."""
    with pytest.raises(Failure, match=TASK) as caught:
        follow(interrupted_then())
    assert caught.value.exit is Exit.STILL_RUNNING
    assert "vdsmsh task wait" in caught.value.remedy


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ("l\n", "\n", ""))
def test_the_user_leaves_the_task(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Leaving is the default, also at the end of the input."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    session = interrupted_then()
    with pytest.raises(Failure) as caught:
        follow(session)
    assert caught.value.exit is Exit.STILL_RUNNING
    assert session.made("Task.cancel") == []


@pytest.mark.usefixtures("terminal")
def test_the_user_cancels_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling asks the task to stop and waits for how it ends."""
    monkeypatch.setattr("sys.stdin", io.StringIO("c\n"))
    session = interrupted_then(task("cancelled"))
    assert follow(session)["state"] == "cancelled"
    assert session.made("Task.cancel") == [{"taskId": TASK}]


@pytest.mark.usefixtures("terminal")
def test_the_user_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is none of the letters is asked again."""
    monkeypatch.setattr("sys.stdin", io.StringIO("x\nw\n"))
    assert follow(interrupted_then(task("done", 100)))["state"] == "done"


def test_outcomes() -> None:
    """A task that did not end well is a failure with its error's exit code."""
    tasks.check_outcome(task("done"))
    with pytest.raises(Refused) as cancelled:
        tasks.check_outcome(task("cancelled", error={"code": 11, "message": "m", "data": {"error": "Cancelled", "fault": "client"}}))
    assert cancelled.value.exit is Exit.CANCELLED
    with pytest.raises(Failure) as unknown:
        tasks.check_outcome(task("unknown"))
    assert unknown.value.exit is Exit.OUTCOME_UNKNOWN


def test_states_of_a_later_daemon_are_ends() -> None:
    """A word that this shell does not know must not make it wait for ever."""
    assert tasks.has_ended(task("evaporated"))
    assert not tasks.has_ended(task("cancelling"))


def test_amounts_have_units() -> None:
    assert tasks.amount(task(value=40)) == "40 %"
    assert tasks.amount({"progress": {"value": 1536, "unit": "bytes"}}) == "1.5 KiB"
    assert tasks.amount({"progress": {"value": 3, "unit": "\x1bpages"}}) == "3 \\x1bpages"
    assert tasks.amount({}) == "0 "
