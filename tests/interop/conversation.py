"""A script of a foreign client as a process of its own, told what to do by lines and heard by lines."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

PATIENCE_S = 90.0


class Script:
    """What runs, and what it has told of events."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def do(self, order: str) -> None:
        """Tell it what is next."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def wait_for(self, word: str) -> Any:
        """What it says under this word; events before it are kept, and nothing else may come."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            said = self._next(deadline)
            if word in said:
                return said[word]
            assert "event" in said, f"{said} came, not {word!r}"
            self.events.append(said["event"])

    def wait_for_sequence(self, sequence: int) -> None:
        """Until this event has come."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(each["sequence"] == sequence for each in self.events):
            said = self._next(deadline)
            assert "event" in said, said
            self.events.append(said["event"])

    def _next(self, deadline: float) -> dict[str, Any]:
        try:
            return self._lines.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            raise AssertionError("the script says no more") from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))


@contextlib.contextmanager
def running(command: Sequence[str], **site: object) -> Iterator[Script]:
    """A script with the place of the daemon as its last argument; it ends with the block."""
    with subprocess.Popen([*command, json.dumps(site)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        script = Script(process)
        try:
            yield script
            script.do("end")
            process.wait(PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0
