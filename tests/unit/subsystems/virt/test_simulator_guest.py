"""The simulated guest's console."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.subsystems.virt.drivers.simulator_guest import Shell, banner

CONFIG = {"memory": 1 << 30, "vcpus": 4}


def test_the_boot_is_told_line_by_line_and_ends_ready() -> None:
    said, shown = "", 0
    for progress in (0.0, 0.3, 0.3, 0.9, 1.0, 1.0):
        text, shown = banner("web", CONFIG, progress, shown)
        said += text
    assert said.startswith("SimBIOS 1.0: web\r\n")
    assert said.endswith("READY\r\n# ")
    assert said == banner("web", CONFIG, 1.0, 0)[0]


@pytest.mark.parametrize(
    ("typed", "shown"),
    (
        (b"echo a  b\r", b"echo a  b\r\na b\r\n# "),
        (b"echo a\r\n", b"echo a\r\na\r\n# "),
        (b"\n", b"\r\n# "),
        (b"uname\n", b"uname\r\nLinux\r\n# "),
        (b"uname -a\n", b"uname -a\r\nLinux web 6.1.0-simulated x86_64\r\n# "),
        (b"hostname\n", b"hostname\r\nweb\r\n# "),
        (b"uptime\n", b"uptime\r\nup 7 s\r\n# "),
        (b"xx\x7fy\n", b"xx\x08 \x08y\r\nsh: xy: not found\r\n# "),
        (b"\x7f", b""),
        (b"rm -rf\x03", b"rm -rf^C\r\n# "),
        (b"\x1b[A", b"[A"),
    ),
)
def test_the_shell_answers(typed: bytes, shown: bytes) -> None:
    assert Shell("web").receive(typed, 7.2) == (shown, None)


@pytest.mark.parametrize(("command", "act"), ((b"poweroff", "shutdown"), (b"reboot", "reboot")))
def test_the_guest_can_end_itself_and_hears_nothing_after(command: bytes, act: str) -> None:
    shown, done = Shell("web").receive(command + b"\necho no\n", 1)
    assert done == act
    assert b"no\r\n# " not in shown


def test_unicode_comes_back_as_it_was() -> None:
    shown, _act = Shell("web").receive("echo grüße\n".encode(), 1)
    assert shown.decode().endswith("\r\ngrüße\r\n# ")


@given(st.binary(max_size=3000), st.integers(1, 7))
def test_any_bytes_in_any_pieces_are_answered_alike(typed: bytes, size: int) -> None:
    whole, pieces = Shell("web"), Shell("web")
    expected = whole.receive(typed, 1)
    said, act = b"", None
    for at in range(0, len(typed), size):
        if act is None:
            shown, act = pieces.receive(typed[at : at + size], 1)
            said += shown
    assert (said, act) == expected
    assert len(said) < 50 * len(typed) + 2000
