"""The canary run finds what is planted: a search that cannot fail proves nothing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.canary import record
from tests.canary.record import PRIVATE_KEY, Planted
from tests.canary.search import Hit, _is_at_home, disguises, search

SECRET = "canary-of-this-test+/x"
PROJECT = Path(__file__).parents[2]


def found(tmp_path: Path, data: bytes, *, text: str = SECRET, kind: str = "token", name: str = "file") -> list[Hit]:
    (tmp_path / name).write_bytes(data)
    return search([Planted(kind, text)], [tmp_path]).hits


@pytest.mark.parametrize(
    "disguised",
    (
        SECRET.encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        quote(SECRET, safe="").encode(),
        *(base64.b64encode(b"user"[:count] + SECRET.encode() + b"more") for count in range(5)),
        base64.urlsafe_b64encode(b":" + SECRET.encode()),
    ),
)
@pytest.mark.parametrize("around", ((b"", b""), (b"\0" * 100_000, b"\xff\n\0"), (b'{"x":"', b'"}')))
def test_a_secret_is_found_as_it_is_and_in_disguise(tmp_path: Path, disguised: bytes, around: tuple[bytes, bytes]) -> None:
    [hit] = {(hit.kind, hit.path) for hit in found(tmp_path, around[0] + disguised + around[1])}
    assert hit == ("token", tmp_path / "file")


@given(text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=24, max_size=60), before=st.binary(max_size=9))
def test_base64_hides_nothing_wherever_it_begins(text: str, before: bytes) -> None:
    encoded = base64.b64encode(before + text.encode() + b"rest")
    assert any(form in encoded for form in disguises(text))


def test_the_place_is_told_and_the_secret_is_not(tmp_path: Path) -> None:
    [hit] = found(tmp_path, b"12345" + SECRET.encode())
    assert hit.offset == 5
    assert SECRET not in str(hit)


def test_a_key_whose_file_is_removed_during_the_search_harms_nobody(tmp_path: Path) -> None:
    """While it is there, others may not read it; that it is gone ends no run."""
    key = tmp_path / "server.key"
    key.touch(0o644)
    assert not _is_at_home(Planted(PRIVATE_KEY, SECRET), key)
    key.chmod(0o600)
    assert _is_at_home(Planted(PRIVATE_KEY, SECRET), key)
    key.unlink()
    assert _is_at_home(Planted(PRIVATE_KEY, SECRET), key)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert not found(tmp_path, os.urandom(100_000) + SECRET[:-1].encode())


def test_many_secrets_and_many_files(tmp_path: Path) -> None:
    planted = [Planted("token", f"canary-number-{number:06}") for number in range(3000)]
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x" * 100_000 + f"canary-number-{number * 7:06}".encode())
    findings = search(planted, [tmp_path])
    assert len(findings.hits) == 50
    assert (findings.secrets, findings.files) == (3000, 50)
    assert findings.octets == 50 * 100_020


def test_a_secret_at_home_is_no_leak(tmp_path: Path) -> None:
    home = tmp_path / "token"
    home.write_text(SECRET)
    assert not search([Planted("token", SECRET, [str(home)])], [tmp_path]).hits
    (tmp_path / "log").write_text(SECRET)
    assert len(search([Planted("token", SECRET, [str(home)])], [tmp_path]).hits) == 1


def test_a_private_key_is_at_home_where_nobody_else_reads(tmp_path: Path) -> None:
    key = tmp_path / "server.key"
    key.write_text(SECRET)
    key.chmod(0o600)
    planted = [Planted(record.PRIVATE_KEY, SECRET)]
    assert not search(planted, [tmp_path]).hits
    key.chmod(0o640)
    assert len(search(planted, [tmp_path]).hits) == 1


def test_what_is_too_short_is_not_planted() -> None:
    with pytest.raises(ValueError, match="found everywhere"):
        record.register("token", "short")


LEAK = """
from tests.canary import record

def test_leak(tmp_path):
    secret = record.plant("token")
    (tmp_path / "daemon.log").write_text("login with " + {shown})
    record.seen("answers", b"an answer")
"""


@pytest.mark.parametrize(
    ("shown", "code", "told"),
    (
        ("secret", 1, "canary: 1 hits (1 secrets planted"),
        ("secret.encode().hex()", 1, "canary: 1 hits (1 secrets planted"),
        ("'***'", 0, "canary: 0 hits (1 secrets planted"),
    ),
)
def test_a_leak_fails_the_session(tmp_path: Path, shown: str, code: int, told: str) -> None:
    """A whole session of pytest, whose only test leaks what it has planted, and passes."""
    (tmp_path / "test_leak.py").write_text(LEAK.replace("{shown}", shown))
    environment = {name: value for name, value in os.environ.items() if name != record.VARIABLE}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.canary.plugin", "-p", "no:cacheprovider", "--noconftest"]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'base'}", str(tmp_path / "test_leak.py")],
        cwd=PROJECT,
        env=environment | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told in done.stdout, done.stdout + done.stderr
    assert done.returncode == code
    assert "1 passed" in done.stdout
