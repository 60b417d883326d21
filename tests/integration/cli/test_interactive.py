"""The shell without a command, as a person uses it: in a real terminal, whose screen is looked at."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.daemon_process import start_vdsmd
from tests.integration.cli.conftest import BIN, Host

pytestmark = pytest.mark.terminal

COLUMNS, LINES = 160, 40
PATIENCE_S = 60.0


class _Terminal(pyte.Screen):
    """A terminal that answers when it is asked for the cursor's place."""

    def __init__(self, child: pexpect.spawn[bytes]) -> None:
        super().__init__(COLUMNS, LINES)
        self._child = child

    def write_process_input(self, data: str) -> None:
        """See pyte."""
        self._child.send(data)


class Screen:
    """A shell at work, and what stands on its terminal."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            str(BIN / "vdsmsh"), list(arguments), env=environment, timeout=PATIENCE_S, dimensions=(LINES, COLUMNS)
        )
        self._screen = _Terminal(self.child)
        self._stream = pyte.ByteStream(self._screen)

    def lines(self) -> list[str]:
        """What stands there now, without empty lines."""
        while True:
            try:
                self._stream.feed(self.child.read_nonblocking(65536, 0.05))
            except (pexpect.TIMEOUT, pexpect.EOF):
                return [line.rstrip() for line in self._screen.display if line.strip()]

    def see(self, pattern: str) -> list[str]:
        """Wait for a line; answers all."""
        deadline = time.monotonic() + PATIENCE_S
        found = self.lines()
        while not any(re.search(pattern, line) for line in found):
            assert time.monotonic() < deadline, "\n".join(found)
            found = self.lines()
        return found

    def type(self, text: str) -> None:
        """Press keys."""
        self.child.send(text)

    def end(self) -> int | None:
        """Ctrl-D, again and again: between two lines the terminal itself takes it; the exit code."""
        deadline, again = time.monotonic() + PATIENCE_S, 0.0
        while self.child.isalive():
            if time.monotonic() >= again:
                with suppress(OSError):
                    self.child.send("\x04")
                again = time.monotonic() + 2.0
            self.lines()
            assert time.monotonic() < deadline
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def screen(host: Host) -> Iterator[Screen]:
    made = Screen(host.environment)
    made.see("^vdsmsh>")
    made.see(r"^ connected  \|  \d+ events?")
    yield made
    made.child.close(force=True)


def create(host: Host, name: str) -> str:
    return str(host.json("vm", "create", "--name", name, "--memory", "64MiB")["vmId"])


def test_a_line_after_the_other(screen: Screen) -> None:
    """Commands as behind ``vdsmsh``, with that word or without; failures are told and end nothing; Ctrl-C throws a line away."""
    screen.type("host ping\r")
    screen.see("pong")
    screen.type("vdsmsh vm list\r")
    screen.see("NAME +STATE +VCPUS")
    screen.type("vm get no-such-machine\r")
    screen.see("there is no VM with the name no-such-machine")
    screen.type("vm 'get\r")
    screen.see("No closing quotation")
    screen.type("vm delete all\x03")
    screen.type("nonsense\r")
    screen.see("No such command 'nonsense'")
    screen.type("help\r")
    screen.see("Exit codes:")
    screen.type("-o json\r")
    screen.type("host ping\r")
    screen.see("pong")
    screen.type("exit\r")
    deadline = time.monotonic() + PATIENCE_S
    while screen.child.isalive():
        screen.lines()
        assert time.monotonic() < deadline


def test_the_schema_and_the_host_complete_what_is_typed(host: Host, screen: Screen) -> None:
    """Verbs, options, words, and the names of machines."""
    create(host, "zebra-one")
    screen.type("vm get-st\t")
    screen.see("^vdsmsh> vm get-stats")
    screen.type("\x03")
    screen.type("vm get zeb\t")
    screen.see("^vdsmsh> vm get zebra-one")
    screen.type("\r")
    screen.see("name +zebra-one")
    screen.type("vm list --ou\t")
    screen.see("^vdsmsh> vm list --output")
    screen.type(" js\t")
    screen.see(r"^vdsmsh> vm list --output json")
    screen.type("\x03")
    assert screen.end() == 0


def test_the_side_line_tells_what_happens(host: Host, screen: Screen) -> None:
    """Without a key being pressed."""
    identity = create(host, "side")
    screen.see(rf"^ connected  \|  \d+ events?  \|  .*vm\.{identity}  added")
    host.run("vm", "delete", "side", "--wait")
    screen.see(rf"^ connected  \|  \d+ events?  \|  .*(vm\.{identity}  removed|task\.)")
    assert screen.end() == 0


def test_the_history_keeps_lines_and_no_secrets(host: Host, tmp_path: Path) -> None:
    """From one time to the next; for nobody else's eyes; not what may be a secret, nor what begins with a blank."""
    environment = host.environment | {"HOME": str(tmp_path)}
    first = Screen(environment)
    first.see("^vdsmsh>")
    for line in ("host ping", "identity login --token geheim", " vm list", "vm get x --password=geheim"):
        first.type(line + "\r")
        first.see(f"^vdsmsh> +{re.escape(line.strip())}")
        first.see("^vdsmsh>$")
    assert first.end() is not None
    file = tmp_path / ".local" / "state" / "libvdsm" / "history"
    kept = file.read_text()
    assert "+host ping" in kept
    assert "geheim" not in kept
    assert "vm list" not in kept
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = Screen(environment)
    second.see("^vdsmsh>")
    second.type("\x1b[A")
    second.see("^vdsmsh> host ping")
    second.type("\x03")
    assert second.end() == 0


def test_it_comes_back_when_the_daemon_does(tmp_path: Path) -> None:
    """The side line says that it is gone; commands say so too; when it is there again both go on, and nothing was missed."""
    daemon = start_vdsmd(tmp_path / "d", hypervisor="simulator:1", listen=None)
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    screen = Screen(environment, "--url", f"unix://{daemon.socket}")
    try:
        screen.see("^ connected")
        daemon.stop()
        screen.see("^ not connected: ")
        screen.type("host ping\r")
        screen.see("Is vdsmd running")
        daemon = start_vdsmd(tmp_path / "d", hypervisor="simulator:1", listen=None)
        screen.see("^ connected")
        screen.type("host ping\r")
        screen.see("pong")
        assert screen.end() == 0
    finally:
        screen.child.close(force=True)
        daemon.stop()


def test_without_a_terminal_it_says_what_there_is(host: Host) -> None:
    """As ever: the help, and the exit code of a wrong command line."""
    assert "Exit codes:" in host.run(code=2)
