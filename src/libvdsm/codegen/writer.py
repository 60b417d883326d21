"""A small writer of indented text, and what all emitters of Python share.

It knows lines, blocks, wrapping and docstrings; it does not know the schema.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Any JSON value: defaults and examples of the schema.
Json: TypeAlias = Any

WIDTH: Final = 140
BANNER: Final = "Generated from the schema by vdsm-schema; do not edit."


class Writer:
    """Gathers lines; ``text`` is the whole."""

    def __init__(self, *, indent: str = "    ", width: int = WIDTH) -> None:
        self._lines: list[str] = []
        self._indent = indent
        self._depth = 0
        self._width = width

    def line(self, text: str = "") -> None:
        """One line at the present depth; an empty one carries no blanks."""
        self._lines.append(f"{self._indent * self._depth}{text}" if text else "")

    def lines(self, *texts: str) -> None:
        """Several lines at the present depth."""
        for text in texts:
            self.line(text)

    def wrapped(self, text: str, *, prefix: str = "") -> None:
        """A paragraph, each line of which begins with ``prefix``."""
        room = self._width - len(self._indent) * self._depth - len(prefix)
        for line in textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]:
            self.line(f"{prefix}{line}".rstrip())

    @contextmanager
    def block(self, head: str, tail: str | None = None) -> Iterator[None]:
        """What is written inside stands one step deeper between ``head`` and ``tail``."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1
        if tail is not None:
            self.line(tail)

    def docstring(self, summary: str, *paragraphs: str) -> None:
        """A Python docstring: the summary on the first line, then the paragraphs."""
        summary, *rest = (_documented(text) for text in (summary, *paragraphs) if text)
        if len(self._indent) * self._depth + len(summary) + 6 > self._width:
            first, _, more = summary.partition(": ") if ": " in summary[: self._width - 40] else summary.partition("; ")
            summary, rest = f"{first}.", [f"{more[:1].upper()}{more[1:]}", *rest]
        if not rest:
            self.line(f'"""{summary}"""')
            return
        self.line(f'"""{summary}')
        for paragraph in rest:
            self.line()
            if "\n" in paragraph:
                self.lines(*paragraph.split("\n"))
            else:
                self.wrapped(paragraph)
        self.line('"""')

    @property
    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return "\n".join(self._lines) + "\n"


def _documented(text: str) -> str:
    """Text that may stand between triple quotes."""
    return text.replace("\\", "\\\\").replace('"""', "'''")


def python_writer(docstring: str, *paragraphs: str, noqa: str | None = None) -> Writer:
    """The head of a generated Python module."""
    writer = Writer()
    writer.line(f"# {BANNER}")
    if noqa is not None:
        writer.line(f"# ruff: noqa: {noqa}")
    writer.docstring(docstring, *paragraphs)
    writer.line()
    writer.line("from __future__ import annotations")
    writer.line()
    return writer


def literal(value: object) -> str:
    """A string as Python and ruff write it: in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)
    return repr(value)


def raw_literal(value: str) -> str:
    """A string with backslashes that mean themselves."""
    return f'r"{value}"' if '"' not in value and not value.endswith("\\") and value.isprintable() else literal(value)


def formatted(text: str) -> str:
    """Python source as the project's formatter lays it out."""
    first_party = "--config=lint.isort.known-first-party=['libvdsm']"
    sorted_ = _ruff(text, "check", "--select=I001,F401", "--fix", "--quiet", first_party)
    return _ruff(sorted_, "format")


def _ruff(text: str, *arguments: str) -> str:
    program = Path(sys.executable).with_name("ruff")
    command = [str(program), *arguments, "--isolated", f"--config=line-length={WIDTH}", "--target-version=py311", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        message = f"the generated source cannot be formatted: {done.stderr}"
        raise ValueError(message)
    return done.stdout
