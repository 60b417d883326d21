"""How the demonstration shows itself: steps, commands as a user types them, a console in a terminal, live events.

What a command answers is printed; a second, silent run with ``-o json`` lets the script check what it saw.
Standard library only.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PLAIN, BOLD, DIM, BLUE = ("\033[0m", "\033[1m", "\033[2m", "\033[34m") if sys.stdout.isatty() else ("", "", "", "")
COMMAND_TIMEOUT_S = 180.0
WIDTH = 120
_print_lock = threading.Lock()


class BrokenPromiseError(Exception):
    """Something was not as the demonstration promises."""


def say(text: str = "", style: str = "") -> None:
    """Print a line; safe beside the events, which come at any time."""
    with _print_lock:
        print(f"{style}{text}{PLAIN if style else ''}", flush=True)


def step(text: str) -> None:
    """Begin a part."""
    say()
    say(f"== {text}", BOLD)


def check(fact: object, promise: str) -> None:
    """Raise ``BrokenPromiseError`` unless ``fact`` holds."""
    if not fact:
        raise BrokenPromiseError(promise)


def wait_until(fact: Callable[[], object], promise: str, timeout_s: float = 30.0) -> None:
    """Give ``fact`` a while to become true; what is measured comes at intervals."""
    deadline = time.monotonic() + timeout_s
    while not fact():
        check(time.monotonic() < deadline, promise)
        time.sleep(0.1)


class Shell:
    """Runs ``vdsmsh`` as somebody who types."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "COLUMNS": str(WIDTH), "TERM": environment.get("TERM", "dumb")}

    def show(self, *words: str) -> str:
        """Print the command and what it answers; it must succeed."""
        say(f"$ {typed(words)}", BLUE)
        text = self._run([*words, "-o", "table"] if words[1:2] and "-o" not in words else list(words))
        for line in text.rstrip().splitlines():
            say(clipped(line.rstrip()))
        return text

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - any JSON value
        """What a command answers, unseen."""
        return json.loads(self._run([*words, "-o", "json"]))

    def follow_events(self, *words: str) -> Events:
        """Print the command, and from now on every event that it prints."""
        say(f"$ {typed(words)} &", BLUE)
        return Events(self._popen([*words, "-o", "table"]))

    def open_console(self, *words: str) -> Console:
        """Print the command, and run it in a terminal of its own."""
        say(f"$ {typed(words)}", BLUE)
        return Console(words, self._environment)

    def _popen(self, words: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(words, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def _run(self, words: Sequence[str]) -> str:
        done = subprocess.run(
            words, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise BrokenPromiseError(f"{typed(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
        return done.stdout


class Events:
    """The live events of a command that runs beside the others."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def has(self, *words: str) -> bool:
        """Whether one event line has all of these words."""
        return any(all(word in line for word in words) for line in list(self.lines))

    def close(self) -> None:
        """End the command."""
        self._process.terminate()
        self._process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            say(f"    ~ {line.rstrip()}", DIM)


class Console:
    """A command in a pseudo-terminal, whose output is shown as it comes."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(words[0], list(words), dict(environment))  # noqa: S606 - this is the child, and the program is ours
        self.text = ""
        self._shown = 0

    def read_until(self, word: str, timeout_s: float) -> str:
        """Show what comes until ``word``; what came since the last time is returned."""
        begin, deadline = len(self.text), time.monotonic() + timeout_s
        while word not in self.text[begin:]:
            if not select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0] or not self._read():
                raise BrokenPromiseError(f"the console did not say {word!r}; it said:\n{self.text[-2000:]}")
        self._show()
        return self.text[begin:]

    def type(self, text: str) -> None:
        """Type as a person does."""
        os.write(self._terminal, text.encode())

    def close(self) -> None:
        """Leave by the escape key, and see that the command ends well."""
        self.type("\x1d")
        deadline = time.monotonic() + 10
        while select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0] and self._read():
            pass
        self._show(whole=True)
        os.close(self._terminal)
        _pid, status = os.waitpid(self._pid, 0)
        check(os.waitstatus_to_exitcode(status) == 0, "the console command ends well")

    def _read(self) -> bool:
        data = b""
        with suppress(OSError):  # the other end is closed
            data = os.read(self._terminal, 65536)
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def _show(self, *, whole: bool = False) -> None:
        fresh = self.text[self._shown :]
        lines = fresh.replace("\r", "").split("\n")
        if not whole:
            lines, rest = lines[:-1], lines[-1]
            self._shown = len(self.text) - len(rest)
        for line in lines:
            if line.strip():
                say(clipped(f"    | {printable(line)}"))


def printable(text: str) -> str:
    """Without what could move the cursor."""
    return "".join(character for character in text if character.isprintable())


def clipped(line: str) -> str:
    """A line of a wide table, as far as a terminal shows it."""
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def typed(words: Sequence[str]) -> str:
    """A command as it is typed, an option a line when it is long."""
    text = shlex.join(words)
    if len(text) <= WIDTH - 2:
        return text
    parts: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    return " \\\n      ".join(shlex.join(part) for part in parts)
