"""Changes are shown as they come."""

from __future__ import annotations

import json

import pytest

from libvdsm.cli import watch
from libvdsm.cli.description import Description
from libvdsm.cli.failures import Exit
from libvdsm.cli.output import Printer
from tests.unit.cli.support import WEB, FakeSession, Shell

EVENT = {
    "epoch": "e",
    "sequence": 5,
    "time": "2026-01-01T00:00:00Z",
    "topic": f"vm.{WEB}",
    "object": {"type": "vm", "id": WEB, "revision": 5},
    "change": "changed",
    "patch": {"state": "running", "problem": None, "config": {"vcpus": 2}},
    "cause": {"kind": "call", "method": "VM.start"},
}


@pytest.mark.parametrize(
    ("verb", "topics"),
    (
        ("VM.list", ["vm.#"]),
        ("VM.get", ["vm.#"]),
        ("Task.list", ["task.#"]),
        ("Host.getInfo", ["host"]),
        ("VM.getStats", []),
        ("Host.getStats", []),
    ),
)
def test_topics_of_a_result(description: Description, verb: str, topics: list[str]) -> None:
    """Objects have topics, figures have none."""
    assert watch.topics_of(description, description.verb(verb)) == topics


def test_a_change_is_shown_when_its_event_comes(
    description: Description, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is taken before the first look, so no change can fall between."""
    monkeypatch.setattr(watch, "_SETTLE_S", 0)
    session = FakeSession({"Event.read": [{"items": [], "resume": "1"}, {"items": [], "resume": "1"}, {"items": [EVENT], "resume": "2"}]})
    states = iter(["stopped", "running"])
    verb = description.verb("VM.list")
    watch.watch(session, description, verb, lambda: {"items": [{"state": next(states)}]}, Printer(description, "ndjson"), rounds=2)
    assert capsys.readouterr().out == '{"state":"stopped"}\n{"state":"running"}\n'
    assert session.made("Event.read") == [
        {"topics": ["vm.#"], "timeout": 0},
        {"topics": ["vm.#"], "timeout": 30, "after": "1"},
        {"topics": ["vm.#"], "timeout": 30, "after": "1"},
    ]


def test_figures_are_looked_at_again(description: Description, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What no event tells of is read every interval."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    watch.watch(
        FakeSession(),
        description,
        description.verb("VM.getStats"),
        lambda: {"items": []},
        Printer(description, "json"),
        interval_s=3,
        rounds=3,
    )
    assert slept == [3, 3]
    assert capsys.readouterr().out.count('"items"') == 3


def test_events_on_a_line_for_people() -> None:
    """Time, topic, change, the patch in short, the cause."""
    text = watch.delivery_text({"resume": "e-5", "event": EVENT}, "table")
    assert text == f"2026-01-01T00:00:00Z  vm.{WEB}  changed  state=running -problem config={{…}}  (call VM.start)"


def test_events_cannot_steer_the_terminal() -> None:
    text = watch.event_text(EVENT | {"patch": {"name": "\x1b[2J"}, "topic": "\x07"})
    assert text.isprintable()


def test_a_gap_is_said() -> None:
    assert "3 events are lost (trimmed)" in watch.delivery_text({"gap": {"reason": "trimmed", "missed": 3}}, "table")
    assert "begins anew" in watch.delivery_text({"gap": {"reason": "snapshot"}}, "table")


def test_events_follow(vdsmsh: Shell, session: FakeSession) -> None:
    """Elsewhere than on a terminal each delivery is a line of JSON; --count ends it."""
    session.delivered = [{"resume": f"e-{number}", "event": EVENT} for number in range(5)]
    ran = vdsmsh("events", "--follow", "--count", "2", "--topic", "vm.#", "--after", "e-1")
    assert ran.code == Exit.DONE
    assert [json.loads(line)["resume"] for line in ran.out.splitlines()] == ["e-0", "e-1"]
    assert session.asked == [{"topics": ["vm.#"], "after": "e-1", "snapshot": False}]


def test_event_subscribe_follows(vdsmsh: Shell, session: FakeSession) -> None:
    """The verb's own command does what the verb is for."""
    session.delivered = [{"resume": "e-1", "event": EVENT}]
    ran = vdsmsh("event", "subscribe", "--snapshot", "-o", "yaml")
    assert ran.out.startswith("---\nresume: e-1\nevent:\n")
    assert session.asked == [{"topics": ["#"], "after": None, "snapshot": True}]


def test_events_without_following(vdsmsh: Shell, session: FakeSession) -> None:
    """What has happened since a token, and the token to go on from."""
    session.answers["Event.read"] = {"items": [EVENT], "resume": "e-5"}
    ran = vdsmsh("events", "--after", "e-1", "-o", "table")
    assert ran.out.splitlines()[0].split() == ["TIME", "TOPIC", "CHANGE", "CAUSE", "BY", "PATCH"]
    assert "--after e-5" in ran.err


def test_an_interrupt_ends_following(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["VM.list"] = [{"items": []}]
    session.answers["Event.read"] = [{"items": [], "resume": "1"}, KeyboardInterrupt()]
    assert vdsmsh("vm", "list", "--watch").code == Exit.INTERRUPTED


def test_a_reader_that_has_enough_is_no_failure(vdsmsh: Shell, session: FakeSession) -> None:
    """``vdsmsh events --follow | head -1`` ends well."""
    session.answers["VM.list"] = BrokenPipeError()
    assert vdsmsh("vm", "list").code == Exit.DONE
