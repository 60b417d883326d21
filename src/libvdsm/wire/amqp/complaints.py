"""Errors as they are said to the peer (1.0 part 2, 2.8.14): what is wrong, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.wire.amqp import errors
from libvdsm.wire.amqp.performatives import Error
from libvdsm.wire.amqp.values import Symbol

if TYPE_CHECKING:
    from libvdsm.wire.amqp.errors import AmqpError

#: Members of an error's ``info``: what it is called in all other protocols, and what its reader can do.
NAME: Final = Symbol("error")
REMEDY: Final = Symbol("remedy")
#: Octets of a frame that are not its error's words: the rest of the frame, and what says how long each of the words is.
_AROUND: Final = 128

#: Of errors that are nothing but AMQP's own.
_REMEDIES: Final = {
    errors.FORCED: "Connect again after a while.",
    errors.MESSAGE_SIZE: "Keep to the max-message-size of the attach.",
    errors.NOT_FOUND: "Correct the address.",
    errors.NOT_IMPLEMENTED: "Do without it.",
    errors.RESOURCE_LIMIT: "Keep to the limits and the times that are told.",
    errors.STOLEN: "Give every link of a direction a name of its own.",
    errors.TRANSFER_LIMIT: "Wait for credit before you send.",
    errors.UNAUTHORIZED: "Log in as somebody who may.",
    errors.WINDOW_VIOLATION: "Wait for the session's window before you send.",
}
_REMEDY: Final = "Correct the client: what it said is not what AMQP 1.0 lets it say here."


def to_error(error: AmqpError, largest: int) -> Error:
    """What is said in a frame that has ``largest`` octets at most: if that is too little for all, then without the remedy."""
    text, name, condition = str(error), error.name, error.condition
    remedy = error.remedy or _REMEDIES.get(condition, _REMEDY)
    octets = text.encode("utf-8", "replace")
    room = largest - _AROUND - len(condition) - len(octets)
    if room >= len(remedy.encode("utf-8", "replace")) + len(name or ""):
        return Error(condition, text, {REMEDY: remedy} if name is None else {NAME: name, REMEDY: remedy})
    return Error(condition, text if room >= 0 else octets[:room].decode(errors="ignore"))
