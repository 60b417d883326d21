"""What all commands stand on: the description, and the way to a daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from libvdsm.cli import session
from libvdsm.cli.failures import Failure
from libvdsm.cli.settings import settings
from libvdsm.cli.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

    from libvdsm.cli.description import Description
    from libvdsm.cli.target import Target

#: Seconds that completion may take to ask the daemon for names.
COMPLETION_S = 1.5


@dataclass(frozen=True)
class App:
    """The description and how sessions are opened: to which daemon and, for completion, with a bound on every wait in seconds."""

    description: Description
    opener: Callable[[Target, float | None], session.Session]

    def open(self, ctx: click.Context) -> session.Session:
        """Open a session to the daemon that the command line names."""
        return self.opener(settings(ctx, self.description).target, None)

    def complete_names(self, ctx: click.Context, object_type: str, incomplete: str) -> list[CompletionItem]:
        """Offer names and ids of objects; nothing if the daemon cannot be asked."""
        try:
            with self.opener(settings(ctx, self.description).target, COMPLETION_S) as opened:
                found = session.names(opened, object_type, incomplete)
        except Failure:
            return []
        return [CompletionItem(word, help=safe(about)) for word, about in found if word == safe(word) and not word.startswith("-")]
