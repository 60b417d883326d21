"""What README promises works as it is written there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import StartVdsmd

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def block(first_word: str) -> str:
    """The indented block of README that begins so."""
    blocks = [textwrap.dedent(part) for part in README.split("\n\n") if part.startswith("    ")]
    return next(part for part in blocks if part.startswith(first_word))


def following(part: str) -> str:
    """The block, with the one after it: an empty line may be inside."""
    begin = README.index(textwrap.indent(part, "    "))
    lines = README[begin:].splitlines()
    end = next((number for number, line in enumerate(lines) if line and not line.startswith("    ")), len(lines))
    return textwrap.dedent("\n".join(lines[:end]))


def test_fits_one_screen() -> None:
    """A page that is longer is not read."""
    assert len(README.splitlines()) <= 60


def test_the_python_example_runs(vdsmd: StartVdsmd) -> None:
    """It prints every virtual machine with its state."""
    daemon = vdsmd(hypervisor="simulator:3")
    code = following(block("from libvdsm.client")).replace("unix:///run/libvdsm/vdsmd.sock", daemon.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_the_shell_example_runs(vdsmd: StartVdsmd) -> None:
    """The command of the first success, with the variable that it names."""
    daemon = vdsmd(hypervisor="simulator:3")
    assert "export VDSM_URL=unix://$PWD/var/try.sock" in README
    assert ".venv/bin/vdsmsh vm list\n" in README
    command = [str(Path(sys.executable).parent / "vdsmsh"), "vm", "list"]
    done = subprocess.run(command, env={**os.environ, "VDSM_URL": daemon.url}, capture_output=True, text=True, timeout=60, check=True)
    assert len(json.loads(done.stdout)["items"]) == 3


def test_the_netcat_example_runs(vdsmd: StartVdsmd) -> None:
    """Anything that speaks JSON is a client."""
    daemon = vdsmd(hypervisor="simulator:3")
    line = block("echo '{").replace("var/try.sock", str(daemon.socket))
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["result"]["subsystems"]
