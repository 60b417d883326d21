"""Raw JSON: messages ended by LF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libvdsm.client.runtime import wire
from libvdsm.client.runtime.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Framer:
    """Cuts a stream into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The complete messages that ``data`` has ended."""
        *complete, rest = data.split(b"\n")
        if complete:
            complete[0] = b"".join([*self._parts, complete[0]])
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > wire.MAX_MESSAGE:
                message = f"a message is longer than {wire.MAX_MESSAGE} bytes"
                raise ProtocolError(message)
        return [line for line in complete if line.strip()]


class LineWire:
    """See ``Wire``."""

    is_ready = True

    def __init__(self) -> None:
        self._framer = Framer()

    def hello(self) -> bytes:
        """See ``Wire``."""
        return b""

    def send(self, message: Mapping[str, Any]) -> bytes:
        """See ``Wire``."""
        return wire.encode(message) + b"\n"

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """See ``Wire``."""
        return [wire.decode(line) for line in self._framer.feed(data)]

    def outgoing(self) -> bytes:
        """See ``Wire``."""
        return b""

    def beat(self) -> bytes:
        """See ``Wire``."""
        return b""

    def probe(self) -> bytes:
        """See ``Wire``."""
        return self.send(wire.ask_for_life())

    def goodbye(self) -> bytes:
        """See ``Wire``."""
        return b""
