"""The writer of a store as a child process, and the look at what it has left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from libvdsm.journal.store import SqliteStore
from tests.faults import state_writer

PROGRAM = Path(state_writer.__file__)
SIZE = 400
#: Records of the log that are compared.
NEWEST = 3000


class Child:
    """A running writer."""

    def __init__(self, folder: Path, *arguments: str, under: Sequence[str] = ()) -> None:
        command = [*under, sys.executable, str(PROGRAM), str(folder), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._out, False)
        self._pending = b""
        self.acknowledged = 0
        self.words: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def hear(self) -> None:
        """Take what it has said until now."""
        while True:
            try:
                octets = os.read(self._out, 65536)
            except BlockingIOError:
                return
            if not octets:
                return
            *lines, self._pending = (self._pending + octets).split(b"\n")
            for line in lines:
                word, *rest = line.decode().split()
                if word == "acknowledged":
                    self.acknowledged = max(self.acknowledged, int(rest[0]))
                else:
                    self.words.append(line.decode())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Let it stand still, wherever it is."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As ``kill -9``, and hear what it said before."""
        self._process.kill()
        self._process.wait()
        self.hear()

    def wait(self, timeout_s: float = 30.0) -> int:
        """Until it ends; its status."""
        os.set_blocking(self._out, True)
        status = self._process.wait(timeout_s)
        self.hear()
        return status

    def wait_for(self, acknowledged: int) -> None:
        """Until so many transactions were acknowledged."""
        os.set_blocking(self._out, True)
        try:
            while self.acknowledged < acknowledged:
                octets = os.read(self._out, 4096)
                assert octets, "the writer has ended"
                *lines, self._pending = (self._pending + octets).split(b"\n")
                for line in lines:
                    if line.startswith(b"acknowledged"):
                        self.acknowledged = max(self.acknowledged, int(line.split()[1]))
                    else:
                        self.words.append(line.decode())
        finally:
            os.set_blocking(self._out, False)


def look(folder: Path, acknowledged: int, size: int = SIZE) -> int:
    """What is on disk is what some first n transactions give, whole and in order, with all that was acknowledged; answers n."""
    store = SqliteStore.open(folder, reserve_octets=256 * 1024)
    try:
        last = store.span("event")[1]
        assert last >= acknowledged
        assert store.load("document") == state_writer.after(last, size)
        records = store.tail("event", NEWEST, 10**9)
        assert store.span("event")[0] == 1
        assert [record.sequence for record in records] == list(range(max(1, last - NEWEST + 1), last + 1))
        assert all(record.data == b"what happened %d" % record.sequence for record in records)
        assert store.health().quarantined == 0
    finally:
        store.close_now()
    return last
