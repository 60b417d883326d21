"""Consoles that are open: whoever may not open one any more loses the one that he has.

That may come by a change of his rights, or by the machine: it may go to a project where he has none.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller

_log = logging.getLogger(__name__)

#: The verb that opens one.
CONSOLE: Final = "Console.open"


def vm_params(vm: str) -> bytes:
    """Parameters of that verb."""
    return msgspec.json.encode({"vmId": vm})


class _Stream:
    """One that is open: ``look`` judges it again."""

    def __init__(self, caller: Caller, vm: str, stream: socket.socket, require: Callable[[], None]) -> None:
        self.vm = vm
        self._caller = caller
        self._stream = stream
        self._require = require
        caller.on_change.append(self.look)

    def is_open(self) -> bool:
        return self._stream.fileno() >= 0

    def look(self) -> None:
        if self.is_open():
            try:
                self._require()
            except ApiError:
                _log.info("the console of %s is ended: he may not open it any more", self._caller.identity)
                with suppress(OSError):
                    self._stream.shutdown(socket.SHUT_RDWR)
            else:
                return
        self.let_go()

    def let_go(self) -> None:
        with suppress(ValueError):
            self._caller.on_change.remove(self.look)


class Streams:
    """Those that are open, by their machines."""

    def __init__(self) -> None:
        self._open: list[_Stream] = []

    def hold(self, caller: Caller, vm: str, stream: socket.socket, require: Callable[[], None]) -> None:
        """End the stream as soon as ``require`` raises after a change; raises at once what it raises now."""
        require()
        self._forget_closed()
        self._open.append(_Stream(caller, vm, stream, require))

    def moved(self, type: str, id: str) -> None:
        """An object has gone to another project: its streams are judged again."""
        self._forget_closed()
        for each in self._open:
            if type == "vm" and each.vm == id:
                each.look()

    def _forget_closed(self) -> None:
        for each in self._open:
            if not each.is_open():
                each.let_go()
        self._open = [each for each in self._open if each.is_open()]
