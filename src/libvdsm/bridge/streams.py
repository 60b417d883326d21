"""Consoles that are open: whoever loses the right to open one loses the one that he has."""

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


def end_without_right(caller: Caller, stream: socket.socket, require: Callable[[], None]) -> None:
    """End the stream when a change of the caller's rights makes ``require`` raise; raises at once what it raises now."""
    require()

    def look() -> None:
        is_open = stream.fileno() >= 0
        if is_open:
            try:
                require()
            except ApiError:
                _log.info("the console of %s is ended: he may not open it any more", caller.identity)
                with suppress(OSError):
                    stream.shutdown(socket.SHUT_RDWR)
                is_open = False
        if not is_open and look in caller.on_change:
            caller.on_change.remove(look)

    caller.on_change.append(look)
