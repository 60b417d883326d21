"""Prints results in the form that was asked for."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from libvdsm.cli import formats
from libvdsm.cli.terminal import is_terminal

if TYPE_CHECKING:
    from rich.console import Console

    from libvdsm.cli.description import Description


@dataclass(frozen=True, slots=True)
class Printer:
    """Writes results to standard output."""

    description: Description
    form: str  # one of formats.FORMATS

    def show(self, type_name: str | None, value: object, fields: tuple[str, ...] = ()) -> None:
        """Print a result of a type; without a type, or in another form than a table, as data."""
        if self.form == "table" and type_name is not None:
            self._table(type_name, value, fields)
        else:
            click.echo(self.text(value))

    def text(self, value: object) -> str:
        """Return a result as data."""
        match self.form:
            case "yaml":
                return formats.as_yaml(value)
            case "ndjson":
                return formats.as_ndjson(value)
            case _:
                return formats.as_json(value)

    def _table(self, type_name: str, value: object, fields: tuple[str, ...]) -> None:
        from libvdsm.cli import tables

        found = tables.render(self.description, type_name, value, fields)
        if found is not None:
            console().print(found)


def default_form() -> str:
    """Return the form when none is asked for: a table for people, JSON for programs."""
    return "table" if is_terminal("stdout") else "json"


def console() -> Console:
    """Return rich's console for standard output; wide when nobody looks, so that no cell is folded."""
    from rich.console import Console

    class Pipe(Console):
        """A console that lets the shell decide what a broken pipe means."""

        def on_broken_pipe(self) -> None:
            """Raise the error that rich is handling."""
            raise  # noqa: PLE0704 - called by rich in its except clause

    width = shutil.get_terminal_size((100, 24)).columns if is_terminal("stdout") else 400
    return Pipe(file=sys.stdout, width=width, soft_wrap=False, highlight=False)
