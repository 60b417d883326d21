"""``vdsmsh plan``: the command as it would be given, asked about instead of done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from libvdsm.cli.failures import Exit
from tests.unit.cli.support import WEB, FakeSession, Shell

RUNNING: dict[str, Any] = {"error": "WrongState", "code": 3, "message": "vm web is running", "remedy": "Stop it.", "retryable": False}
BUSY: dict[str, Any] = {"error": "ResourceBusy", "code": 13, "message": "it is busy", "remedy": "Try again.", "retryable": True}
FAULT: dict[str, Any] = {
    "error": "InvalidParams",
    "code": -32602,
    "message": "Expected more at $.config.memory",
    "path": "$.config.memory",
    "remedy": "Correct it.",
    "retryable": False,
}


def test_the_question_is_the_command_with_ids_for_names(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Plan.check"] = {"possible": True, "reasons": []}
    ran = vdsmsh("plan", "vm", "start", "web", "--paused", "--expected-generation", "3", "-o", "table")
    assert (ran.code, ran.out) == (Exit.DONE, "Possible.\n")
    assert session.made("Plan.check") == [{"method": "VM.start", "params": {"vmId": WEB, "paused": True}, "expectedGeneration": 3}]
    assert not session.made("VM.start")


def test_nothing_to_do_is_said(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Plan.check"] = {"possible": True, "nothingToDo": True, "reasons": []}
    assert vdsmsh("plan", "vm", "stop", "web", "-o", "table").out == "Possible: nothing is left to do.\n"


def test_all_reasons_are_shown_with_option_remedy_and_error(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Plan.check"] = {"possible": False, "reasons": [FAULT, BUSY]}
    ran = vdsmsh("plan", "vm", "update", "web", "--memory", "1MiB", "-o", "table")
    assert ran.out.splitlines() == [
        "Not possible.",
        "  Expected more at $.config.memory",
        "    where:  --memory (config.memory)",
        "    remedy: Correct it.",
        "    error:  InvalidParams (-32602)",
        "  it is busy",
        "    remedy: Try again.",
        "    error:  ResourceBusy (13, may pass by itself)",
    ]
    assert ran.code == Exit.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    (
        ("WrongState", Exit.REFUSED),
        ("PermissionDenied", Exit.PERMISSION),
        ("ObjectNotFound", Exit.NOT_FOUND),
        ("StateFull", Exit.REFUSED),
        ("InternalError", Exit.DEFECT),
    ),
)
def test_the_exit_code_is_by_the_first_reason(vdsmsh: Shell, session: FakeSession, error: str, code: Exit) -> None:
    session.answers["Plan.check"] = {"possible": False, "reasons": [RUNNING | {"error": error}, FAULT]}
    assert vdsmsh("plan", "vm", "start", "web").code == code


def test_a_program_gets_the_answer_as_it_is(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Plan.check"] = {"possible": False, "reasons": [RUNNING]}
    assert json.loads(vdsmsh("plan", "vm", "start", "web", "-o", "json").out) == {"possible": False, "reasons": [RUNNING]}


def test_what_only_a_call_has_is_not_offered(vdsmsh: Shell, session: FakeSession) -> None:
    """Nothing is waited for; and only what changes something is asked about."""
    told = vdsmsh("plan", "vm", "start", "--help").out
    assert "--paused" in told
    assert "--wait" not in told
    assert vdsmsh("plan", "vm", "list").code == Exit.USAGE
    assert vdsmsh("plan", "event", "subscribe").code == Exit.USAGE
    assert not session.calls


def test_the_verb_itself_is_there_too(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Plan.check"] = {"possible": True, "reasons": []}
    assert vdsmsh("plan", "check", "--method", "VM.start", "--params", json.dumps({"vmId": WEB})).code == Exit.DONE
    assert session.made("Plan.check") == [{"method": "VM.start", "params": {"vmId": WEB}}]


def test_plan_stands_once_in_the_help(vdsmsh: Shell) -> None:
    assert [line.split()[0] for line in vdsmsh("--help").out.splitlines() if line.strip()].count("plan") == 1
