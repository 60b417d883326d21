"""Sessions by the Python client; its exceptions become the shell's failures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from libvdsm.cli.failures import ApiFailure, ConnectionFailure, Exit, Failure, Refused
from libvdsm.client.runtime.address import parse
from libvdsm.client.runtime.errors import AddressError, ApiError, ClientError, NoAnswerError, NotSentError, ProtocolError, UntrustedError
from libvdsm.client.runtime.sync.client import BaseClient
from libvdsm.client.runtime.tls import Tls

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from libvdsm.cli.session import Session, Stream

_CHUNK: Final = 65536


def connect(
    url: str, limit_s: float | None = None, *, ca: str | None = None, certificate: str | None = None, key: str | None = None
) -> Session:
    """Open a session; ``limit_s`` bounds every wait, in seconds; the files are for TLS. Raises ``Failure``."""
    with _failures():
        tls = Tls(ca=ca, certificate=certificate, key=key) if parse(url).tls is not None else None
        client = BaseClient(url, tls=tls) if limit_s is None else BaseClient(url, connect_timeout=limit_s, tls=tls)
        try:
            client.open()
        except BaseException:
            client.close()
            raise
    return ClientSession(client, limit_s)


class ClientSession:
    """A session on a client."""

    def __init__(self, client: BaseClient, limit_s: float | None = None) -> None:
        """Speak by ``client``, which is closed with the session."""
        self._client = client
        self._limit_s = limit_s

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """See ``Session``."""
        given = dict(options or {})
        if self._limit_s is not None:
            given.setdefault("timeout", self._limit_s)
        with _failures():
            return self._client.exchange(method, params, given)

    def deliveries(self, topics: list[str], *, after: str | None, snapshot: bool) -> Iterator[Mapping[str, Any]]:
        """See ``Session``. Where the road carries no notifications (HTTP), the client asks for events as they come."""
        if snapshot and self._client.address.http:
            raise Failure("a snapshot needs a connection that stays open", remedy="Use a unix://, tls:// or wss:// URL.", code=Exit.USAGE)
        with _failures(), self._client.events(topics, after=after, snapshot=snapshot) as stream:
            for delivery in stream:
                yield delivery.to_wire()

    def open_stream(self, path: str) -> Stream:
        """See ``Session``."""
        with _failures():
            return SocketStream(self._client.open_stream(path))

    def close(self) -> None:
        """See ``Session``."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()


class SocketStream:
    """A byte stream on a socket."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the socket over."""
        self._socket = sock

    def fileno(self) -> int:
        """See ``Stream``."""
        return self._socket.fileno()

    def receive(self) -> bytes:
        """See ``Stream``."""
        try:
            return self._socket.recv(_CHUNK)
        except ConnectionError:
            return b""

    def send(self, data: bytes) -> None:
        """See ``Stream``."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionFailure(f"the stream was lost: {error}", remedy="Open it again.") from error

    def close(self) -> None:
        """See ``Stream``."""
        self._socket.close()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        document = {"code": error.code, "message": error.message, "data": dict(error.data)}
        raise Refused(ApiFailure.of(document)) from error
    except AddressError as error:
        raise Failure(str(error), remedy="Correct --url, --cert, --key or --ca.", code=Exit.USAGE) from error
    except UntrustedError as error:
        raise ConnectionFailure(str(error), remedy="Is --ca the CA of that host, and the address one of its names?") from error
    except NotSentError as error:
        raise ConnectionFailure(str(error), remedy="Is vdsmd running there? Say where with --url or VDSM_URL.") from error
    except NoAnswerError as error:
        raise ConnectionFailure(str(error), remedy="Look at the object's state; it may still be done.", code=Exit.TIME_UP) from error
    except ProtocolError as error:
        raise Failure(str(error), remedy="Is it a vdsmd that listens there?", code=Exit.DEFECT) from error
    except ClientError as error:
        raise ConnectionFailure(str(error), remedy="Look at the object's state; what was begun may be done.") from error
