"""Commands beside those of the verbs: where the answer is a stream, a file or anything at all."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import access, audit, completion, console, doctor, options, pki, plan, secret_options, verbs, watch
from libvdsm.cli.failures import Exit, Failure
from libvdsm.cli.locate import explaining
from libvdsm.cli.session import resolve
from libvdsm.cli.settings import common_options, printer, settings
from libvdsm.cli.source import read_text
from libvdsm.cli.tasks import check_outcome, has_ended, left_running
from libvdsm.cli.terminal import is_terminal
from libvdsm.cli.values import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.cli.app import App
    from libvdsm.cli.session import Session, Stream

_FILE: Final = "image_file"


def screenshot(app: App) -> click.Command:
    """Make ``vm screenshot``: the verb's command, with the image in a file."""
    file = click.Option(
        [_FILE, "-f", "--file"],
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="Write the image here, - for standard output. [standard output, unless it is a terminal]",
    )
    return verbs.command(app, "VM.screenshot", _write_image, [file])


def _write_image(call: verbs.Call, _session: Session, result: Any) -> None:  # noqa: ANN401 - any JSON value
    file = call.ctx.params.get(_FILE)
    if file is None and settings(call.ctx, call.app.description).form is not None:
        printer(call.ctx, call.app.description).show(call.verb.result, result)
        return
    if file is None and is_terminal("stdout"):
        raise Failure("an image does not fit on a terminal", remedy="Name a file with -f FILE.", code=Exit.USAGE)
    image = base64.b64decode(result["data"])
    if file in (None, "-"):
        sys.stdout.buffer.write(image)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(image)
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}", remedy="Name a file that you may write.", code=Exit.USAGE) from error
    click.echo(f"{file}: {result['contentType']}, {len(image)} bytes", err=True)


def task_wait(app: App) -> click.Command:
    """Make ``task wait``: the verb's command, whose exit code tells how the task ended."""
    return verbs.command(app, "Task.wait", _show_task)


def _show_task(call: verbs.Call, _session: Session, task: Any) -> None:  # noqa: ANN401 - any JSON value
    printer(call.ctx, call.app.description).show(call.verb.result, task)
    if not has_ended(task):
        raise left_running(task)
    check_outcome(task)


def vm_console(app: App) -> click.Command:
    """Make ``vm console``: the ticket of ``Console.open``, and its stream on this terminal."""
    verb = app.description.verb("Console.open")
    leaves = options.leaves(app.description, verb)
    shown = [leaf for leaf in leaves if leaf.reference is None and leaf.member.name != "kind"]
    target = next(leaf for leaf in leaves if leaf.reference is not None)
    own: list[click.Parameter] = [
        click.Argument([target.key], type=options.Word(app.description, target, app.complete_names), metavar="VM"),
        *(option for leaf in shown for option in options.build(app.description, leaf, None)),
        click.Option(["--escape"], default="^]", show_default=True, metavar="KEY", help="The key that ends the connection."),
        click.Option(
            ["--linger"],
            type=float,
            default=1.0,
            show_default=True,
            metavar="SECONDS",
            help="Without a terminal: how long to read on in silence after the end of the input.",
        ),
    ]

    def run(ctx: click.Context, escape: str, linger: float, **_: object) -> None:
        params = options.assemble(leaves, ctx.params)
        try:
            key = console.escape_byte(escape)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param_hint="'--escape'") from error
        with app.open(ctx) as session, explaining(leaves):
            params["vmId"] = resolve(session, "vm", params["vmId"])
            ticket = session.call(verb.full_name, params | {"kind": "serial"}, settings(ctx, app.description).call_options)
            stream = session.open_stream(ticket["path"])
            try:
                _attach(stream, key, linger)
            finally:
                stream.close()

    return verbs.SchemaCommand(
        "console",
        params=[*own, *common_options(app.description)],
        callback=click.pass_context(run),
        help="Types on and reads a virtual machine's serial console; Ctrl-] leaves it.",
    )


def _attach(stream: Stream, key: bytes, linger_s: float) -> None:
    desk = console.Desk()
    if desk.is_terminal:
        click.echo(f"Connected; {console.escape_name(key)} leaves.", err=True)
    ended = console.attach(stream, desk, escape=key, linger_s=linger_s)
    if desk.is_terminal:
        click.echo("\nLeft the console." if ended == "escape" else "\nThe console was closed by the host.", err=True)


def events(app: App, name: str = "events") -> click.Command:
    """Make ``events``: what has changed after a token, or all that changes from now on."""
    leaves = options.leaves(app.description, app.description.verb("Event.subscribe"))
    shown = [leaf for leaf in leaves if leaf.member.name in ("topics", "after", "snapshot")]
    own: list[click.Parameter] = [option for leaf in shown for option in options.build(app.description, leaf, None)]
    own += [
        click.Option(["--follow", "-f"], is_flag=True, default=name != "events", help="Go on with what changes, until Ctrl-C."),
        click.Option(["--count"], type=click.IntRange(1), metavar="INTEGER", help="End after so many; goes with --follow."),
    ]

    def run(ctx: click.Context, *, follow: bool, count: int | None, **_: object) -> None:
        params = options.assemble(leaves, ctx.params)
        snapshot = bool(params.pop("snapshot", False))
        form = printer(ctx, app.description)
        with app.open(ctx) as session, explaining(leaves):
            if follow or snapshot:
                found = session.deliveries(params.get("topics", ["#"]), after=params.get("after"), snapshot=snapshot)
                watch.show_deliveries(found, form.form, count)
                return
            answer = session.call("Event.read", params, settings(ctx, app.description).call_options)
            form.show("EventList", answer)
            if form.form == "table":
                click.echo(f"Go on with: vdsmsh events --after {answer['resume']}", err=True)

    return verbs.SchemaCommand(
        name,
        params=[*own, *common_options(app.description)],
        callback=click.pass_context(run),
        help="Shows what has changed, in order and without loss: one line an event on a terminal, a JSON object a line elsewhere.",
        short_help="Shows what changes on the host.",
    )


def raw_call(app: App) -> click.Command:
    """Make ``call``: any method with any parameters, as they are."""

    def run(ctx: click.Context, method: str, params: str | None, **_: object) -> None:
        _refuse_secrets(app, method, params)
        value = _raw_params(params)
        with app.open(ctx) as session:
            result = session.call(method, value, settings(ctx, app.description).call_options)
        form = printer(ctx, app.description, "json")
        known = method in app.description.table["methods"]
        form.show(app.description.verb(method).result if known else None, result)

    own: list[click.Parameter] = [
        click.Argument(["method"], type=_Methods(app), metavar="METHOD"),
        click.Argument(["params"], required=False, metavar="[JSON|@FILE|-]"),
    ]
    return verbs.SchemaCommand(
        "call",
        params=[*own, *common_options(app.description)],
        callback=click.pass_context(run),
        help="Calls a method as it is, with its parameters as a JSON object, @FILE, or - for standard input; prints the result as JSON.",
        short_help="Calls a method as it is, with JSON.",
    )


def _refuse_secrets(app: App, method: str, params: str | None) -> None:
    is_known = method in app.description.table["methods"]
    if is_known and params and params != "-" and not params.startswith("@"):
        held = [member.name for member in app.description.verb(method).params if secret_options.is_secret(member)]
        if held:
            raise Failure(
                f"{held[0]} is a secret, and others can read a command line", remedy="Give the parameters as @FILE or -.", code=Exit.USAGE
            )


def _raw_params(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "-" or text.startswith("@"):
        text = read_text("-" if text == "-" else text[1:])
    try:
        value = read_json(text)
    except ValueError as error:
        raise Failure(
            f"the parameters are not valid JSON: {error}", remedy="""Write an object, such as '{"vmId": "..."}'.""", code=Exit.USAGE
        ) from error
    if not isinstance(value, dict):
        raise Failure("the parameters are not a JSON object", remedy="""Write an object, such as '{"vmId": "..."}'.""", code=Exit.USAGE)
    return value


class _Methods(click.ParamType[str]):
    """A method's name; any word is taken, those of the description are offered."""

    name = "method"

    def __init__(self, app: App) -> None:
        self._app = app

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Offer the methods of the description."""
        from click.shell_completion import CompletionItem

        methods = self._app.description.table["methods"]
        return [CompletionItem(name, help=entry["summary"]) for name, entry in methods.items() if name.startswith(incomplete)]


def completion_script(app: App) -> click.Command:
    """Make ``completion``: the script that a shell reads to complete vdsmsh."""

    def run(shell: str) -> None:
        click.echo(completion.script(shell))

    return click.Command(
        "completion",
        params=[click.Argument(["shell"], type=click.Choice(completion.SHELLS))],
        callback=run,
        help=completion.HELP,
        short_help=f"Prints the completion of {', '.join(completion.SHELLS)} for API {app.description.version}.",
    )


#: Commands below a noun that replace the generated one, or stand beside those of the schema.
BELOW: Final[dict[tuple[str, str], Callable[[App], click.Command]]] = {
    ("Access", "check"): access.check,
    ("Access", "grant"): access.grant,
    ("Access", "why-denied"): access.why_denied,
    ("Audit", "changes"): audit.changes,
    ("Audit", "verify"): audit.verify,
    ("Identity", "create-token"): access.create_token,
    ("Task", "wait"): task_wait,
    ("VM", "screenshot"): screenshot,
    ("VM", "console"): vm_console,
    ("Event", "subscribe"): lambda app: events(app, "subscribe"),
}

#: What a noun does that is given no verb.
ALONE: Final = {"Audit": "list"}

#: Verbs without a command: they make sense only on a connection that stays.
WITHOUT: Final = frozenset({"Event.unsubscribe"})

#: Commands beside the nouns.
TOP: Final[dict[str, Callable[[App], click.Command]]] = {
    "call": raw_call,
    "completion": completion_script,
    "doctor": doctor.doctor,
    "events": events,
    "pki": pki.pki,
    "plan": plan.plan,
}
