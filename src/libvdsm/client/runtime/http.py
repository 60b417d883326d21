"""As much HTTP/1.1 as a JSON-RPC client needs, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from libvdsm.client.runtime.core import Failure, failure, typed
from libvdsm.client.runtime.errors import ApiError, ClientError, ProtocolError, StreamRefusedError
from libvdsm.client.runtime.wire import MAX_MESSAGE, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.json import Json

#: The longest head of an answer, in bytes.
MAX_HEAD: Final = 64 * 1024
END_OF_HEAD: Final = b"\r\n\r\n"
SWITCHING: Final = 101
#: Seconds for the answer to a login.
LOGIN_S: Final = 15.0
_UNAUTHORIZED: Final = 401
_NOT_AUTHENTICATED: Final = 25


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of an answer."""

    status: int
    reason: str
    headers: Mapping[str, str]  # names in lower case

    @property
    def length(self) -> int | None:
        """How many bytes follow; ``None``: all until the connection's end."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or int(text) > MAX_MESSAGE:
            message = f"the answer's Content-Length is {text!r}"
            raise ProtocolError(message)
        return int(text)

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can be used again."""
        return self.length is not None and self.headers.get("connection", "").lower() != "close"


def post(address: Address, body: bytes, token: str | None = None) -> bytes:
    """A call of ``/rpc``."""
    head = (
        f"POST {address.resource} HTTP/1.1\r\nHost: {address.authority}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{bearer(token)}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def bearer(token: str | None) -> str:
    """The header by which a token logs in, with its line end."""
    return "" if token is None else f"Authorization: Bearer {token}\r\n"


def upgrade(address: Address, path: str, token: str | None = None) -> bytes:
    """The request for a byte stream."""
    if not path.startswith("/") or not path.isascii() or any(char in path for char in "\r\n\t "):
        message = f"not a path of a stream: {path!r}"
        raise ProtocolError(message)
    head = f"GET {path} HTTP/1.1\r\nHost: {address.authority}\r\n{bearer(token)}Connection: Upgrade\r\nUpgrade: vdsm-stream\r\n\r\n"
    return head.encode("ascii")


def parse_head(data: bytes) -> Head:
    """The head of an answer, up to and with the empty line."""
    first, *lines = data.decode("latin-1").rstrip("\r\n").split("\r\n")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not status.isascii() or not status.isdigit():
        message = f"the answer is not HTTP/1.1: {first[:80]!r}"
        raise ProtocolError(message)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "transfer-encoding" in headers:
        message = "the answer has a transfer coding, which this client does not read"
        raise ProtocolError(message)
    return Head(int(status), reason, headers)


def answer(head: Head, body: bytes) -> Json:
    """The result of a call; its typed error is raised."""
    if head.status == _UNAUTHORIZED:
        raise typed(Failure(_NOT_AUTHENTICATED, "the token is not valid", {"error": "NotAuthenticated", "fault": "client"}))
    message = decode(body)
    failed = failure(message)
    if failed is not None:
        raise typed(failed)
    return message["result"]


def refusal(head: Head, body: bytes) -> ApiError | StreamRefusedError:
    """Why there is no stream: the typed error of the body, or HTTP's status."""
    try:
        failed = failure(decode(body))
    except ClientError:
        failed = None
    return StreamRefusedError(head.status, head.reason) if failed is None else typed(failed)
