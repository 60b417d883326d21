"""A stream on a terminal: raw, until the escape key or the end."""

from __future__ import annotations

import os
import pty
import socket
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from libvdsm.cli import console
from libvdsm.cli.client_session import SocketStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Desk:
    """A terminal with a user's end and ours, and a stream with the host's end and ours."""

    def __init__(self) -> None:
        self.user, self.terminal = pty.openpty()
        self.host, ours = socket.socketpair()
        self.stream = SocketStream(ours)
        self._ours = ours
        self.desk = console.Desk(self.terminal, self.terminal)
        self.ended: list[str] = []
        self._thread: threading.Thread | None = None

    def attach(self, escape: bytes = console.ESCAPE) -> None:
        """Begin, beside the test."""
        self._thread = threading.Thread(target=lambda: self.ended.append(console.attach(self.stream, self.desk, escape=escape)))
        self._thread.start()
        self.host.sendall(b"# ")
        assert self.shown(b"# ") == b"# "  # from here on keys are raw

    def wait(self) -> str:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join(60)
        return self.ended[0]

    def shown(self, wanted: bytes) -> bytes:
        """Read what the user sees until it holds some bytes."""
        seen = b""
        while wanted not in seen:
            seen += os.read(self.user, 1000)
        return seen

    def heard(self, count: int) -> bytes:
        """Read so many bytes at the host's end."""
        seen = b""
        while len(seen) < count:
            seen += self.host.recv(count - len(seen))
        return seen

    def close(self) -> None:
        """Close all ends."""
        self.host.close()
        self._ours.close()
        os.close(self.terminal)
        os.close(self.user)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A user at a terminal."""
    found = Desk()
    yield found
    found.close()


def test_keys_go_to_the_host_and_its_bytes_to_the_screen(desk: Desk) -> None:
    """Even Ctrl-C is the guest's; Ctrl-] is ours, and what stands before it is still sent."""
    before = termios.tcgetattr(desk.terminal)
    desk.attach()
    desk.host.sendall(b"login: \x1b[1m")
    assert desk.shown(b"\x1b[1m") == b"login: \x1b[1m"
    os.write(desk.user, b"ro\x03")
    assert desk.heard(3) == b"ro\x03"
    os.write(desk.user, b"ot\x1drest")
    assert desk.wait() == "escape"
    assert desk.heard(2) == b"ot"
    assert termios.tcgetattr(desk.terminal) == before


def test_the_host_ends_it(desk: Desk) -> None:
    """Its last bytes are shown, and the terminal is as it was."""
    before = termios.tcgetattr(desk.terminal)
    desk.attach()
    desk.host.sendall(b"bye")
    desk.host.close()
    assert desk.wait() == "closed"
    assert desk.shown(b"bye") == b"bye"
    assert termios.tcgetattr(desk.terminal) == before


def test_another_key_can_be_the_escape(desk: Desk) -> None:
    desk.attach(console.escape_byte("^B"))
    os.write(desk.user, b"\x1d\x02")
    assert desk.wait() == "escape"
    assert desk.heard(1) == b"\x1d"


@pytest.mark.parametrize("is_file", (False, True))
def test_input_without_a_terminal_is_passed_on(tmp_path: Path, *, is_file: bool) -> None:
    """After its end what the host says is read until it is silent; no byte is an escape."""
    host, ours = socket.socketpair()
    typed = tmp_path / "typed"
    typed.write_bytes(b"echo hi\x1d\n")
    pipe, sink = os.pipe()
    os.write(sink, typed.read_bytes())
    os.close(sink)
    host.sendall(b"hi\n")
    with host, ours, os.fdopen(pipe, "rb") as piped, typed.open("rb") as file, (tmp_path / "out").open("wb") as out:
        source = file if is_file else piped
        assert console.attach(SocketStream(ours), console.Desk(source.fileno(), out.fileno()), linger_s=0.05) == "input"
        assert host.recv(100) == b"echo hi\x1d\n"
    assert (tmp_path / "out").read_bytes() == b"hi\n"


@pytest.mark.parametrize(("text", "key", "name"), (("^]", b"\x1d", "Ctrl-]"), ("^b", b"\x02", "Ctrl-B"), ("~", b"~", "~")))
def test_keys_are_read_and_named(text: str, key: bytes, name: str) -> None:
    assert console.escape_byte(text) == key
    assert console.escape_name(key) == name


@pytest.mark.parametrize("text", ("", "^", "ab", "^é", "é", "^1"))
def test_wrong_keys_are_refused(text: str) -> None:
    if text == "^":
        assert console.escape_byte(text) == b"^"
        return
    with pytest.raises(ValueError, match="is no key"):
        console.escape_byte(text)
