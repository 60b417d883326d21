"""``vdsmsh doctor``: findings with remedies, with the daemon and without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from libvdsm.cli import doctor
from libvdsm.cli.failures import ConnectionFailure, Exit
from tests.unit.cli.support import FakeSession, Shell, refused

OK: dict[str, Any] = {"id": "host.kvm", "state": "ok", "summary": "It is there."}
SLOW: dict[str, Any] = {
    "id": "hypervisor.acceleration",
    "state": "limited",
    "summary": "Guests run slowly.",
    "reason": "KVM hangs\x1b[31m",
    "remedy": "Mend it.",
}
GONE: dict[str, Any] = {
    "id": "state.store",
    "state": "missing",
    "summary": "Nothing is recorded.",
    "reason": "full",
    "remedy": "Make room.",
}
SILENT = ConnectionFailure("cannot connect: refused", remedy="Is vdsmd running there?")


@pytest.mark.parametrize(
    ("found", "code", "last"),
    (
        ([OK], Exit.DONE, "All is well."),
        ([OK, SLOW], Exit.DONE, "1 ok, 1 limited."),
        ([OK, SLOW, GONE], Exit.UNSOUND, "1 ok, 1 limited, 1 missing."),
    ),
)
def test_the_exit_code_tells_whether_something_is_missing(
    vdsmsh: Shell, session: FakeSession, found: list[dict[str, Any]], code: Exit, last: str
) -> None:
    session.answers["Host.diagnose"] = {"items": found}
    ran = vdsmsh("doctor", "-o", "table")
    assert (ran.code, ran.out.splitlines()[-1]) == (code, last)


def test_each_finding_has_its_line_with_reason_and_remedy_below(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Host.diagnose"] = {"items": [OK, SLOW]}
    lines = vdsmsh("doctor", "-o", "table").out.splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["ok", "host.kvm", "It", "is", "there."],
        ["limited", "hypervisor.acceleration", "Guests", "run", "slowly."],
        ["reason:", "KVM", "hangs\\x1b[31m"],
        ["remedy:", "Mend", "it."],
    ]


def test_a_program_gets_the_answer_as_it_is(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Host.diagnose"] = {"items": [OK, GONE]}
    ran = vdsmsh("doctor", "-o", "json")
    assert json.loads(ran.out) == {"items": [OK, GONE]}
    assert ran.code == Exit.UNSOUND


def test_a_silent_daemon_is_the_first_finding_and_the_host_is_looked_at_all_the_same(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Host.diagnose"] = SILENT
    ran = vdsmsh("doctor", "-o", "json")
    assert ran.code == Exit.CONNECTION
    first, *rest = json.loads(ran.out)["items"]
    assert first["summary"] == "The daemon does not answer on unix:///run/libvdsm/vdsmd.sock."
    assert (first["reason"], first["remedy"]) == (SILENT.message, SILENT.remedy)
    assert {"daemon.program", "host.kvm", "hypervisor.reach"} <= {each["id"] for each in rest}


def test_of_another_host_nothing_is_guessed() -> None:
    assert [each["id"] for each in doctor.without_daemon("tls://host:54321", SILENT)] == ["daemon.reach"]


def test_a_refusal_is_a_refusal(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["Host.diagnose"] = refused("PermissionDenied")
    assert vdsmsh("doctor").code == Exit.PERMISSION


def test_what_is_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a host that has everything, and of one that has nothing."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    bare = {each["id"]: each["state"] for each in doctor.from_here(tmp_path / "vdsmd.sock", tmp_path)}
    assert bare == dict.fromkeys(("daemon.program", "daemon.socket", "host.kvm", "hypervisor.reach"), "missing")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for name in ("vdsmd.sock", "dev/kvm", "run/libvirt/libvirt-sock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    whole = {each["id"]: each["state"] for each in doctor.from_here(tmp_path / "vdsmd.sock", tmp_path)}
    assert whole == dict.fromkeys(("daemon.program", "host.kvm", "hypervisor.reach"), "ok")


def test_every_finding_that_is_not_well_has_a_remedy(tmp_path: Path) -> None:
    found = [*doctor.without_daemon("unix:///nowhere", SILENT), *doctor.from_here(tmp_path / "vdsmd.sock", tmp_path)]
    assert all(each["remedy"] and each["reason"] for each in found if each["state"] == "missing")
