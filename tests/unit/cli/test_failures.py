"""The exit codes are a promise, and failures say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.cli.failures import AmbiguousName, ApiFailure, Exit, Failure, Refused

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "shell.md"


@pytest.mark.parametrize(
    ("error", "fault", "code"),
    (
        ("InvalidParams", "client", Exit.USAGE),
        ("ObjectNotFound", "client", Exit.NOT_FOUND),
        ("PermissionDenied", "client", Exit.PERMISSION),
        ("WrongState", "client", Exit.REFUSED),
        ("SubsystemUnavailable", "server", Exit.SERVER),
        ("HypervisorUnavailable", "host", Exit.HOST),
        ("GuestUnresponsive", "guest", Exit.GUEST),
        ("DeadlineExceeded", "server", Exit.TIME_UP),
        ("OutcomeUnknown", "server", Exit.OUTCOME_UNKNOWN),
        ("Cancelled", "client", Exit.CANCELLED),
        ("InternalError", "server", Exit.DEFECT),
        ("BornTomorrow", "host", Exit.HOST),
        ("BornTomorrow", "", Exit.DEFECT),
    ),
)
def test_errors_have_exit_codes(error: str, fault: str, code: Exit) -> None:
    """By id where it matters to scripts, else by whose fault it is."""
    assert ApiFailure(code=1, message="", error=error, fault=fault).exit is code


def test_numbers_of_exit_codes_stay() -> None:
    """Scripts compare numbers."""
    assert [(code.name, code.value) for code in Exit] == [
        ("DONE", 0),
        ("DEFECT", 1),
        ("USAGE", 2),
        ("CONNECTION", 3),
        ("NOT_FOUND", 4),
        ("AMBIGUOUS", 5),
        ("PERMISSION", 6),
        ("REFUSED", 7),
        ("SERVER", 8),
        ("HOST", 9),
        ("GUEST", 10),
        ("TIME_UP", 11),
        ("OUTCOME_UNKNOWN", 12),
        ("CANCELLED", 13),
        ("STILL_RUNNING", 14),
        ("UNSOUND", 15),
        ("INTERRUPTED", 130),
    ]


def test_the_guide_has_the_exit_codes() -> None:
    """Documentation and program say the same."""
    text = GUIDE.read_text(encoding="utf-8")
    for code in Exit:
        assert f"| {code.value} | {code.summary} |" in text


def test_an_error_document_is_read_leniently() -> None:
    """A daemon of another version, or something that is no daemon, must not break the shell."""
    assert ApiFailure.of({}) == ApiFailure(code=0, message="")
    assert ApiFailure.of({"code": "x", "message": 3, "data": []}) == ApiFailure(code=0, message="3")
    found = ApiFailure.of(
        {
            "code": 3,
            "message": "m",
            "data": {"error": "E", "params": {"a": 1}, "path": "$.x", "fault": "guest", "retryable": True, "remedy": "r"},
        }
    )
    assert found == ApiFailure(code=3, message="m", error="E", params={"a": 1}, path="$.x", fault="guest", retryable=True, remedy="r")


def test_strings_of_the_daemon_cannot_steer_the_terminal() -> None:
    """Escape sequences in messages, names and remedies are written out."""
    evil = "\x1b]0;owned\x07\n\u202e"
    for failure in (
        Failure(evil, remedy=evil),
        Refused(ApiFailure(code=1, message=evil, error=evil, path=evil, remedy=evil)),
        AmbiguousName("VM", evil, [(evil, evil)]),
    ):
        for line in failure.lines():
            assert line.isprintable()
