"""What the front can see of its own process, for a diagnosis of the host."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator, Mapping

from libvdsm.bridge import findings
from libvdsm.bridge.diagnosis import Look
from libvdsm.daemon.addresses import Activated, Address
from libvdsm.daemon.config import Config
from libvdsm.interfaces.generated.types import Finding


def looks(config: Config) -> Mapping[str, Look]:
    """The looks, by the id of what each finds."""
    listening = findings.of_listening(_addresses(config), str(config.socket))
    return {
        "daemon.listening": lambda: iter((listening,)),
        "daemon.openFiles": _open_files,
        "daemon.user": lambda: iter((findings.of_user(os.geteuid()),)),
        "state.room": _room,
    }


def _addresses(config: Config) -> Iterator[findings.Listening]:
    for each in config.listen:
        address = each.address
        if isinstance(address, Address):
            where = str(address) if address.port else f"a free port of {address.host}"
            yield findings.Listening(f"TCP {where}", is_tls=not config.takes_plain(each))
        elif isinstance(address, Activated):
            yield findings.Listening(str(address), is_tls=not config.takes_plain(each))


def _open_files() -> Iterator[Finding]:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield findings.of_open_files(math.inf if soft == resource.RLIM_INFINITY else soft)


def _room() -> Iterator[Finding]:
    """Of the file system in which the front stands: its part of the state is its current folder."""
    found = os.statvfs(".")
    yield findings.of_room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
