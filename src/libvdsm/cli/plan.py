"""``vdsmsh plan``: a command as it would be given, and whether the daemon would do it now, with all that speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import options, verbs
from libvdsm.cli.failures import ApiFailure, Exit
from libvdsm.cli.locate import locate
from libvdsm.cli.settings import printer, settings
from libvdsm.cli.terminal import safe
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from libvdsm.cli.app import App

_VERB: Final = "Plan.check"
#: What is begun on a connection is over with the command.
_NOT_ASKED: Final = frozenset({"Event"})
#: The call option that is part of the question.
_EXPECTED: Final = "expectedGeneration"


class Plan(click.Group):
    """The nouns, each with the verbs that change something; and the verb ``check`` as it is."""

    def __init__(self, app: App) -> None:
        """Make the group; its commands are made when they are asked for."""
        super().__init__(
            "plan",
            help=(
                "Says whether a command would be done now, and all that speaks against it, without doing it: "
                "vdsmsh plan vm start web. The exit code is 0 if it would; else 2, 4 or 6 for faulty parameters, "
                "what is not there and a lacking permission, and 7 for all else, by the first reason."
            ),
            short_help="Says whether a command would be done now, and why not.",
            no_args_is_help=True,
            subcommand_metavar="NOUN VERB [ARGUMENTS]...",
        )
        self._app = app
        self._nouns: dict[str, dict[str, str]] = {}
        for name, entry in app.description.table["methods"].items():
            noun, _, verb = name.partition(".")
            if entry["kind"] != "query" and noun not in _NOT_ASKED:
                self._nouns.setdefault(kebab(noun), {})[kebab(verb)] = name

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the nouns."""
        return sorted({*self._nouns, "check"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Make the group of a noun, or the verb's own command."""
        if cmd_name == "check":
            return verbs.command(self._app, _VERB)
        found = self._nouns.get(cmd_name)
        return None if found is None else _Noun(self._app, cmd_name, found)


class _Noun(click.Group):
    """The changing verbs of one interface."""

    def __init__(self, app: App, noun: str, names: Mapping[str, str]) -> None:
        interface = next(iter(names.values())).partition(".")[0]
        summary = app.description.interfaces[interface]
        super().__init__(noun, help=summary, no_args_is_help=True, subcommand_metavar="VERB [ARGUMENTS]...")
        self._app = app
        self._names = names

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        name = self._names.get(cmd_name)
        return None if name is None else _command(self._app, name)


def plan(app: App) -> click.Command:
    """Make ``plan``."""
    return Plan(app)


def _command(app: App, full_name: str) -> click.Command:
    """The verb's command, which asks instead."""
    made = verbs.command(app, full_name)
    made.params = [param for param in made.params if param.name not in verbs.AFTER_THE_CALL]
    made.callback = click.pass_context(lambda ctx, **_: _ask(app, full_name, ctx))
    return made


def _ask(app: App, full_name: str, ctx: click.Context) -> None:
    verb = app.description.verb(full_name)
    leaves = options.leaves(app.description, verb)
    call = verbs.Call(app, verb, leaves, ctx)
    params = call.params()
    beside = dict(settings(ctx, app.description).call_options)
    question: dict[str, Any] = {"method": full_name} | {name: beside.pop(name) for name in (_EXPECTED,) if name in beside}
    with app.open(ctx) as session:
        answer = session.call(_VERB, question | {"params": call.resolve(session, params)}, beside)
    shown = printer(ctx, app.description)
    if shown.form == "table":
        for line in lines(answer, leaves):
            click.echo(line)
    else:
        shown.show(None, answer)
    if not answer["possible"]:
        raise click.exceptions.Exit(_exit(answer["reasons"][0]))


def _exit(reason: Mapping[str, Any]) -> Exit:
    """That of the command itself, refused for this reason; a plan does not tell whose fault it is."""
    found = ApiFailure(code=reason["code"], message=reason["message"], error=reason["error"]).exit
    return Exit.REFUSED if found is Exit.DEFECT and reason["error"] != "InternalError" else found


def lines(answer: Mapping[str, Any], leaves: tuple[options.Leaf, ...] = ()) -> Iterator[str]:
    """The answer for people."""
    if answer["possible"]:
        done = answer.get("nothingToDo")
        yield click.style("Possible: nothing is left to do." if done else "Possible.", fg="green", bold=True)
        return
    yield click.style("Not possible.", fg="red", bold=True)
    for reason in answer["reasons"]:
        yield f"  {safe(reason['message'])}"
        if reason.get("path"):
            yield f"    where:  {safe(locate(leaves, reason['path']))}"
        if reason.get("remedy"):
            yield f"    remedy: {safe(reason['remedy'])}"
        again = ", may pass by itself" if reason.get("retryable") else ""
        yield f"    error:  {safe(reason['error'])} ({reason['code']}{again})"
