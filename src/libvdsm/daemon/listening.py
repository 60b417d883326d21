"""The sockets that clients connect to; bound by the supervisor, so that they outlive every front. Standard library only."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from libvdsm.daemon.addresses import Activated, Address, Listen, UnixAddress
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


class _Closes(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Places:
    """All that clients connect to, bound: each socket with what is to be served there."""

    local: socket.socket
    others: tuple[tuple[Listen, socket.socket], ...]
    _opened: tuple[_Closes, ...]

    @classmethod
    def open(cls, path: Path, wanted: Sequence[Listen], owner: User | None, activated: Sequence[tuple[str, socket.socket]] = ()) -> Self:
        """Bind the local socket at ``path`` and all that is wanted; raises ``CannotListenError``, and then nothing is bound.

        ``activated`` are sockets that are bound already, with their names: each goes to the place of its name, the one at
        ``path`` is the local socket, and those that nobody asked for are served like an address without a table.
        """
        opened: list[_Closes] = [each for _name, each in activated]
        try:
            left = list(activated)
            local = next((each for each in left if each[1].family == socket.AF_UNIX and each[1].getsockname() == str(path)), None)
            if local is not None:
                left.remove(local)
                own = local[1]
            else:
                made = UnixListener(path, owner)
                opened.append(made)
                own = made.socket
            others: list[tuple[Listen, socket.socket]] = []
            for listen in wanted:
                others.extend((listen, each) for each in _bind(listen, owner, left, opened))
            others.extend((Listen(address=Activated(name)), each) for name, each in left)
        except BaseException:
            for each in opened:
                each.close()
            raise
        return cls(own, tuple(others), tuple(opened))

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The local one first."""
        return (self.local, *(each for _listen, each in self.others))

    @property
    def port(self) -> int | None:
        """That of the first TCP socket."""
        return next((each.getsockname()[1] for _listen, each in self.others if each.family != socket.AF_UNIX), None)

    def describe(self) -> list[dict[str, str]]:
        """Name and address of each, as they are in truth."""
        return [{"name": listen.called, "address": where(each)} for listen, each in self.others]

    def close(self) -> None:
        """Close them, and remove the files that are ours."""
        for each in self._opened:
            each.close()


def where(sock: socket.socket) -> str:
    """The address of a listening socket in words."""
    name = sock.getsockname()
    if isinstance(name, bytes):  # unix(7): an abstract one; systemd writes it so
        return f"unix:@{os.fsdecode(name[1:])}"
    return f"unix:{name}" if sock.family == socket.AF_UNIX else str(Address(name[0], name[1]))


def _bind(listen: Listen, owner: User | None, left: list[tuple[str, socket.socket]], opened: list[_Closes]) -> Sequence[socket.socket]:
    """The sockets of one place; those that were bound for us are taken from ``left``."""
    place = listen.address
    if isinstance(place, Activated):
        found = [each for each in left if each[0] == place.name]
        if not found:
            raise CannotListenError(f"{place}: no socket of this name was handed to us")
        for each in found:
            left.remove(each)
        return [sock for _name, sock in found]
    if isinstance(place, UnixAddress):
        made = UnixListener(place.path, owner)
        opened.append(made)
        return [made.socket]
    bound = listen_tcp(place)
    opened.append(bound)
    return [bound]


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
