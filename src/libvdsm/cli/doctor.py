"""``vdsmsh doctor``: what this host and its daemon can and cannot do, and what would help.

The daemon is asked (``Host.diagnose``). If it does not answer, that is the first finding, and what can be seen from here
of the same host is told all the same.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from libvdsm.cli import verbs
from libvdsm.cli.failures import ConnectionFailure, Exit
from libvdsm.cli.settings import common_options, printer, settings
from libvdsm.cli.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libvdsm.cli.app import App

#: A record ``Finding`` of the schema.
Finding: TypeAlias = dict[str, Any]

_VERB: Final = "Host.diagnose"
_COLOURS: Final = {"ok": "green", "limited": "yellow", "missing": "red", "unknown": "magenta"}
_UNIX: Final = "unix://"


def doctor(app: App) -> click.Command:
    """Make ``doctor``."""

    def run(ctx: click.Context, **_: object) -> None:
        given = settings(ctx, app.description)
        unreachable = None
        try:
            with app.open(ctx) as session:
                found = session.call(_VERB, {}, given.call_options)["items"]
        except ConnectionFailure as error:
            unreachable = error
            found = without_daemon(given.target.url, error)
        shown = printer(ctx, app.description)
        if shown.form == "table":
            for line in lines(found):
                click.echo(line)
        else:
            shown.show(None, {"items": found})
        if unreachable is not None:
            raise click.exceptions.Exit(Exit.CONNECTION)
        if any(finding["state"] == "missing" for finding in found):
            raise click.exceptions.Exit(Exit.UNSOUND)

    return verbs.SchemaCommand(
        "doctor",
        params=[*common_options(app.description)],
        callback=click.pass_context(run),
        help=(
            "Says what this host and its daemon can and cannot do, why, and what would help. "
            f"The exit code is {Exit.UNSOUND.value} if something is missing, and {Exit.CONNECTION.value} if the daemon does not answer; "
            "then only what can be seen from here is told."
        ),
        short_help="Says what this host can and cannot do, and what would help.",
    )


def lines(found: list[Finding]) -> Iterator[str]:
    """The findings for people: a line each, below it why and what would help, and how many are how."""
    width = max((len(finding["id"]) for finding in found), default=0)
    for finding in found:
        state = str(finding["state"])
        mark = click.style(f"{safe(state):8}", fg=_COLOURS.get(state), bold=state != "ok")
        yield f"{mark} {safe(finding['id']):{width}}  {safe(finding['summary'])}"
        for word in ("reason", "remedy"):
            if finding.get(word):
                yield f"{'':8} {'':{width}}  {word}: {safe(finding[word])}"
    counts = {state: sum(finding["state"] == state for finding in found) for state in _COLOURS}
    worse = [f"{number} {state}" for state, number in counts.items() if number and state != "ok"]
    yield click.style("All is well." if not worse else f"{counts['ok']} ok, {', '.join(worse)}.", bold=True)


def without_daemon(url: str, failure: ConnectionFailure) -> list[Finding]:
    """What can be told when nobody answers: that, and what can be seen of the host that we are on, if it is that one."""
    silent = _missing("daemon.reach", f"The daemon does not answer on {url}.", failure.message, failure.remedy)
    if not url.startswith(_UNIX):
        return [silent]
    return [silent, *from_here(Path(url.removeprefix(_UNIX)))]


def from_here(socket: Path, root: Path = Path("/")) -> Iterator[Finding]:
    """What can be seen of this host without its daemon; ``root`` is where its files are."""
    program = shutil.which("vdsmd")
    if program is None:
        yield _missing("daemon.program", "The program vdsmd is not installed.", "it is not in PATH", "Install libvdsm[daemon].")
    else:
        yield _good("daemon.program", f"The program is {program}.")
    if socket.exists() and not os.access(socket, os.W_OK):
        yield _missing("daemon.socket", f"{socket} is not open to you.", "its mode forbids it", "Become root, or the user who runs vdsmd.")
    elif not socket.exists():
        remedy = "Start vdsmd, or say with --url or VDSM_URL where it listens."
        yield _missing("daemon.socket", f"There is no socket {socket}.", "vdsmd is not running, or listens elsewhere", remedy)
    yield _kvm(root / "dev" / "kvm")
    sockets = [root / "run" / "libvirt" / name for name in ("libvirt-sock", "virtqemud-sock")]
    if any(each.exists() for each in sockets):
        yield _good("hypervisor.reach", "libvirt listens.")
    else:
        remedy = "Start libvirtd (or virtqemud); the simulator needs none."
        yield _missing("hypervisor.reach", "libvirt does not listen.", "it has no socket in /run/libvirt", remedy)


def _kvm(device: Path) -> Finding:
    if os.access(device, os.R_OK | os.W_OK):
        return _good("host.kvm", f"The device {device} is there.")
    if device.exists():
        return {
            "id": "host.kvm",
            "state": "unknown",
            "summary": f"The device {device} is there; whether the daemon may use it cannot be told.",
            "reason": "it is not open to you",
        }
    remedy = "Enable virtualization in the firmware, and load the kernel's module kvm_intel or kvm_amd."
    return _missing("host.kvm", "This host has no KVM.", f"there is no {device}", remedy)


def _good(id: str, summary: str) -> Finding:
    return {"id": id, "state": "ok", "summary": summary}


def _missing(id: str, summary: str, reason: str, remedy: str) -> Finding:
    return {"id": id, "state": "missing", "summary": summary, "reason": reason, "remedy": remedy}
