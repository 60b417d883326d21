"""``vdsmsh pki``: certificates as files, made and renewed by the verbs of ``Certificate``.

A certificate for alice is alice.crt, alice.key (readable by its owner alone) and ca.crt in one folder, which is what
``--cert alice.crt`` wants.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli.failures import Exit, Failure
from libvdsm.cli.settings import common_options, printer, settings
from libvdsm.cli.source import read_text
from libvdsm.cli.terminal import is_terminal
from libvdsm.cli.values import is_id
from libvdsm.cli.verbs import SchemaCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.cli.app import App
    from libvdsm.cli.session import Session

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644


def pki(app: App) -> click.Group:
    """Make ``pki`` with its commands."""
    group = click.Group("pki", help="Makes, renews and ends certificates of clients, and writes them into files.", no_args_is_help=True)
    for make in (_issue, _list, _renew, _revoke, _invite, _enrol):
        group.add_command(make(app))
    return group


def identity_of(name: str) -> str:
    """The identity that a word stands for: ``alice`` is ``user:alice``."""
    return name if ":" in name else f"user:{name}"


def file_name(identity: str) -> str:
    """What its files are called."""
    name = identity.partition(":")[2] or identity
    if not _NAME.fullmatch(name):
        raise Failure(f"{name!r} is no name for files", remedy="Use letters, digits and ._@- in the name.", code=Exit.USAGE)
    return name


def _command(app: App, name: str, own: list[click.Parameter], run: Callable[..., None], text: str) -> click.Command:
    taken = frozenset(word for param in own for word in param.opts if isinstance(param, click.Option))
    return SchemaCommand(name, params=[*own, *common_options(app.description, taken)], callback=click.pass_context(run), help=text)


def _folder() -> click.Option:
    return click.Option(["--out"], type=click.Path(file_okay=False), default=".", metavar="FOLDER", help="Where the files go. [here]")


def _csr() -> click.Option:
    return click.Option(
        ["--csr"], type=click.Path(allow_dash=True), metavar="FILE", help="A certificate request: the key stays where it is."
    )


def _days() -> click.Option:
    return click.Option(["--days"], type=click.IntRange(1, 3650), metavar="INTEGER", help="How long it is valid. [365]")


def _issue(app: App) -> click.Command:
    own: list[click.Parameter] = [
        click.Argument(["name"], metavar="NAME"),
        click.Option(["--role"], metavar="ROLE", help="Give the identity this role too."),
        click.Option(["--project"], metavar="PROJECT", help="With --role: in this project. [everywhere]"),
        click.Option(["--vm", "vm"], type=_VmWord(app), metavar="VM", help="With --role: for this virtual machine."),
        _days(),
        _csr(),
        _folder(),
    ]

    def run(ctx: click.Context, *, name: str, role: str | None, project: str | None, vm: str | None, **more: Any) -> None:  # noqa: ANN401 - options of several kinds
        identity = identity_of(name)
        folder = Path(more["out"])
        scope = _scope(role, project, vm)
        _refuse_existing(folder, file_name(identity))
        wanted = {"identity": identity, **_wanted(more)}
        _prepare(folder)
        with app.open(ctx) as session:
            called = settings(ctx, app.description).call_options
            if role is not None:
                session.call("Access.grant", {"identity": identity, "role": role, "scope": _resolved(session, scope)}, called)
            issued = session.call("Certificate.issue", wanted, called)
        _write(folder, issued)

    return _command(app, "issue", own, run, "Makes a certificate for NAME (user:NAME, unless it has a kind), and gives it a role.")


def _list(app: App) -> click.Command:
    own: list[click.Parameter] = [click.Argument(["name"], metavar="[NAME]", required=False)]

    def run(ctx: click.Context, *, name: str | None, **_: object) -> None:
        wanted = {} if name is None else {"filter": {"identity": identity_of(name)}}
        with app.open(ctx) as session:
            found = _all(session, wanted)
        printer(ctx, app.description).show("CertificateList", {"items": found})

    return _command(app, "list", own, run, "Shows the certificates that this host has issued, and its own.")


def _renew(app: App) -> click.Command:
    own: list[click.Parameter] = [click.Argument(["name"], metavar="NAME|ID"), _days(), _csr(), _folder()]

    def run(ctx: click.Context, *, name: str, **more: Any) -> None:  # noqa: ANN401 - options of several kinds
        wanted = _wanted(more)
        _prepare(Path(more["out"]))
        with app.open(ctx) as session:
            id = name if is_id(name) else _newest(session, identity_of(name))
            issued = session.call("Certificate.renew", {"certificateId": id, **wanted}, settings(ctx, app.description).call_options)
        _write(Path(more["out"]), issued)

    return _command(app, "renew", own, run, "Makes the certificate that follows another, in place of its files.")


def _revoke(app: App) -> click.Command:
    own: list[click.Parameter] = [click.Argument(["name"], metavar="NAME|ID")]

    def run(ctx: click.Context, *, name: str, **_: object) -> None:
        with app.open(ctx) as session:
            ids = [name] if is_id(name) else _revocable(session, identity_of(name))
            for id in ids:
                session.call("Certificate.revoke", {"certificateId": id}, settings(ctx, app.description).call_options)
                click.echo(f"revoked {id}", err=True)
            if not is_id(name):
                _tell_of_tokens(session, identity_of(name))

    return _command(
        app, "revoke", own, run, "Ends a certificate, or all of NAME, at once, with connections that it opened and invitations that wait."
    )


def _invite(app: App) -> click.Command:
    own: list[click.Parameter] = [
        click.Argument(["name"], metavar="NAME"),
        _days(),
        click.Option(["--expires-in"], type=click.IntRange(60), metavar="SECONDS", help="How long the token can be used. [3600]"),
    ]

    def run(ctx: click.Context, *, name: str, days: int | None, expires_in: int | None, **_: object) -> None:
        wanted = {"identity": identity_of(name), "days": days, "expiresIn": expires_in}
        with app.open(ctx) as session:
            params = {key: value for key, value in wanted.items() if value is not None}
            made = session.call("Certificate.createEnrolment", params, settings(ctx, app.description).call_options)
        printer(ctx, app.description).show("EnrolmentMade", made)

    return _command(
        app, "invite", own, run, "Makes a token by which NAME gets a certificate, once; for who has none, or one that has expired."
    )


def _enrol(app: App) -> click.Command:
    own: list[click.Parameter] = [
        click.Option(
            ["--token-file"], type=click.Path(allow_dash=True), metavar="FILE", help="Where the token is. [asked for, or standard input]"
        ),
        _csr(),
        _folder(),
    ]

    def run(ctx: click.Context, *, token_file: str | None, **more: Any) -> None:  # noqa: ANN401 - options of several kinds
        wanted = _wanted(more)
        _prepare(Path(more["out"]))
        params = {"token": _token(token_file), **wanted}
        with app.open(ctx) as session:
            issued = session.call("Certificate.enrol", params, settings(ctx, app.description).call_options)
        _write(Path(more["out"]), issued)

    return _command(
        app, "enrol", own, run, "Gets the certificate that a token stands for. The token is never an argument, which others could see."
    )


def _token(file: str | None) -> str:
    if file is not None:
        return read_text(file).strip()
    if is_terminal("stdin"):
        return str(click.prompt("Token", hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a new certificate."""
    found: dict[str, Any] = {}
    if given.get("days") is not None:
        found["days"] = given["days"]
    if given.get("csr") is not None:
        found["csr"] = read_text(given["csr"])
    return found


def _scope(role: str | None, project: str | None, vm: str | None) -> dict[str, str]:
    if role is None and (project or vm):
        raise click.UsageError("--project and --vm say where a role holds: give --role too.")
    if project and vm:
        raise click.UsageError("Give --project or --vm, not both.")
    if project:
        return {"kind": "project", "project": project}
    return {"kind": "object", "type": "vm", "id": vm} if vm else {"kind": "everywhere"}


def _resolved(session: Session, scope: dict[str, str]) -> dict[str, str]:
    from libvdsm.cli.session import resolve

    return scope | {"id": resolve(session, "vm", scope["id"])} if scope["kind"] == "object" else scope


def _all(session: Session, params: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = session.call("Certificate.list", params if after is None else params | {"after": after})
        found.extend(page["items"])
        following = page.get("next")
        if following is None or following == after:
            return found
        after = str(following)


def _ids(session: Session, **wanted: object) -> list[str]:
    """The ids of the certificates that fit, oldest first."""
    return [str(each["id"]) for each in _all(session, {"filter": wanted})]


def _valid(session: Session, identity: str) -> list[str]:
    """The ids of the certificates that count for an identity, oldest first."""
    found = _ids(session, identity=identity, valid=True)
    if not found:
        raise Failure(f"{identity} has no certificate that is valid", remedy="See vdsmsh pki list.", code=Exit.NOT_FOUND)
    return found


def _revocable(session: Session, identity: str) -> list[str]:
    """The same; where none counts the newest one: with it the invitations end that wait."""
    return _ids(session, identity=identity, valid=True) or _ids(session, identity=identity, kind="client")[-1:] or _valid(session, identity)


def _tell_of_tokens(session: Session, identity: str) -> None:
    """Who is to be kept out should know of the other ways in."""
    count = 0
    after: str | None = None
    while True:
        page = session.call("Identity.listTokens", {} if after is None else {"after": after})
        count += sum(each["identity"] == identity for each in page["items"])
        after = page.get("next")
        if after is None:
            break
    if count:
        click.echo(f"{identity} still has {count} tokens that work: see vdsmsh identity list-tokens, and revoke-token", err=True)


def _newest(session: Session, identity: str) -> str:
    return _valid(session, identity)[-1]


def _refuse_existing(folder: Path, name: str) -> None:
    for path in (folder / f"{name}.crt", folder / f"{name}.key"):
        if path.exists():
            raise Failure(f"{path} is there already", remedy="Name another folder with --out, or use pki renew.", code=Exit.USAGE)


def _prepare(folder: Path) -> None:
    """The folder is there and can be written, before a certificate is made whose key would be lost, or a token is spent."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> Failure:
    return Failure(
        f"cannot write {error.filename}: {error.strerror}", remedy="Name a folder that you may write with --out.", code=Exit.USAGE
    )


def _write(folder: Path, issued: Mapping[str, Any]) -> None:
    """The files of a certificate. The key is written first: a certificate without it is of no use to anybody."""
    name = file_name(str(issued["identity"]))
    files: list[tuple[Path, str, int]] = [
        (folder / f"{name}.crt", str(issued["certificate"]), _PUBLIC),
        (folder / "ca.crt", str(issued["ca"]), _PUBLIC),
    ]
    if issued.get("key"):
        files.insert(0, (folder / f"{name}.key", str(issued["key"]), _PRIVATE))
    try:
        for path, text, mode in files:
            _replace(path, text, mode)
    except OSError as error:
        raise _unwritable(error) from error
    written = ", ".join(str(path) for path, _, _ in files)
    click.echo(f"{issued['identity']}, until {issued['expiresAt']}: {written}", err=True)


def _replace(path: Path, text: str, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


class _VmWord(click.ParamType[str]):
    """A virtual machine's name or id, completed by the daemon."""

    name = "vm"

    def __init__(self, app: App) -> None:
        self._app = app

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Offer names."""
        return self._app.complete_names(ctx, "vm", incomplete)
