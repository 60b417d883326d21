"""Sockets that were bound for us before we were started: the protocol of systemd's ``sd_listen_fds(3)``, without its library.

``LISTEN_PID`` says for whom they are, ``LISTEN_FDS`` how many there are from descriptor 3 on, ``LISTEN_FDNAMES`` how they
are called, with colons between. The variables are taken away, so that nobody whom we start takes them for his own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Final

from libvdsm.daemon.listening import CannotListenError

_FIRST: Final = 3
_MOST: Final = 64
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
#: What systemd itself calls a socket without a name.
UNNAMED: Final = "unknown"


def take_activated(environ: MutableMapping[str, str], pid: int, first: int = _FIRST) -> list[tuple[str, socket.socket]]:
    """The listening sockets that were handed to the process ``pid``, with their names; none if they are somebody else's."""
    is_ours = environ.get("LISTEN_PID") == str(pid)
    count, names = environ.get("LISTEN_FDS", ""), environ.get("LISTEN_FDNAMES", "")
    for variable in _VARIABLES:
        environ.pop(variable, None)
    if not is_ours:
        return []
    if not (count.isascii() and count.isdigit() and int(count) <= _MOST):
        raise CannotListenError(f"LISTEN_FDS: must be a number up to {_MOST}, not {count!r}")
    called = names.split(":") if names else []
    taken: list[tuple[str, socket.socket]] = []
    try:
        for place in range(int(count)):
            name = called[place] if place < len(called) and called[place] else UNNAMED
            taken.append((name, _take(first + place, name)))
    except CannotListenError:
        for _name, each in taken:
            each.close()
        raise
    return taken


def _take(descriptor: int, name: str) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as failure:
        raise CannotListenError(f"systemd:{name}: descriptor {descriptor} is no socket: {failure.strerror}") from failure
    os.set_inheritable(descriptor, False)
    is_stream = found.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) and found.type == socket.SOCK_STREAM
    if not is_stream or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()
        raise CannotListenError(f"systemd:{name}: descriptor {descriptor} is no listening stream socket")
    return found
