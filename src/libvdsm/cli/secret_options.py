"""Secrets come from a file, from standard input, or from whoever types them unseen: never from the command line or the environment.

Every process of the host can read another's arguments, and shells keep what was typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli.source import read_text
from libvdsm.cli.terminal import is_terminal

if TYPE_CHECKING:
    from libvdsm.cli.description import Member

#: Characters; more is no secret but the wrong file.
_MOST: Final = 64 * 1024


def is_secret(member: Member) -> bool:
    """Whether a member, or each of its entries, is a secret."""
    return member.type.name == "secret"


class SecretFile(click.ParamType[Any]):
    """A file whose first line is the secret, ``-`` for standard input."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Read the secret."""
        if not isinstance(value, str):
            return value
        text = read_text(value)
        found = text.removesuffix("\n")
        found = found.removesuffix("\r")
        if not found or "\n" in found or len(found) > _MOST:
            self.fail(f"{'standard input' if value == '-' else value} does not hold one line with the secret", param, ctx)
        return found


class Refused(click.ParamType[Any]):
    """The option that people may expect, which takes nothing; its complaint does not say what was given."""

    name = "secret"

    def __init__(self, word: str) -> None:
        """``word``: the option that does take it, without dashes."""
        self._word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401, ARG002 - click's signature
        """Refuse."""
        self.fail(
            f"a secret is not given on the command line, where others can read it: use --{self._word}-file FILE (- for standard input), "
            "or leave it out and type it when you are asked",
            param,
            ctx,
        )


def ask(word: str) -> str | None:
    """Have a secret typed unseen; None if nobody is there to type it."""
    if not (is_terminal("stdin") and is_terminal("stderr")):
        return None
    return str(click.prompt(word.replace("-", " ").capitalize(), hide_input=True, err=True))
