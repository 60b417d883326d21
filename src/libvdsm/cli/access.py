"""The commands of rights in the words in which one says them: who, which role, and where.

``access grant alice operator --project web`` is ``access grant --identity user:alice --role operator --scope …``; every option of the
verbs is there as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import options, verbs
from libvdsm.cli.pki import identity_of
from libvdsm.cli.session import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.cli.app import App

_VM: Final = "place_vm"
_PROJECT: Final = "place_project"


def _command(app: App, full_name: str, words: tuple[str, ...], where: str) -> click.Command:
    """Make a verb's command with these parameters as words, and with ``--project`` and ``--vm`` for the parameter ``where``."""
    made = verbs.command(app, full_name)
    keys = {
        ".".join(leaf.path): leaf.key for leaf in options.leaves(app.description, app.description.verb(full_name)) if len(leaf.path) == 1
    }
    arguments: list[click.Parameter] = [click.Argument([_word(word)], metavar=word.upper(), required=False) for word in words]
    places = [click.Option(["--vm", _VM], metavar="VM", help="For this machine alone.")]
    if not any("--project" in param.opts for param in made.params):
        places.append(click.Option(["--project", _PROJECT], metavar="PROJECT", help="In this project, with all that it will have."))
    made.params = [*arguments, *places, *made.params]
    inner: Callable[..., Any] = made.callback or (lambda: None)

    def run(*given: object, **more: object) -> object:
        ctx = click.get_current_context()
        for word in words:
            value = ctx.params.pop(_word(word), None)
            if value is not None:
                ctx.params[keys[word]] = value
        named = ctx.params.get(keys.get("identity", ""))
        if named is not None:
            ctx.params[keys["identity"]] = identity_of(named)
        place = _place(app, ctx, where)
        if place is not None:
            ctx.params[keys[where]] = place
        return inner(*given, **more)

    made.callback = run
    return made


def _word(name: str) -> str:
    return f"word_{name}"


def _place(app: App, ctx: click.Context, where: str) -> dict[str, str] | None:
    vm, project = ctx.params.pop(_VM, None), ctx.params.pop(_PROJECT, None)
    if vm is not None and project is not None:
        raise click.UsageError("Give --project or --vm, not both.", ctx)
    if vm is not None:
        with app.open(ctx) as session:
            found = {"type": "vm", "id": resolve(session, "vm", vm)}
        return found if where == "object" else {"kind": "object", **found}
    return None if project is None else {"kind": "project", "project": project}


def grant(app: App) -> click.Command:
    """Make ``access grant IDENTITY ROLE [--project PROJECT | --vm VM]``."""
    return _command(app, "Access.grant", ("identity", "role"), "scope")


def check(app: App) -> click.Command:
    """Make ``access check IDENTITY METHOD [--project PROJECT | --vm VM]``."""
    return _command(app, "Access.check", ("identity", "method"), "object")


def why_denied(app: App) -> click.Command:
    """Make ``access why-denied IDENTITY METHOD [--project PROJECT | --vm VM]``."""
    return _command(app, "Access.whyDenied", ("identity", "method"), "object")


def create_token(app: App) -> click.Command:
    """Make ``identity create-token LABEL [--project PROJECT | --vm VM]``."""
    return _command(app, "Identity.createToken", ("label",), "scope")
