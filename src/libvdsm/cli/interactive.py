"""``vdsmsh`` without a command, on a terminal: a line after the other, with history, completion and the events of the host.

Each line is what would stand behind ``vdsmsh``. A line that may hold a secret is not kept in the history.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import ShellComplete, split_arg_string
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.shortcuts import CompleteStyle

from libvdsm.cli import completion
from libvdsm.cli.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from libvdsm.cli.session import Session

LEAVE: Final = frozenset({"exit", "quit"})
#: Words after which a secret may stand, whatever the command makes of them.
_SECRET: Final = re.compile(r"(?i)(^|[\s-])(pass(word|phrase|code)?|secret|token|bearer|authorization|credentials?)(=|:|\s+(?!-))")
_FILES: Final = {"file": False, "dir": True}


def history_file(environment: Mapping[str, str]) -> Path:
    """Where lines are kept from one time to the next."""
    folder = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "/")) / ".local" / "state")
    return Path(folder) / "libvdsm" / "history"


def may_be_kept(line: str) -> bool:
    """Whether a line may be seen again: not if a secret may be in it, nor if it begins with a blank, as shells have it."""
    return bool(line.strip()) and not line[0].isspace() and _SECRET.search(line) is None


class History(FileHistory):
    """Lines in a file of the user's own; without the file, for this time alone."""

    def __init__(self, file: Path) -> None:
        """Make the file, readable for nobody else."""
        super().__init__(str(file))
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
            self._is_kept = True
        except OSError:
            self._is_kept = False

    def append_string(self, string: str) -> None:
        """Keep a line, if it may be kept."""
        if may_be_kept(string):
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """The lines of the times before, the newest first."""
        return super().load_history_strings() if self._is_kept else ()

    def store_string(self, string: str) -> None:
        """Write a line to the file."""
        if self._is_kept:
            super().store_string(string)


class Words(Completer):
    """Completion by the commands themselves: nouns, verbs, options, words of the schema, names of objects."""

    def __init__(self, root: click.Command, prefix: Sequence[str]) -> None:
        """``prefix``: the options that stand before every line."""
        self._shell = ShellComplete(root, {}, completion.PROGRAM, completion.VARIABLE)
        self._prefix = list(prefix)
        self._paths = {word: PathCompleter(only_directories=only, expanduser=True) for word, only in _FILES.items()}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """See prompt_toolkit."""
        text = document.text_before_cursor
        words = split_arg_string(text)
        incomplete = words.pop() if words and not text[-1:].isspace() else ""
        for item in self._shell.get_completions([*self._prefix, *words], incomplete):
            paths = self._paths.get(item.type)
            if paths is not None:
                yield from paths.get_completions(Document(incomplete), complete_event)
            else:
                meta = "" if item.help is None else str(item.help)
                yield Completion(shlex.quote(item.value), start_position=-_typed(text, incomplete), display=item.value, display_meta=meta)


def _typed(text: str, incomplete: str) -> int:
    """How many characters of ``text`` stand for the word that is not complete: quotes and backslashes count."""
    if not incomplete:
        return 0
    for start in range(len(text)):
        if (start == 0 or text[start - 1].isspace()) and split_arg_string(text[start:]) == [incomplete]:
            return len(text) - start
    return len(incomplete)


def run(root: click.Command, prefix: Sequence[str], execute: Callable[[Sequence[str]], int], open_session: Callable[[], Session]) -> int:
    """Read lines and ``execute`` them until the end of input or ``exit``; answers the exit code of the last command."""
    with Ticker(open_session) as ticker:
        lines: PromptSession[str] = PromptSession(
            "vdsmsh> ",
            history=History(history_file(os.environ)),
            completer=Words(root, prefix),
            complete_in_thread=True,
            complete_while_typing=False,
            complete_style=CompleteStyle.MULTI_COLUMN,
            bottom_toolbar=lambda: FormattedText([("", ticker.text(lines.output.get_size().columns))]),
            enable_open_in_editor=False,
        )
        ticker.on_news = lines.app.invalidate
        code = 0
        while True:
            try:
                line = lines.prompt()
            except KeyboardInterrupt:
                continue  # the line is thrown away
            except EOFError:
                return code
            words = _split(line)
            if not words:
                continue
            if words[0] in LEAVE and len(words) == 1:
                return code
            code = execute([*prefix, *(["--help"] if words == ["help"] else words)])


def _split(line: str) -> list[str]:
    """The words of a line; none, with a complaint, if quotes are missing."""
    try:
        words = shlex.split(line)
    except ValueError as failure:
        click.echo(f"{completion.PROGRAM}: {failure}", err=True)
        return []
    return words[1:] if words[:1] == [completion.PROGRAM] else words
