"""What every local user can see of a daemon's processes, and which keys lie in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.canary import record

if TYPE_CHECKING:
    from tests.daemon_process import VdsmdProcess

_SHOWN = ("cmdline", "environ", "status")


def look(daemon: VdsmdProcess) -> None:
    """Note it for the canary run; called while the daemon runs."""
    if record.folder() is None:
        return
    record.search_in(daemon.log_path.parent)
    for pid in (*daemon.family(), daemon.front):
        for name in _SHOWN:
            try:
                record.seen("processes", Path(f"/proc/{pid}/{name}").read_bytes())
            except OSError:  # it ended meanwhile, or is not ours to look at
                continue
    for key in daemon.log_path.parent.rglob("*.key"):
        if key.is_file() and not key.is_symlink():
            record.register_key(key.read_text("ascii"))
