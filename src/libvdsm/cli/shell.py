"""The tree of commands, made as far as a command line needs it, and what becomes of failures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from libvdsm.cli import completion, special, verbs
from libvdsm.cli.app import App
from libvdsm.cli.description import load
from libvdsm.cli.failures import Exit, Failure, exit_table
from libvdsm.cli.settings import common_options
from libvdsm.cli.target import FILE_VARIABLE, VARIABLES
from libvdsm.cli.terminal import is_terminal
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libvdsm.cli.session import Session
    from libvdsm.cli.target import Target


class Noun(click.Group):
    """The verbs of one interface."""

    def __init__(self, app: App, interface: str) -> None:
        """Make the group; its commands are made when they are asked for."""
        alone = special.ALONE.get(interface)
        summary = app.description.interfaces[interface] + ("" if alone is None else f" Without a verb: {alone}.")
        super().__init__(kebab(interface), help=summary, no_args_is_help=alone is None, subcommand_metavar="VERB [ARGUMENTS]...")
        self._alone = alone
        self._app = app
        self._interface = interface
        self._verbs = {
            kebab(verb): f"{interface}.{verb}" for verb in app.description.verbs(interface) if f"{interface}.{verb}" not in special.WITHOUT
        }
        self._special = {word: make for (noun, word), make in special.BELOW.items() if noun == interface}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the verb that a noun alone stands for."""
        is_help = bool(args) and args[0] in ctx.help_option_names
        if self._alone is not None and not is_help and (not args or args[0].startswith("-")):
            args = [self._alone, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the shell's spelling."""
        return sorted({*self._verbs, *self._special})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Make the command of a verb."""
        if cmd_name in self._special:
            return self._special[cmd_name](self._app)
        full_name = self._verbs.get(cmd_name)
        return None if full_name is None else verbs.command(self._app, full_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the verbs with their summaries, without making their commands."""
        summaries = {word: self._app.description.table["methods"][name]["summary"] for word, name in self._verbs.items()}
        for word, make in self._special.items():
            summaries.setdefault(word, make(self._app).get_short_help_str(200))
        _write_commands(formatter, "Verbs", summaries)


class Root(click.Group):
    """All nouns, and the commands beside them."""

    def __init__(self, app: App) -> None:
        """Make the root; its commands are made when they are asked for."""
        super().__init__(
            completion.PROGRAM,
            help="The shell of a virtualization host. Names and ids of objects both work. Without a command, on a terminal, it asks for them.",
            params=[*common_options(app.description), _version_option(app)],
            context_settings={"token_normalize_func": kebab, "help_option_names": ["-h", "--help"], "max_content_width": 120},
            invoke_without_command=True,
            callback=click.pass_context(self._ask),
            subcommand_metavar="NOUN VERB [ARGUMENTS]...",
        )
        self._app = app
        self._given: Sequence[str] = ()  # the options of a command line without a command
        self._is_asking = False
        self._nouns = {kebab(interface): interface for interface in app.description.interfaces}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what stands before a command that is still to come."""
        given = tuple(args)
        rest = super().parse_args(ctx, args)
        if not rest:
            self._given = given
        return rest

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; a reader of its output that has enough ends it well."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(Exit.DONE) from None

    def _ask(self, ctx: click.Context, **_common: object) -> int | None:
        """Without a command: ask for commands, if somebody is there to answer."""
        if ctx.invoked_subcommand is not None:
            return None
        if self._is_asking or not (is_terminal("stdin") and is_terminal("stdout")):
            raise click.exceptions.NoArgsIsHelpError(ctx)
        try:
            from libvdsm.cli import interactive
        except ModuleNotFoundError as error:
            if error.name != "prompt_toolkit":
                raise
            raise Failure(
                "without a command vdsmsh needs prompt_toolkit", remedy="pip install 'libvdsm[shell]'", code=Exit.USAGE
            ) from error
        self._is_asking = True
        return interactive.run(self, self._given, partial(execute, self), lambda: self._app.open(ctx))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the nouns and the commands beside them."""
        return sorted({*self._nouns, *special.TOP})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Make the group of a noun, or a command beside the nouns."""
        if cmd_name in special.TOP:
            return special.TOP[cmd_name](self._app)
        interface = self._nouns.get(cmd_name)
        return None if interface is None else Noun(self._app, interface)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        records = [record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Options (before or after the command)"):
            formatter.write_dl(records)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the nouns with their summaries."""
        nouns = {word: self._app.description.interfaces[name] for word, name in self._nouns.items() if word not in special.TOP}
        _write_commands(formatter, "Nouns", nouns)
        summaries = {word: make(self._app).get_short_help_str(200) for word, make in special.TOP.items()}
        _write_commands(formatter, "Beside them", summaries)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the environment and the exit codes."""
        known = "".join(f"  {variable:13} as --{word}, where it is not given\n" for word, variable in VARIABLES.items())
        file = f"  {FILE_VARIABLE:13} a TOML file with these words, read last [~/.config/libvdsm/vdsmsh.toml]\n"
        formatter.write(f"\nEnvironment:\n{known}{file}\nExit codes:\n{exit_table()}\n")


def _write_commands(formatter: click.HelpFormatter, title: str, summaries: dict[str, str]) -> None:
    with formatter.section(title):
        formatter.write_dl(sorted(summaries.items()))


def _version_option(app: App) -> click.Option:
    def show(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
        if not asked or ctx.resilient_parsing:
            return
        from importlib.metadata import version

        click.echo(f"vdsmsh {version('libvdsm')}, API {app.description.version} ({app.description.digest[:12]})")
        ctx.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Show the version and exit.")


def run(arguments: Sequence[str], opener: Any = None) -> int:  # noqa: ANN401 - Callable[[Target, float | None], Session]
    """Run a command line; the result is the exit code."""
    completion.register()
    return execute(Root(App(load(), opener or _open)), arguments)


def execute(root: Root, arguments: Sequence[str]) -> int:
    """Run a command line, and say why if it fails; the result is the exit code."""
    try:
        found = root.main(list(arguments), completion.PROGRAM, complete_var=completion.VARIABLE, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return Exit.USAGE
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except click.Abort:
        return Exit.INTERRUPTED
    except Failure as error:
        for line in error.lines():
            click.echo(line, err=True)
        return error.exit
    return found if isinstance(found, int) else Exit.DONE


def _open(target: Target, limit_s: float | None) -> Session:
    from libvdsm.cli.client_session import connect

    return connect(target.url, limit_s, ca=target.ca, certificate=target.cert, key=target.key)
