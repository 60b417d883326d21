"""What can go wrong in the client: an answer that is an error, a connection that fails, a peer that errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class ClientError(Exception):
    """The root of all that this client raises."""


class ApiError(ClientError):
    """The daemon answered with an error; generated subclasses name it.

    Errors that this client does not know yet are instances of this very class.
    """

    name: ClassVar[str] = ""

    def __init__(self, code: int, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        found = data or {}
        self.code = code
        self.message = message
        self.data: Mapping[str, Any] = found
        self.error = str(found.get("error", self.name))
        params = found.get("params")
        self.params: Mapping[str, Any] = params if isinstance(params, dict) else {}
        path = found.get("path")
        self.path: str | None = path if isinstance(path, str) else None
        self.fault = str(found.get("fault", "server"))
        self.retryable = bool(found.get("retryable", False))
        self.remedy = str(found.get("remedy", ""))


class TransportError(ClientError):
    """The bytes did not get through."""


class NotSentError(TransportError):
    """Nothing of the call was sent: it was certainly not run."""


class HostDownError(NotSentError):
    """The host is known to be down, so it was not asked."""


class UntrustedError(NotSentError):
    """The server did not prove that it is the one that was named; trying again will not help."""


class ConnectionLostError(TransportError):
    """The connection ended before the answer: the call may have been run."""


class NoAnswerError(TransportError):
    """The daemon did not answer in time: the call may have been run."""


class GapError(ClientError):
    """Events were missed that the daemon no longer has: read the objects anew. The stream that raised it goes on behind the gap.

    ``reason``: ``trimmed``, ``epoch``, ``rights``, or ``snapshot`` when one was cut off and is taken anew; ``missed``: how many, if known; ``resume``: the token behind the gap.
    """

    def __init__(self, reason: str, missed: int | None, resume: str) -> None:
        super().__init__(f"events were missed: {reason}" if missed is None else f"{missed} events were missed: {reason}")
        self.reason = reason
        self.missed = missed
        self.resume = resume


class StreamRefusedError(TransportError):
    """The daemon did not switch to the byte stream; ``status`` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the stream was refused: {status} {reason}")
        self.status = status


class ProtocolError(ClientError):
    """The peer said something that is not in the protocol or the description."""


class UnsupportedError(ClientError):
    """The road that was chosen cannot carry this."""


class AddressError(ClientError, ValueError):
    """The URL cannot be used."""
