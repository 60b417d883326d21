"""The commands of the audit trail that say more than their verbs' results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from libvdsm.cli import verbs
from libvdsm.cli.failures import Exit, Failure
from libvdsm.cli.settings import printer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from libvdsm.cli.app import App
    from libvdsm.cli.session import Session

#: Members that say only that there was a change.
_ALWAYS: Final = frozenset({"revision", "generation"})


def verify(app: App) -> click.Command:
    """Make ``audit verify``: the verb's command, whose exit code tells the verdict."""
    return verbs.command(app, "Audit.verify", _show_verdict)


def _show_verdict(call: verbs.Call, _session: Session, verdict: Any) -> None:  # noqa: ANN401 - any JSON value
    printer(call.ctx, call.app.description).show(call.verb.result, verdict)
    if not verdict["sound"]:
        raise Failure(
            f"the audit trail is not whole: record {verdict.get('firstUnsound')}: {verdict.get('reason')}",
            remedy="Keep a copy of the state folder before anything else is done, and find out who could write there.",
            code=Exit.UNSOUND,
        )


def changes(app: App) -> click.Command:
    """Make ``audit changes``: the verb's command, which says when the answer is not all."""
    return verbs.command(app, "Audit.changes", _show_changes)


def _show_changes(call: verbs.Call, _session: Session, result: Any) -> None:  # noqa: ANN401 - any JSON value
    import click

    shown = printer(call.ctx, call.app.description)
    shown.show(call.verb.result, result if shown.form != "table" else {"items": [_in_short(item) for item in result["items"]]})
    if shown.form == "table" and not result["complete"]:
        click.echo("There was more: the journal no longer has all of that time, or --limit was reached.", err=True)


def _in_short(change: Mapping[str, Any]) -> dict[str, Any]:
    """A change with the names of the members that it set, but for those that every change sets."""
    names = [name for name in change.get("patch") or () if name not in _ALWAYS] if change["change"] == "changed" else []
    return {**change, "patch": names or None}
