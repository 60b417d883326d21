"""What becomes of deliveries (1.0 part 3, 3.4), as octets and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from libvdsm.wire.amqp import encoding, performatives
from libvdsm.wire.amqp.complaints import to_error
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import Described

if TYPE_CHECKING:
    from libvdsm.wire.amqp.errors import AmqpError

RECEIVED: Final = 0x23
ACCEPTED: Final = 0x24
REJECTED: Final = 0x25
RELEASED: Final = 0x26
MODIFIED: Final = 0x27
DECLARED: Final = 0x33
TRANSACTIONAL: Final = 0x34

_WORDS: Final = {
    "amqp:received:list": RECEIVED,
    "amqp:accepted:list": ACCEPTED,
    "amqp:rejected:list": REJECTED,
    "amqp:released:list": RELEASED,
    "amqp:modified:list": MODIFIED,
    "amqp:declared:list": DECLARED,
    "amqp:transactional-state:list": TRANSACTIONAL,
}
#: As octets.
IS_ACCEPTED: Final = b"\x00\x53\x24\x45"
IS_RELEASED: Final = b"\x00\x53\x26\x45"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A state, and what it says more."""

    code: int
    delivery_failed: bool = False
    undeliverable_here: bool = False
    error: object = None
    annotations: Mapping[object, object] | None = None  # that the message gets


ACCEPT: Final = Outcome(ACCEPTED)
RELEASE: Final = Outcome(RELEASED)


def read(state: object) -> Outcome | None:
    """A delivery's state; ``None`` if there is none. Raises ``DecodeError`` for what is no state."""
    if state is None:
        return None
    if not isinstance(state, Described) or not isinstance(state.value, list):
        raise DecodeError("the state of a delivery is none")
    descriptor = state.descriptor
    code = _WORDS.get(descriptor, -1) if isinstance(descriptor, str) else descriptor
    if code == ACCEPTED:
        return ACCEPT
    if not isinstance(code, int) or code not in _WORDS.values():
        raise DecodeError("the state of a delivery is unknown")
    fields = state.value
    if code == MODIFIED:
        failed, here, annotations = [*fields, None, None, None][:3]
        if annotations is not None and not isinstance(annotations, dict):
            raise DecodeError("the annotations of a delivery's state are no map")
        return Outcome(MODIFIED, delivery_failed=failed is True, undeliverable_here=here is True, annotations=annotations or None)
    return Outcome(int(code), error=fields[0] if code == REJECTED and fields else None)


def rejected(error: AmqpError, largest: int) -> bytes:
    """It can never be done, and why, for a frame that has ``largest`` octets at most."""
    return b"\x00\x53\x25" + encoding.encode_items([performatives.encode(to_error(error, largest))])
