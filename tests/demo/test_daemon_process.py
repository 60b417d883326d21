"""The fixture that all tests of the real daemon stand on."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon_process import MARK, DaemonError, marked_processes, start_vdsmd

if TYPE_CHECKING:
    from tests.conftest import StartVdsmd

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'


def test_answers_as_soon_as_it_is_there(vdsmd: StartVdsmd) -> None:
    """The ready file is written when calls are answered, on the port and on the socket."""
    daemon = vdsmd()
    assert daemon.port is not None
    answers = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", daemon.port)), (socket.AF_UNIX, str(daemon.socket))):
        with socket.socket(family) as connection:
            connection.settimeout(60)
            connection.connect(address)
            connection.sendall(PING)
            answers.append(connection.recv(4096))
    assert answers[0] == answers[1]
    assert b'"pong":true' in answers[0]


def test_stops_with_all_that_it_started(vdsmd: StartVdsmd) -> None:
    """After ``stop`` no process of the daemon's family lives."""
    daemon = vdsmd()
    family = daemon.family()
    assert {daemon.pid, daemon.front, *daemon.workers.values()} <= set(family)
    daemon.stop()
    assert daemon.family() == {}


def test_a_daemon_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    """The log's end is in the message."""
    with pytest.raises(DaemonError, match="--no-such-option"):
        start_vdsmd(tmp_path, "--no-such-option")


def test_finds_processes_by_their_mark() -> None:
    """Also one that has left its parent's session; and none when it has ended."""
    mark = uuid.uuid4().hex
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env={MARK: mark}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert set(marked_processes(mark)) == {process.pid}
    assert marked_processes(mark) == {}
