"""The sockets that clients connect to; bound by the supervisor, so that they outlive every front. Standard library only."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from libvdsm.daemon.config import Address
from libvdsm.daemon.kernel import User

BACKLOG = 1024
MODE = 0o660


class CannotListenError(Exception):
    """An address cannot be had; ``str()`` says which and why."""


class UnixListener:
    """A listening unix socket with its place in the file system."""

    def __init__(self, path: Path, owner: User | None) -> None:
        """Bind ``path`` with mode 0660, given to ``owner`` if there is one; takes the place of a socket that nobody serves."""
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_room(path)
            former = os.umask(0o777 & ~MODE)
            try:
                self.socket.bind(str(path))
            finally:
                os.umask(former)
            if owner is not None:
                os.chown(path, owner.uid, owner.gid)
            self._inode = path.stat().st_ino
            self.socket.listen(BACKLOG)
        except OSError as failure:
            self.socket.close()
            raise CannotListenError(f"{path}: {failure.strerror or failure}") from failure

    def close(self) -> None:
        """Close it, and remove the file if it is still ours."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def listen_tcp(address: Address) -> socket.socket:
    """A listening TCP socket."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as failure:
        listener.close()
        raise CannotListenError(f"{address}: {failure.strerror or failure}") from failure
    return listener


def _make_room(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListenError(f"{path}: is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as failure:
            raise CannotListenError(f"{path}: {failure.strerror or failure}") from failure
        else:
            raise CannotListenError(f"{path}: another process serves it")
