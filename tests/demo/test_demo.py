"""``make demo ONCE=1`` as users run it; with the simulator, and with a real guest where one can run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lab
import stage

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "packaging" / "demo" / "demo.py"
COMMANDS = ("create", "start", "console", "get-stats", "pause", "resume", "screenshot", "shutdown", "delete")


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One run to its end, in a folder of its own: somebody may be looking at another one."""
    return subprocess.run(
        [sys.executable, str(DEMO), "--once", "--folder", str(folder), *options], capture_output=True, text=True, timeout=580, check=False
    )


@pytest.mark.timeout(600)
def test_shows_the_whole_life_with_the_simulator(tmp_path: Path) -> None:
    """Every step is typed as a user would, events are live, and the end says that all was as promised."""
    done = run_demo(tmp_path, "--simulator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [verb for verb in COMMANDS if f"$ vdsmsh vm {verb}" not in done.stdout] == []
    assert "    ~ " in done.stdout
    assert "Everything was as promised." in done.stdout


@pytest.mark.guest
@pytest.mark.timeout(600)
def test_shows_the_whole_life_of_a_real_guest(tmp_path: Path) -> None:
    """The kernel's and the shell's words come over the console, and what was typed is on the disk."""
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "qemu" in done.stdout, "no guest can run here"
    assert "    | READY" in done.stdout
    assert "its disk begins with: the guest was here" in done.stdout


def test_says_why_no_guest_can_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without QEMU it is the simulator, and the reason names what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = lab.find_hypervisor(tmp_path)
    assert found.uri == lab.SIMULATOR
    assert "qemu-system-x86_64" in found.reason


def test_images_are_where_the_hosts_qemu_may_read(tmp_path: Path) -> None:
    """The host's QEMU runs as a user who may not look into a checkout; our own runs as we do."""
    assert tmp_path not in lab.image_folder(lab.Found("qemu:///system", ""), tmp_path).parents
    assert lab.image_folder(lab.PrivateLibvirtd(tmp_path), tmp_path) == tmp_path


def test_long_commands_are_typed_an_option_a_line() -> None:
    """What is shown can be pasted."""
    words = ["vdsmsh", "vm", "create", "--name", "a b", *(word for number in range(20) for word in ("--metadata", f"k{number}=v"))]
    shown = stage.typed(words)
    assert "--name 'a b' \\\n" in shown
    assert max(map(len, shown.splitlines())) <= 118


def test_a_broken_promise_is_told() -> None:
    """A fact that does not become true in time has its words."""
    with pytest.raises(stage.BrokenPromiseError, match="pigs fly"):
        stage.wait_until(lambda: False, "pigs fly", timeout_s=0.0)


def test_a_failing_command_is_told_with_its_words() -> None:
    """Exit code and output are in the message."""
    with pytest.raises(stage.BrokenPromiseError, match="exit 3"):
        stage.Shell({"PATH": "/usr/bin:/bin"}).show("sh", "-c", "echo no >&2; exit 3")


def test_console_shows_what_comes_and_answers_to_typing(capsys: pytest.CaptureFixture[str]) -> None:
    """A program in a terminal: read until a word, type, read the answer, leave."""
    script = "stty -echo; echo READY; read line; echo got $line; head -c 1 >/dev/null"
    console = stage.Shell({"PATH": "/usr/bin:/bin"}).open_console("sh", "-c", script)
    console.read_until("READY", 60)
    console.type("hello\n")
    assert "got hello" in console.read_until("got hello", 60)
    console.type("\n")
    console.close()
    assert "    | got hello" in capsys.readouterr().out
