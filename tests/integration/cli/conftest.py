"""A daemon over the simulator, and the shell in a terminal of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
_START_S = 90
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Host:
    """A running daemon, and how the shell reaches it."""

    url: str
    port: int
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the shell."""
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "VDSM_URL": self.url,
            "TERM": "xterm-256color",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """Run vdsmsh without a terminal; return what it printed."""
        done = subprocess.run(
            [BIN / "vdsmsh", *arguments], env=self.environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr if code else done.stdout

    def json(self, *arguments: str) -> Any:
        """Run vdsmsh; return the JSON that it printed."""
        return json.loads(self.run(*arguments, "-o", "json"))

    def terminal(self, *arguments: str) -> pexpect.spawn[str]:
        """Run vdsmsh in a terminal."""
        return pexpect.spawn(str(BIN / "vdsmsh"), list(arguments), env=self.environment, encoding="utf-8", timeout=60, dimensions=(40, 160))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A daemon with five machines, each answer checked against the schema."""
    home = tmp_path_factory.mktemp("host")
    ready, socket = home / "ready", home / "s"
    arguments = ["--insecure", "--hypervisor", "simulator:5", "--verify-results", "--listen", "127.0.0.1:0"]
    paths = ["--socket", str(socket), "--state-dir", str(home / "state"), "--ready-file", str(ready)]
    with (home / "log").open("wb") as log, subprocess.Popen([BIN / "vdsmd", *arguments, *paths], stdout=log, stderr=log) as daemon:
        try:
            deadline = time.monotonic() + _START_S
            while not ready.exists():
                assert daemon.poll() is None, (home / "log").read_text()
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.05)
            yield Host(f"unix://{socket}", json.loads(ready.read_text())["port"], home)
        finally:
            daemon.terminate()
            daemon.wait(60)


def ended(child: pexpect.spawn[str]) -> tuple[int | None, str]:
    """Wait for the end of a command in a terminal; return its exit code and the rest of what it showed, without colours."""
    child.expect(pexpect.EOF)
    text = str(child.before)
    child.close()
    return child.exitstatus, _CONTROL.sub("", text)
