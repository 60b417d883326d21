"""Rights in words: who, which role, and where."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.support import WEB, Shell

GRANT: dict[str, Any] = {
    "id": WEB,
    "identity": "user:alice",
    "role": "operator",
    "scope": {"kind": "everywhere"},
    "createdAt": "2026-01-01T00:00:00Z",
    "createdBy": "unix:0",
}
PROJECT = {"kind": "project", "project": "web"}
OBJECT = {"kind": "object", "type": "vm", "id": WEB}


@pytest.mark.parametrize(
    ("words", "params"),
    (
        (("alice", "operator"), {"identity": "user:alice", "role": "operator"}),
        (("unix:1000", "reader", "--project", "web"), {"identity": "unix:1000", "role": "reader", "scope": PROJECT}),
        (("alice", "reader", "--vm", "web"), {"identity": "user:alice", "role": "reader", "scope": OBJECT}),
        (("--identity", "alice", "--role", "reader"), {"identity": "user:alice", "role": "reader"}),
    ),
)
def test_grant_takes_who_what_and_where_as_words(vdsmsh: Shell, words: tuple[str, ...], params: dict[str, Any]) -> None:
    """A bare name is a user's; a machine may be named; without a place it is everywhere."""
    vdsmsh.session.answers["Access.grant"] = GRANT
    ran = vdsmsh("access", "grant", *words)
    assert ran.code == 0, ran.err
    assert [asked for name, asked, _ in vdsmsh.session.calls if name == "Access.grant"] == [params]


@pytest.mark.parametrize(
    ("words", "params"),
    (
        (("--project", "web"), {"project": "web"}),
        (("--vm", "web"), {"object": {"type": "vm", "id": WEB}}),
        ((), {}),
    ),
)
@pytest.mark.parametrize("verb", ("check", "why-denied"))
def test_questions_name_the_place_alike(vdsmsh: Shell, verb: str, words: tuple[str, ...], params: dict[str, Any]) -> None:
    """The same words as for a grant."""
    method = {"check": "Access.check", "why-denied": "Access.whyDenied"}[verb]
    vdsmsh.session.answers[method] = {"allowed": True, "grants": [], "considered": []}
    ran = vdsmsh("access", verb, "alice", "VM.start", *words)
    assert ran.code == 0, ran.err
    assert [asked for name, asked, _ in vdsmsh.session.calls if name == method] == [
        {"identity": "user:alice", "method": "VM.start"} | params
    ]


def test_a_token_is_named_and_limited_in_words(vdsmsh: Shell) -> None:
    """It speaks for oneself unless another is named."""
    vdsmsh.session.answers["Identity.createToken"] = {"tokenId": WEB, "token": "vdsm-x", "expiresAt": "2026-01-01T00:00:00Z"}
    ran = vdsmsh("identity", "create-token", "backup", "--role", "reader", "--project", "web", "--expires-in", "1h")
    assert ran.code == 0, ran.err
    assert vdsmsh.session.calls[-1][1] == {"label": "backup", "role": "reader", "scope": PROJECT, "expiresIn": 3600}


def test_there_is_one_place(vdsmsh: Shell) -> None:
    """A project or a machine; and what is missing is named."""
    both = vdsmsh("access", "grant", "alice", "reader", "--project", "web", "--vm", "web")
    assert (both.code, "not both" in both.err) == (2, True)
    less = vdsmsh("access", "grant", "alice")
    assert (less.code, "--role" in less.err) == (2, True)
    assert vdsmsh.session.calls == []
