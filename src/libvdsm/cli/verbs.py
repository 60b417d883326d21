"""The commands of the schema's verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import options, secret_options, watch
from libvdsm.cli.description import Member, TypeUse
from libvdsm.cli.locate import explaining
from libvdsm.cli.session import resolve
from libvdsm.cli.settings import common_options, printer, settings
from libvdsm.cli.source import read_source
from libvdsm.cli.tasks import Follower, check_outcome, has_ended, hint
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.cli.app import App
    from libvdsm.cli.description import Verb
    from libvdsm.cli.session import Session

_FROM: Final = "source_from"
_CLEAR: Final = "patch_clear"
_WAIT: Final = "wait_end"
_WAIT_FOR: Final = "wait_seconds"
_WATCH: Final = "watch_changes"
_INTERVAL: Final = "watch_interval"
#: Lists without an end worth waiting for: a page is shown, and how to go on.
_PAGE_BY_PAGE: Final = frozenset({"Audit.list"})
#: Names of the options that say what is to be done once the verb was called.
AFTER_THE_CALL: Final = frozenset({_WAIT, _WAIT_FOR, _WATCH, _INTERVAL})
_SECTIONS: Final = ("Options", "Common options")


class SchemaCommand(click.Command):
    """A command whose options are shown in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of the command first."""
        for section in _SECTIONS:
            records = [
                record
                for param in self.get_params(ctx)
                if isinstance(param, click.Option)
                and getattr(param, "section", "Options") == section
                and (record := param.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)


class Call:
    """One run of a verb's command."""

    def __init__(self, app: App, verb: Verb, leaves: tuple[options.Leaf, ...], ctx: click.Context) -> None:
        """Take the command line of ``ctx``."""
        self.app = app
        self.verb = verb
        self.leaves = leaves
        self.ctx = ctx
        self.given: Mapping[str, Any] = ctx.params

    def params(self) -> dict[str, Any]:
        """Return the parameters that the command line asks for, names not yet resolved. UsageError if one is missing."""
        given = dict(self.given)
        for leaf in self.leaves:
            words = given.pop(leaf.key + "__word", None)
            if words and leaf.member.type.container:
                given[leaf.key] = (*words, *(given.get(leaf.key) or ()))
            elif words:
                given[leaf.key] = words
        params = options.assemble(self.leaves, given)
        source = given.get(_FROM)
        if source is not None:
            params = options.merge(read_source(source), params)
        for path in given.get(_CLEAR) or ():
            options.put(params, path, None)
        self._ask(params)
        self._check(params)
        return params

    def _ask(self, params: dict[str, Any]) -> None:
        """Have secrets typed that are needed and were not given."""
        for leaf in self.leaves:
            if len(leaf.path) == 1 and leaf.path[0] not in params and secret_options.is_secret(leaf.member) and not leaf.member.optional:
                typed = secret_options.ask(leaf.shown)
                if typed is not None:
                    params[leaf.path[0]] = typed

    def _check(self, params: Mapping[str, Any]) -> None:
        for path in options.missing(self.app.description, self.verb.params, params):
            leaf = next((leaf for leaf in self.leaves if leaf.path == path and not leaf.whole), None)
            if leaf is not None and leaf.reference is not None and not leaf.member.type.container:
                raise click.UsageError(f"Missing argument '{leaf.reference.upper()}'.", self.ctx)
            if leaf is not None and secret_options.is_secret(leaf.member):
                raise click.UsageError(f"Missing option '--{leaf.shown}-file'.", self.ctx)
            raise click.UsageError(f"Missing option '--{leaf.shown}'." if leaf is not None else f"Missing {'.'.join(path)}.", self.ctx)

    def resolve(self, session: Session, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with ids for names."""
        resolved = dict(params)
        for leaf in self.leaves:
            if leaf.reference is None or leaf.path[0] not in params:
                continue
            value = params[leaf.path[0]]
            if isinstance(value, list):
                resolved[leaf.path[0]] = [resolve(session, leaf.reference, str(word)) for word in value]
            else:
                resolved[leaf.path[0]] = resolve(session, leaf.reference, str(value))
        return resolved

    def run(self, session: Session, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        """Call the verb; a list is read to its end unless a page was asked for."""
        call_options = settings(self.ctx, self.app.description).call_options
        with explaining(self.leaves):
            result = session.call(self.verb.full_name, params, call_options)
            if self.verb.paged and self.verb.full_name not in _PAGE_BY_PAGE and not {"limit", "after"} & params.keys():
                self._more(session, dict(params), result, call_options)
        return result

    def _more(self, session: Session, params: dict[str, Any], result: dict[str, Any], call_options: Mapping[str, Any]) -> None:
        cursors: set[str] = set()
        while (cursor := result.pop("next", None)) is not None and cursor not in cursors:
            cursors.add(cursor)
            page = session.call(self.verb.full_name, params | {"after": cursor}, call_options)
            result["items"].extend(page["items"])
            if "next" in page:
                result["next"] = page["next"]

    def fields(self) -> tuple[str, ...]:
        """Return the members that were asked for, where the verb selects members."""
        return tuple(self.params().get("fields") or ()) if any(leaf.path == ("fields",) for leaf in self.leaves) else ()


def command(
    app: App, full_name: str, present: Callable[[Call, Session, Any], None] | None = None, extra: list[click.Option] | None = None
) -> click.Command:
    """Make the command of a verb; ``present`` prints its result in a way of its own, steered by ``extra`` options."""
    description = app.description
    verb = description.verb(full_name)
    leaves = options.leaves(description, verb)
    params: list[click.Parameter] = [*_arguments(app, leaves)]
    for leaf in leaves:
        params.extend(_options(app, leaf))
    params.extend(extra or ())
    params.extend(_own_options(app, verb, leaves, with_watch=present is None))
    taken = frozenset(word for param in params for word in param.opts if isinstance(param, click.Option))
    return SchemaCommand(
        kebab(verb.name),
        params=[*params, *common_options(description, taken)],
        callback=click.pass_context(lambda ctx, **_: _run(app, verb, leaves, ctx, present)),
        help=f"{verb.summary}\n\n{verb.description}".strip(),
        short_help=verb.summary,
    )


def _run(
    app: App, verb: Verb, leaves: tuple[options.Leaf, ...], ctx: click.Context, present: Callable[[Call, Session, Any], None] | None
) -> None:
    call = Call(app, verb, leaves, ctx)
    params = call.params()
    with app.open(ctx) as session:
        params = call.resolve(session, params)
        if ctx.params.get(_WATCH):
            shown = printer(ctx, app.description)
            watch.watch(
                session,
                app.description,
                verb,
                lambda: call.run(session, params),
                shown,
                fields=call.fields(),
                interval_s=ctx.params[_INTERVAL],
            )
            return
        result = call.run(session, params)
        if present is not None:
            present(call, session, result)
        elif verb.kind == "operation":
            _finish(call, session, result)
        else:
            printer(ctx, app.description).show(verb.result, result, call.fields())
            if isinstance(result, dict) and verb.paged and "next" in result:
                click.echo(f"There are more: --after {result['next']}", err=True)


def _finish(call: Call, session: Session, result: dict[str, Any]) -> None:
    """Print an operation's task; with --wait follow it, and end as it ends."""
    ctx, description = call.ctx, call.app.description
    task = result["task"]
    seconds = ctx.params.get(_WAIT_FOR)
    shown = printer(ctx, description)
    if not ctx.params.get(_WAIT) and seconds is None:
        shown.show("Task" if shown.form == "table" else None, task if shown.form == "table" else result)
        hint(task)
        return
    task = Follower(session, lambda: call.app.open(ctx), wait_s=seconds).follow(task)
    if shown.form != "table":
        shown.show(None, {"task": task})
    check_outcome(task)
    if shown.form == "table" and has_ended(task):
        shown.show(call.verb.result, task.get("result") or {})


def _arguments(app: App, leaves: tuple[options.Leaf, ...]) -> list[click.Parameter]:
    found: list[click.Parameter] = []
    for leaf in leaves:
        if leaf.reference is None:
            continue
        many = bool(leaf.member.type.container)
        metavar = f"[{leaf.reference.upper()}]..." if many else leaf.reference.upper()
        word = options.Word(app.description, leaf, app.complete_names)
        found.append(click.Argument([leaf.key + "__word"], type=word, nargs=-1 if many else 1, required=False, metavar=metavar))
    return found


def _options(app: App, leaf: options.Leaf) -> list[click.Option]:
    found = options.build(app.description, leaf, app.complete_names)
    if leaf.reference is not None:
        for option in found:
            option.hidden = True  # the argument is shown
    return found


def _own_options(app: App, verb: Verb, leaves: tuple[options.Leaf, ...], *, with_watch: bool) -> list[click.Option]:
    found: list[click.Option] = []
    if verb.params:
        text = "Take the parameters from a JSON (or YAML) file, - for standard input; options are laid over them."
        found.append(click.Option([_FROM, "--from"], type=click.Path(allow_dash=True), metavar="FILE", help=text))
    clearable = {leaf.shown: leaf.path for leaf in leaves if _is_patched(app, verb, leaf)}
    if clearable:
        text = "Clear an optional member, named as its option is. May be repeated."
        found.append(click.Option([_CLEAR, "--clear"], type=_Clear(clearable), multiple=True, metavar="OPTION", help=text))
    if verb.kind == "operation":
        seconds = options.Word(app.description, _seconds_leaf(), None)
        found.append(
            click.Option(
                [_WAIT, "--wait"], is_flag=True, help="Wait for the task's end and show how far it is; the exit code tells how it ended."
            )
        )
        found.append(click.Option([_WAIT_FOR, "--wait-for"], type=seconds, metavar="SECONDS", help="As --wait, but no longer than this."))
    elif verb.kind == "query" and with_watch and verb.interface not in ("Event", "Schema"):
        seconds = options.Word(app.description, _seconds_leaf(), None)
        found.append(click.Option([_WATCH, "--watch"], is_flag=True, help="Show it again whenever it changes, until Ctrl-C."))
        text = "For --watch of what no event tells: how often to look. [default: 2]"
        found.append(click.Option([_INTERVAL, "--interval"], type=seconds, default=2.0, metavar="SECONDS", help=text))
    return found


def _seconds_leaf() -> options.Leaf:
    member = Member(name="seconds", type=TypeUse("number"), unit="seconds")
    return options.Leaf(path=("seconds",), member=member, words=("seconds",), flat=False)


def _is_patched(app: App, verb: Verb, leaf: options.Leaf) -> bool:
    member = next(member for member in verb.params if member.name == leaf.path[0])
    if member.type.container or member.type.is_scalar or leaf.path == (member.name,):
        return False
    return getattr(app.description.type(member.type.name), "patch", False) and not leaf.tags


class _Clear(click.ParamType[Any]):
    """The option whose member is cleared."""

    name = "option"

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Return the path of the member."""
        if not isinstance(value, str):
            return value
        path = self.known.get(kebab(value.removeprefix("--")))
        if path is None:
            self.fail(f"{value!r} is none of {', '.join(self.known)}", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Offer the options."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.known if word.startswith(incomplete)]
