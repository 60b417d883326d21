"""The scripts of the three shells, run by these shells; names come from a daemon that answers from a table."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pexpect
import pytest

from libvdsm.cli import completion
from libvdsm.cli.app import App
from libvdsm.cli.description import Description
from tests.unit.cli.support import MACHINES, WEB, FakeSession

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
NAMES = ("web", "database", "two words", "$(touch pwned)")


class Names:
    """A daemon that knows VM.list, on a socket of its own."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    if line == b"end\n":
                        return
                    connection.sendall(self._answer(json.loads(line)))

    @staticmethod
    def _answer(request: dict[str, object]) -> bytes:
        items = [{"id": machine["id"], "name": name, "state": "running"} for machine, name in zip(MACHINES, NAMES, strict=True)]
        result = {"items": items} if request["method"] == "VM.list" else {"pong": True}
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\n"

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.url.removeprefix("unix://"))
            sock.sendall(b"end\n")
            self._thread.join()
        self._listener.close()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with vdsmsh, a daemon, and a home of its own."""
    names = Names(tmp_path / "s")
    clean = {name: value for name, value in os.environ.items() if name in ("LANG", "LC_ALL")}
    yield clean | {"PATH": f"{BIN}:{os.environ['PATH']}", "VDSM_URL": names.url, "HOME": str(tmp_path), "TERM": "dumb"}
    names.close()


def program(name: str) -> str:
    """Return the path of a shell, which the tests need."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def run(environment: dict[str, str], shell: str, script: str) -> list[str]:
    """Run a script by a shell; return its lines."""
    done = subprocess.run([program(shell), "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


_BASH = """
source <(vdsmsh completion bash)
COMP_LINE="$1" COMP_POINT=${#1}
read -ra COMP_WORDS <<< "${1//=/ = }"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_vdsmsh_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""

CASES = (
    ("vdsmsh v", ["vm"]),
    ("vdsmsh vm st", ["start", "stop"]),
    ("vdsmsh vm start we", ["web"]),
    ("vdsmsh vm console dat", ["database"]),
    ("vdsmsh vm create --me", ["--memory", "--memory-balloon", "--metadata"]),
    ("vdsmsh vm create --cpu.mode h", ["host-passthrough", "host-model"]),
    ("vdsmsh vm list --state pa", ["paused"]),
    ("vdsmsh -o n", ["ndjson"]),
    ("vdsmsh completion z", ["zsh"]),
    ("vdsmsh call Host.p", ["Host.ping"]),
    ("vdsmsh vm update web --clear arch", ["architecture"]),
)


@pytest.mark.parametrize(("line", "words"), CASES)
def test_bash_completes(environment: dict[str, str], line: str, words: list[str]) -> None:
    """Bash is offered commands, options, words of enums and names of objects."""
    done = subprocess.run(
        [program("bash"), "-c", _BASH, "bash", line], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == words


@pytest.mark.parametrize(("line", "words"), CASES)
def test_fish_completes(environment: dict[str, str], line: str, words: list[str]) -> None:
    """Fish is offered the same."""
    found = run(environment, "fish", f"vdsmsh completion fish | source; complete -C '{line}'")
    assert sorted(entry.partition("\t")[0] for entry in found) == sorted(words)


@pytest.mark.parametrize(("line", "words"), CASES)
def test_zsh_completes(environment: dict[str, str], line: str, words: list[str]) -> None:
    """Zsh is offered the same: its function runs, with its builtins recording what they are given."""
    before, _, last = line.rpartition(" ")
    current = len(before.split()) + 1
    script = f"""
        compdef() {{ : }}
        _describe() {{ local each; for each in ${{(P)@[-2]}} ${{(P)@[-1]}}; do print -r -- ${{each%%:*}}; done }}
        compadd() {{ while [[ $1 != -a ]]; do shift; done; print -rl -- ${{(P)2}} }}
        compstate=()
        vdsmsh completion zsh > $HOME/_vdsmsh
        source $HOME/_vdsmsh
        words=({before} {last}) CURRENT={current}
        _vdsmsh_completion
    """
    assert sorted({word for word in run(environment, "zsh", script) if word.startswith(last)}) == sorted(words)


def typed(environment: dict[str, str], line: str) -> str:
    """Type a line and Tab into an interactive bash; return what the line has become."""
    child = pexpect.spawn(
        program("bash"),
        ["--norc", "--noprofile", "-i"],
        env=environment | {"PS1": "READY> "},
        encoding="utf-8",
        timeout=30,
        dimensions=(24, 200),
    )
    try:
        child.expect_exact("READY> ")
        child.sendline("bind 'set enable-bracketed-paste off'; source <(vdsmsh completion bash)")
        child.expect_exact("READY> ")
        child.send(line + "\t")
        child.expect_exact(line)
        child.send("|")
        child.expect_exact("|")
        return line + str(child.before).replace("\x07", "")
    finally:
        child.close(force=True)


@pytest.mark.terminal
@pytest.mark.parametrize(
    ("line", "completed"),
    (
        ("vdsmsh vm start we", "vdsmsh vm start web "),
        ("vdsmsh vm start tw", r"vdsmsh vm start two\ words "),
        ("vdsmsh vm start \\$", r"vdsmsh vm start \$\(touch\ pwned\) "),
        ("vdsmsh vm create --disk source.bl", "vdsmsh vm create --disk source.block.path="),
        ("vdsmsh vm create --disk source.file.format=q", "vdsmsh vm create --disk source.file.format=qcow2 "),
        ("vdsmsh vm create --disk read-only,bus=vi", "vdsmsh vm create --disk read-only,bus=virtio "),
    ),
)
def test_bash_completes_what_is_typed(environment: dict[str, str], line: str, completed: str) -> None:
    """At a terminal: words with equals signs grow in place, and nothing in a name is taken by the shell as its own."""
    assert typed(environment, line) == completed


def test_without_a_daemon_no_names_are_offered(environment: dict[str, str], tmp_path: Path) -> None:
    """A completion that cannot ask the daemon offers nothing, and ends well."""
    elsewhere = environment | {"VDSM_URL": f"unix://{tmp_path}/nowhere"}
    assert run(elsewhere, "fish", "vdsmsh completion fish | source; complete -C 'vdsmsh vm start w'") == []


def test_names_that_could_steer_the_shell_are_not_offered(description: Description) -> None:
    """A name that looks like an option, or has control characters, must be typed by who means it."""
    items = [{"id": WEB, "name": name, "state": "running"} for name in ("--force", "a\x1b[2Jb", "plain")]
    app = App(description, lambda _url, _limit_s: FakeSession({"VM.list": {"items": items}}))
    context = click.Context(click.Command("start"))
    assert [item.value for item in app.complete_names(context, "vm", "")] == ["plain"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts_are_valid(environment: dict[str, str], tmp_path: Path, shell: str) -> None:
    """Each shell reads its script without a complaint."""
    script = tmp_path / "script"
    script.write_text(completion.script(shell))
    done = subprocess.run([program(shell), "-n", str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
