"""What the roads of a stream have in common: JSON-RPC messages out and in, whatever carries them. No I/O, no clock.

``lines``, ``stomp`` and ``websocket`` are such wires; calls and deliveries look the same on all of them, so that nothing
above knows which one it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from libvdsm.client.runtime.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.runtime.address import Address

#: The longest message that is accepted, in bytes.
MAX_MESSAGE: Final = 256 * 1024 * 1024
#: The id of the call that a wire makes to see whether the peer is there; its answer is nobody's.
LIFE: Final = "life"


class Wire(Protocol):
    """The conversation of one connection."""

    @property
    def is_ready(self) -> bool:
        """Whether calls can be made; false until the peer has agreed."""
        ...

    def hello(self) -> bytes:
        """What is sent first."""
        ...

    def send(self, message: Mapping[str, Any]) -> bytes:
        """A request as bytes; raises ``ValueError`` for what JSON cannot say."""
        ...

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that have come; raises ``ProtocolError``, or ``ApiError`` when the peer has refused the connection."""
        ...

    def outgoing(self) -> bytes:
        """What is to be sent besides, such as answers to the peer's own questions."""
        ...

    def beat(self) -> bytes:
        """A sign of life that was promised; empty if none was."""
        ...

    def probe(self) -> bytes:
        """What the peer answers if it is there."""
        ...

    def goodbye(self) -> bytes:
        """What is said last."""
        ...


def make_wire(address: Address, *, token: str | None = None, beat_s: float = 0.0) -> Wire:
    """The wire that is spoken at ``address``; ``token`` for those that log in with their greeting, ``beat_s`` for those that promise beats."""
    match address.road:
        case "stomp":
            from libvdsm.client.runtime.stomp import StompWire

            return StompWire(host=address.host, token=token, beat_s=beat_s)
        case "websocket":
            from libvdsm.client.runtime.websocket import WebSocketWire

            return WebSocketWire(address.authority, address.resource, is_tls=address.tls is not None)
        case _:
            from libvdsm.client.runtime.lines import LineWire

            return LineWire()


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as bytes; raises ``ValueError`` for what JSON cannot say."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode(data: bytes) -> dict[str, Any]:
    """A message; anything but a JSON object is a ``ProtocolError``."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        text = f"the answer is not JSON: {error}"
        raise ProtocolError(text) from error
    if not isinstance(message, dict):
        text = "the answer is not a JSON object"
        raise ProtocolError(text)
    return message


def ask_for_life() -> dict[str, Any]:
    """The call that shows whether the peer is there."""
    return {"jsonrpc": "2.0", "id": LIFE, "method": "Host.ping", "params": {}}
