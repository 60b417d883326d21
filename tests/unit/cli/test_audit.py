"""The audit trail on a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from libvdsm.cli.failures import Exit
from tests.unit.cli.support import WEB, FakeSession, Shell

RECORD: dict[str, Any] = {
    "sequence": 12,
    "time": "2026-01-01T00:00:00.000Z",
    "identity": "user:alice",
    "source": "certificate",
    "address": "192.0.2.7",
    "method": "VM.update",
    "object": {"type": "vm", "id": WEB},
    "changed": ["config.memory", "name"],
    "outcome": "refused",
    "error": "PermissionDenied",
    "count": 9,
    "hash": "9f" * 32,
}


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "220")


@pytest.mark.usefixtures("wide")
def test_the_noun_alone_shows_the_newest_records(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Audit.list"] = {"items": [RECORD], "next": "12"}
    ran = vdsmsh("audit", "-o", "table")
    head, row = [line for line in ran.out.splitlines() if line.strip() and "─" not in line]
    assert head.split() == ["TIME", "WHO", "FROM", "VERB", "OBJECT", "GIVEN", "OUTCOME", "ERROR", "TIMES"]
    assert row.split() == [
        *("2026-01-01T00:00:00.000Z", "user:alice", "192.0.2.7", "VM.update", WEB),
        *("config.memory,", "name", "refused", "PermissionDenied", "9"),
    ]
    assert len(session.made("Audit.list")) == 1, "a trail has no end worth waiting for"
    assert "--after 12" in ran.err


def test_the_noun_alone_takes_the_filters_of_its_list(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Audit.list"] = {"items": []}
    assert vdsmsh("audit", "--since", "2026-01-01T00:00:00Z", "--outcome", "refused", "--identity", "user:alice").code == Exit.DONE
    assert session.made("Audit.list") == [{"filter": {"since": "2026-01-01T00:00:00Z", "outcomes": ["refused"], "identity": "user:alice"}}]


def test_the_noun_still_has_its_help(vdsmsh: Shell, session: FakeSession) -> None:
    told = vdsmsh("audit", "--help").out
    assert {"changes", "list", "verify"} <= set(re.findall(r"^  (\w+)", told, re.MULTILINE))
    assert not session.calls


def test_a_time_ago_is_a_time(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Audit.changes"] = {"items": [], "complete": True}
    assert vdsmsh("audit", "changes", "--since", "-1h").code == Exit.DONE
    [params] = session.made("Audit.changes")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", params["since"])


@pytest.mark.usefixtures("wide")
def test_changes_are_a_row_an_object(vdsmsh: Shell, session: FakeSession) -> None:
    change = {
        "object": {"type": "vm", "id": WEB},
        "change": "changed",
        "patch": {"state": "running", "revision": 7, "config": {}},
        "events": 2,
        "causes": [
            {"kind": "call", "method": "VM.start", "identity": "user:alice"},
            {"kind": "call", "method": "VM.start", "identity": "user:bob"},
            {"kind": "hypervisor"},
        ],
    }
    session.answers["Audit.changes"] = {"items": [change], "complete": False}
    ran = vdsmsh("audit", "changes", "--since", "1h", "-o", "table")
    row = next(line for line in ran.out.splitlines() if WEB in line)
    assert row.split() == ["vm", WEB, "changed", "2", "user:alice,", "user:bob", "VM.start", "state,", "config"]
    assert "There was more" in ran.err


def test_a_sound_trail_ends_well(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Audit.verify"] = {"sound": True, "first": 1, "last": 12, "hash": "9f" * 32}
    ran = vdsmsh("audit", "verify", "-o", "table")
    assert ran.code == Exit.DONE
    assert "sound" in ran.out


def test_an_unsound_trail_is_an_exit_code(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Audit.verify"] = {"sound": False, "first": 1, "last": 12, "firstUnsound": 7, "reason": "it was \x1b changed"}
    ran = vdsmsh("audit", "verify")
    assert ran.code == Exit.UNSOUND
    assert '"sound":' in ran.out
    assert "record 7: it was \\x1b changed" in ran.err
