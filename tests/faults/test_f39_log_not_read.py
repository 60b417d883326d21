"""F-39: nobody reads the log's pipe. Records are dropped and counted; calls are answered as always."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

from tests.daemon_process import PROGRAMS
from tests.lab.own_time import OwnTime
from tests.roads import ask_stream

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}'
#: Each of these is a line in the log; a pipe takes 64 KiB.
LINES = 2_000
PATIENCE_S = 60.0


def test_f39_a_log_that_nobody_reads_blocks_nothing(tmp_path: Path) -> None:
    """Thousands of lines more than the pipe takes: each ping is answered within a tenth of a second; afterwards the count is told."""
    ready = tmp_path / "ready"
    words = ["--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "state"), "--ready-file", str(ready)]
    daemon = subprocess.Popen(
        [str(PROGRAMS / "vdsmd"), *words, "--hypervisor", "simulator:1", "--listen", "127.0.0.1:0", "--insecure"], stderr=subprocess.PIPE
    )
    assert daemon.stderr is not None
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        told_ready = json.loads(ready.read_text())
        port, front = told_ready["port"], told_ready["front"]
        slowest = 0.0
        for number in range(LINES):
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stranger:
                stranger.sendall(b"GET /stream/x HTTP/1.1\r\nHost: localhost\r\n\r\n" if number % 2 else b"\x16\x03\x01\x00\x01\xff")
            _refused(port)
            if number % 100 == 0:
                clock = OwnTime(lambda: (daemon.pid, front))
                assert b"pong" in ask_stream(tmp_path / "s", PING)
                slowest = max(slowest, clock.seconds())
        assert slowest < 0.5
        told = _drain(daemon.stderr.fileno())
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(rb"log: (\d+) records were dropped", told)) is None:
            assert time.monotonic() < deadline, told[-2000:]
            _refused(port)
            told += _drain(daemon.stderr.fileno())
        assert int(found[1]) > 0
    finally:
        daemon.terminate()
        daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 0


def _refused(port: int) -> None:
    """A token that is none: refused with a line in the log."""
    request = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer none\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stream:
        stream.sendall(request)
        assert b" 401 " in stream.recv(65536)


def _drain(descriptor: int) -> bytes:
    """All that is in the pipe now."""
    told = b""
    while select.select([descriptor], [], [], 0.3)[0]:
        data = os.read(descriptor, 65536)
        if not data:
            break
        told += data
    return told
