"""What this host is called and where it is reached, by what its kernel shows; nobody is asked over the network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from libvdsm.subsystems.host.pki.keeper import HostNames
from libvdsm.subsystems.host.pki.plan import local_addresses

_LIMIT: Final = 1024 * 1024


def host_names(root: Path = Path("/")) -> HostNames:
    """Its name and its addresses."""
    trie, inet6 = (_optional(root / "proc/net" / name) for name in ("fib_trie", "if_inet6"))
    return HostNames(hostname=socket.gethostname(), addresses=local_addresses(trie, inet6))


def _optional(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT).decode("ascii", "replace")
    except OSError:
        return ""
