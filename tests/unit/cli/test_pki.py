"""``vdsmsh pki``: what it asks the daemon, and what it leaves in files."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.support import WEB, Shell, refused

OLD, NEW = "aaaaaaaa-0000-4000-8000-00000000000a", "aaaaaaaa-0000-4000-8000-00000000000b"


def issued(identity: str = "user:alice", **more: Any) -> dict[str, Any]:
    return {
        "id": NEW,
        "identity": identity,
        "certificate": "CRT\n",
        "key": "KEY\n",
        "ca": "CA\n",
        "expiresAt": "2027-01-01T00:00:00Z",
    } | more


def certificate(id: str, identity: str = "user:alice") -> dict[str, Any]:
    return {
        "id": id,
        "kind": "client",
        "identity": identity,
        "subject": f"CN={identity}",
        "names": [],
        "fingerprint": "f",
        "serial": "1",
    } | {
        "createdAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2027-01-01T00:00:00Z",
        "revision": 1,
    }


def test_issue_grants_then_issues_and_writes_three_files(vdsmsh: Shell, tmp_path: Path) -> None:
    """The key for its owner alone, and never on the terminal."""
    vdsmsh.session.answers["Certificate.issue"] = issued()
    ran = vdsmsh("pki", "issue", "alice", "--role", "operator", "--project", "web", "--days", "30", "--out", str(tmp_path / "out"))
    assert ran.code == 0, ran.err
    assert [(name, params) for name, params, _ in vdsmsh.session.calls] == [
        ("Access.grant", {"identity": "user:alice", "role": "operator", "scope": {"kind": "project", "project": "web"}}),
        ("Certificate.issue", {"identity": "user:alice", "days": 30}),
    ]
    files = {path.name: (path.read_text(), stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "out").iterdir()}
    assert files == {"alice.key": ("KEY\n", 0o600), "alice.crt": ("CRT\n", 0o644), "ca.crt": ("CA\n", 0o644)}
    assert "KEY" not in ran.out + ran.err.replace("alice.key", "")


@pytest.mark.parametrize(
    ("words", "scope"),
    (([], {"kind": "everywhere"}), (["--vm", "web"], {"kind": "object", "type": "vm", "id": WEB})),
)
def test_a_role_may_be_for_all_or_for_one_machine(vdsmsh: Shell, tmp_path: Path, words: list[str], scope: dict[str, str]) -> None:
    vdsmsh.session.answers["Certificate.issue"] = issued("service:backup")
    assert vdsmsh("pki", "issue", "service:backup", "--role", "reader", *words, "--out", str(tmp_path)).code == 0
    assert vdsmsh.session.made("Access.grant") == [{"identity": "service:backup", "role": "reader", "scope": scope}]
    assert (tmp_path / "backup.crt").exists()


def test_without_a_role_nothing_is_granted(vdsmsh: Shell, tmp_path: Path) -> None:
    vdsmsh.session.answers["Certificate.issue"] = issued()
    assert vdsmsh("pki", "issue", "alice", "--out", str(tmp_path)).code == 0
    assert vdsmsh.session.made("Access.grant") == []


def test_a_request_is_sent_and_no_key_is_written(vdsmsh: Shell, tmp_path: Path) -> None:
    csr = tmp_path / "a.csr"
    csr.write_text("CSR")
    answer = issued()
    del answer["key"]
    vdsmsh.session.answers["Certificate.issue"] = answer
    assert vdsmsh("pki", "issue", "alice", "--csr", str(csr), "--out", str(tmp_path / "out")).code == 0
    assert vdsmsh.session.made("Certificate.issue") == [{"identity": "user:alice", "csr": "CSR"}]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["alice.crt", "ca.crt"]


@pytest.mark.parametrize(
    ("words", "reason"),
    (
        (["issue", "alice", "--project", "web"], "give --role too"),
        (["issue", "alice", "--role", "r", "--project", "p", "--vm", "web"], "not both"),
        (["issue", "a/../b"], "no name for files"),
        (["issue", "user:.."], "no name for files"),
        (["issue", "alice", "--csr", "/nonexistent"], "cannot read /nonexistent"),
    ),
)
def test_wrong_words_ask_the_daemon_nothing(vdsmsh: Shell, words: list[str], reason: str) -> None:
    ran = vdsmsh("pki", *words)
    assert ran.code == 2
    assert reason in ran.err
    assert vdsmsh.session.made("Certificate.issue") == []


def test_a_key_is_never_overwritten_by_issue(vdsmsh: Shell, tmp_path: Path) -> None:
    (tmp_path / "alice.key").write_text("precious")
    ran = vdsmsh("pki", "issue", "alice", "--out", str(tmp_path))
    assert (ran.code, "is there already" in ran.err) == (2, True)
    assert vdsmsh.session.calls == []
    assert (tmp_path / "alice.key").read_text() == "precious"


def test_if_the_grant_is_refused_nothing_is_issued(vdsmsh: Shell, tmp_path: Path) -> None:
    vdsmsh.session.answers["Access.grant"] = refused("ObjectNotFound")
    assert vdsmsh("pki", "issue", "alice", "--role", "typo", "--out", str(tmp_path)).code == 4
    assert vdsmsh.session.made("Certificate.issue") == []


def test_renew_takes_the_newest_that_is_valid(vdsmsh: Shell, tmp_path: Path) -> None:
    """Found by its owner's name; its files are replaced."""
    (tmp_path / "alice.key").write_text("old")
    vdsmsh.session.answers["Certificate.list"] = [{"items": [certificate(OLD)], "next": "1"}, {"items": [certificate(NEW)]}]
    vdsmsh.session.answers["Certificate.renew"] = issued()
    assert vdsmsh("pki", "renew", "alice", "--out", str(tmp_path)).code == 0
    assert vdsmsh.session.made("Certificate.list")[0] == {"filter": {"identity": "user:alice", "valid": True}}
    assert vdsmsh.session.made("Certificate.renew") == [{"certificateId": NEW}]
    assert (tmp_path / "alice.key").read_text() == "KEY\n"
    assert stat.S_IMODE((tmp_path / "alice.key").stat().st_mode) == 0o600


def test_revoke_takes_an_id_or_all_of_a_name(vdsmsh: Shell) -> None:
    assert vdsmsh("pki", "revoke", OLD).code == 0
    vdsmsh.session.answers["Certificate.list"] = {"items": [certificate(OLD), certificate(NEW)]}
    vdsmsh.session.answers["Identity.listTokens"] = [
        {"items": [{"identity": "user:alice"}], "next": "1"},
        {"items": [{"identity": "user:bob"}]},
    ]
    ran = vdsmsh("pki", "revoke", "alice")
    assert (ran.code, "user:alice still has 1 tokens that work" in ran.err) == (0, True)
    assert [params["certificateId"] for params in vdsmsh.session.made("Certificate.revoke")] == [OLD, OLD, NEW]
    vdsmsh.session.answers["Certificate.list"] = {"items": []}
    ran = vdsmsh("pki", "revoke", "nobody")
    assert (ran.code, "has no certificate that is valid" in ran.err) == (4, True)


def test_revoke_of_a_name_without_a_valid_certificate_ends_its_invitations(vdsmsh: Shell) -> None:
    """By the newest one that it had; revoking that again makes them void."""
    vdsmsh.session.answers["Certificate.list"] = [{"items": []}, {"items": [certificate(OLD), certificate(NEW)]}]
    vdsmsh.session.answers["Identity.listTokens"] = {"items": []}
    assert vdsmsh("pki", "revoke", "alice").code == 0
    assert vdsmsh.session.made("Certificate.revoke") == [{"certificateId": NEW}]


def test_list_shows_all_pages(vdsmsh: Shell) -> None:
    vdsmsh.session.answers["Certificate.list"] = [{"items": [certificate(OLD)], "next": "1"}, {"items": [certificate(NEW, "user:bob")]}]
    ran = vdsmsh("pki", "list", "-o", "json")
    assert OLD in ran.out
    assert NEW in ran.out
    assert vdsmsh.session.made("Certificate.list") == [{}, {"after": "1"}]


def test_invite_prints_the_token(vdsmsh: Shell) -> None:
    vdsmsh.session.answers["Certificate.createEnrolment"] = {"token": "enrol-x", "expiresAt": "2026-01-01T00:00:00Z"}
    ran = vdsmsh("pki", "invite", "alice", "--expires-in", "600", "-o", "json")
    assert "enrol-x" in ran.out
    assert vdsmsh.session.made("Certificate.createEnrolment") == [{"identity": "user:alice", "expiresIn": 600}]


def test_enrol_takes_its_token_from_a_file_or_from_standard_input(vdsmsh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never from the command line, where others could see it."""
    vdsmsh.session.answers["Certificate.enrol"] = issued()
    (tmp_path / "token").write_text("enrol-file\n")
    assert vdsmsh("pki", "enrol", "--token-file", str(tmp_path / "token"), "--out", str(tmp_path)).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("enrol-stdin\n"))
    assert vdsmsh("pki", "enrol", "--out", str(tmp_path)).code == 0
    assert [params["token"] for params in vdsmsh.session.made("Certificate.enrol")] == ["enrol-file", "enrol-stdin"]
    assert (tmp_path / "alice.crt").exists()
    assert vdsmsh("pki", "enrol", "enrol-argument").code == 2


def test_a_folder_that_cannot_be_written_is_named(vdsmsh: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    vdsmsh.session.answers["Certificate.issue"] = issued()
    for words in (["issue", "alice", "--role", "operator"], ["renew", OLD], ["enrol"]):
        ran = vdsmsh("pki", *words, "--out", str(tmp_path / "file" / "below"))
        assert (ran.code, "cannot write" in ran.err) == (2, True)
    assert vdsmsh.session.calls == []  # nothing is granted, made or spent whose files would be lost


def test_a_request_that_cannot_be_read_grants_nothing(vdsmsh: Shell, tmp_path: Path) -> None:
    ran = vdsmsh("pki", "issue", "alice", "--role", "operator", "--csr", "/nonexistent", "--out", str(tmp_path))
    assert (ran.code, vdsmsh.session.calls) == (2, [])
