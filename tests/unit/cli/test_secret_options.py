"""No secret stands on a command line, and no complaint repeats one."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from libvdsm.cli import secret_options
from libvdsm.cli.description import Record, TypeUse, Union, load
from libvdsm.cli.failures import Exit
from libvdsm.cli.values import scalar
from tests.unit.cli.support import FakeSession, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from libvdsm.cli.description import Member

PLANTED = "planted-secret-5c21aa"


def test_a_secret_is_read_from_a_file(vdsmsh: Shell, session: FakeSession, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(PLANTED + "\n")
    assert vdsmsh("identity", "login", "--token-file", str(file)).code == Exit.DONE
    assert session.made("Identity.login") == [{"token": PLANTED}]


def test_a_secret_is_read_from_standard_input(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PLANTED + "\r\n"))
    assert vdsmsh("identity", "login", "--token-file", "-").code == Exit.DONE
    assert session.made("Identity.login") == [{"token": PLANTED}]


def test_a_secret_is_asked_for_on_a_terminal(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_options, "is_terminal", lambda _stream: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _text: PLANTED)
    ran = vdsmsh("identity", "login")
    assert ran.code == Exit.DONE
    assert session.made("Identity.login") == [{"token": PLANTED}]
    assert PLANTED not in ran.out + ran.err


@pytest.mark.parametrize(
    "arguments",
    (
        ("identity", "login", "--token", PLANTED),
        ("identity", "login", f"--token={PLANTED}"),
        ("call", "Identity.login", f'{{"token":"{PLANTED}"}}'),
    ),
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(vdsmsh: Shell, session: FakeSession, arguments: tuple[str, ...]) -> None:
    ran = vdsmsh(*arguments)
    assert ran.code == Exit.USAGE
    assert not session.calls
    assert PLANTED not in ran.out + ran.err
    assert "read" in ran.err


def test_without_a_terminal_the_option_is_named(vdsmsh: Shell) -> None:
    ran = vdsmsh("identity", "login")
    assert ran.code == Exit.USAGE
    assert "Missing option '--token-file'" in ran.err


@pytest.mark.parametrize("text", ("", "\n", "two\nlines\n", "x" * 100_000))
def test_a_file_that_holds_no_secret_is_refused_and_not_shown(vdsmsh: Shell, tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    ran = vdsmsh("identity", "login", "--token-file", str(file))
    assert ran.code == Exit.USAGE
    assert "does not hold one line" in ran.err
    assert "two" not in ran.err


def test_call_takes_secrets_from_a_file(vdsmsh: Shell, session: FakeSession, tmp_path: Path) -> None:
    file = tmp_path / "params"
    file.write_text(f'{{"token":"{PLANTED}"}}')
    assert vdsmsh("call", "Identity.login", f"@{file}").code == Exit.DONE
    assert session.made("Identity.login") == [{"token": PLANTED}]


def test_the_help_names_the_file(vdsmsh: Shell) -> None:
    told = vdsmsh("identity", "login", "--help").out
    assert "--token-file FILE" in told
    assert "--token SECRET" not in told


def members() -> Iterator[tuple[str, Member]]:
    description = load()
    for name in description.table["types"]:
        kind = description.type(name)
        records = [description.record(one) for one in kind.branches.values()] if isinstance(kind, Union) else [kind]
        yield from ((name, member) for record in records if isinstance(record, Record) for member in record.members)


def test_no_structure_holds_a_secret() -> None:
    """A structure may be given as JSON on the command line: before one holds a secret, the shell must refuse that."""
    assert not [name for name, member in members() if secret_options.is_secret(member)]


def test_a_secret_in_a_list_or_map_is_refused() -> None:
    from libvdsm.cli.description import Member

    for container in ("", "list", "map"):
        member = Member(name="keys", type=TypeUse("secret", container))
        with pytest.raises(ValueError, match="--from") as refusal:
            scalar(load(), member, PLANTED)
        assert PLANTED not in str(refusal.value)
