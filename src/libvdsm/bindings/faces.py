"""How failures look over plain HTTP: a status and a small JSON body. For all bindings that are no remote procedure calls."""

from __future__ import annotations

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import LimitExceeded, NotAuthenticated, ObjectNotFound, PermissionDenied
from libvdsm.wire.http.events import Response

_encode = msgspec.json.Encoder().encode
_STATUS: tuple[tuple[type[ApiError], int], ...] = (
    (NotAuthenticated, 401),
    (PermissionDenied, 403),
    (ObjectNotFound, 404),
    (LimitExceeded, 429),
)


def refuse(failure: ApiError) -> Response:
    """The answer that tells of a typed failure; the member ``data`` is that of a JSON-RPC error."""
    body = _encode({"error": failure.message, "data": failure.data()}) + b"\n"
    return Response(status_of(failure), body)


def status_of(failure: ApiError) -> int:
    """Its status."""
    for kind, status in _STATUS:
        if isinstance(failure, kind):
            return status
    if failure.fault == "client":
        return 400
    return 503 if failure.retryable else 500


def only_get(method: bytes) -> Response | None:
    """The refusal of any method but GET and HEAD."""
    if method in (b"GET", b"HEAD"):
        return None
    return Response(405, b'{"error":"this is read by GET"}\n', headers=((b"Allow", b"GET, HEAD"),))
