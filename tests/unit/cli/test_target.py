"""Which daemon a command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.cli.failures import Failure
from libvdsm.cli.target import DEFAULT_URL, Target, find_target
from tests.unit.cli.support import Shell

NOWHERE = {"XDG_CONFIG_HOME": "/nonexistent"}


def test_without_a_word_it_is_the_local_socket() -> None:
    assert find_target({}, NOWHERE) == Target(DEFAULT_URL)


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "libvdsm" / "vdsmsh.toml"
    file.parent.mkdir()
    file.write_text('url = "https://file:1"\nca = "ca.pem"\n')
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert find_target({}, environment) == Target("https://file:1", ca=str(file.parent / "ca.pem"))
    assert find_target({}, environment | {"VDSM_HOST": "env:2"}).url == "tls://env:2"
    assert find_target({"url": "tcp://line:3"}, environment | {"VDSM_HOST": "env:2"}).url == "tcp://line:3"
    assert find_target({"ca": "/line.pem"}, environment).ca == "/line.pem"


def test_what_lies_beside_a_certificate_is_found(tmp_path: Path) -> None:
    certificate = tmp_path / "alice.crt"
    assert find_target({"cert": str(certificate)}, NOWHERE) == Target(cert=str(certificate))
    for name in ("alice.key", "ca.crt"):
        (tmp_path / name).touch()
    assert find_target({"cert": str(certificate)}, NOWHERE) == Target(
        cert=str(certificate), key=str(tmp_path / "alice.key"), ca=str(tmp_path / "ca.crt")
    )
    assert find_target({"cert": str(certificate), "key": "/k"}, NOWHERE).key == "/k"


@pytest.mark.parametrize("text", ("nonsense", "hots = 'x'", "url = 5"))
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(Failure, match=str(file)):
        find_target({}, {"VDSM_SETTINGS": str(file)})


def test_two_names_for_the_daemon_are_refused() -> None:
    with pytest.raises(Failure, match="both --url and --host"):
        find_target({"url": "tls://a", "host": "b:1"}, NOWHERE)


def test_commands_take_it_before_and_after(vdsmsh: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.key").touch()
    ran = vdsmsh("--host", "h:1", "vm", "list", "--cert", str(tmp_path / "a.crt"))
    assert ran.code == 0, ran.err
    assert vdsmsh.session.target == Target("tls://h:1", cert=str(tmp_path / "a.crt"), key=str(tmp_path / "a.key"))
