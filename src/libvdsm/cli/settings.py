"""What every command takes: where the daemon is, how to print, and the call options of the API.

They may stand before the command or after it; after it they win. The environment comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import formats, options, output
from libvdsm.cli.target import DEFAULT_URL, URL_VARIABLE, VARIABLES, Target, find_target
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from libvdsm.cli.description import Description

_TARGET: Final = "common_"
_FORM: Final = "common_output"


class CommonOption(options.SchemaOption):
    """An option of every command; shown in a section of its own."""

    section = "Common options"


@dataclass(frozen=True, slots=True)
class Settings:
    """The common options as they hold for one command."""

    target: Target
    form: str | None  # None: none was asked for
    call_options: dict[str, Any]


def common_options(description: Description, taken: frozenset[str] = frozenset()) -> list[click.Option]:
    """Return the common options, without those whose word the command needs for itself."""
    found: list[click.Option] = [
        CommonOption(
            [_TARGET + "url", "--url"],
            metavar="URL",
            help=f"The daemon: unix:///PATH, or tls://, https://, tcp:// or http://HOST:PORT. [{URL_VARIABLE}; {DEFAULT_URL}]",
        ),
        CommonOption([_TARGET + "host", "--host"], metavar="HOST:PORT", help="The daemon at a TCP address, by TLS. [VDSM_HOST]"),
        CommonOption(
            [_TARGET + "cert", "--cert"], metavar="FILE", help="By TLS: your certificate; its key and ca.crt may lie beside it. [VDSM_CERT]"
        ),
        CommonOption([_TARGET + "key", "--key"], metavar="FILE", help="By TLS: the key of your certificate. [VDSM_KEY]"),
        CommonOption([_TARGET + "ca", "--ca"], metavar="FILE", help="By TLS: the CA by which the daemon is known. [VDSM_CA; the system's]"),
        CommonOption(
            [_FORM, "-o", "--output"], type=click.Choice(formats.FORMATS), help="How to print results. [table on a terminal, else json]"
        ),
    ]
    found += [option for leaf in call_leaves(description) for option in options.build(description, leaf, None)]
    for option in found:
        option.__class__ = CommonOption
    return [option for option in found if not taken & set(option.opts)]


def call_leaves(description: Description) -> tuple[options.Leaf, ...]:
    """Return the call options that travel beside the parameters; waiting has options of its own."""
    return tuple(
        options.Leaf(path=(member.name,), member=member, words=("call", kebab(member.name)), flat=True)
        for member in description.call_options
        if member.name != "wait"
    )


def settings(ctx: click.Context, description: Description) -> Settings:
    """Return the common options of a command, those before it included."""
    merged: dict[str, Any] = {}
    here: click.Context | None = ctx
    while here is not None:
        merged = {key: value for key, value in here.params.items() if value is not None} | merged
        here = here.parent
    return Settings(
        target=find_target({word: merged.get(_TARGET + word) for word in VARIABLES}),
        form=merged.get(_FORM),
        call_options=options.assemble(call_leaves(description), merged),
    )


def printer(ctx: click.Context, description: Description, default: str | None = None) -> output.Printer:
    """Return what prints the results of a command."""
    return output.Printer(description, settings(ctx, description).form or default or output.default_form())
