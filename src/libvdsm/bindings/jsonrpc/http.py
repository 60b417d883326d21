"""JSON-RPC over ``POST /rpc``: one message per request, the same answer bytes as on a stream.

Call options may come as headers: ``Vdsm-Timeout``, ``Vdsm-Not-After``, ``Vdsm-Idempotency-Key``,
``Vdsm-Expected-Generation``, ``Vdsm-Wait``, ``Vdsm-Flow-Id``, ``traceparent``, ``tracestate``. Those in the member
``meta`` win.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcSession
from libvdsm.bindings.jsonrpc.errors import encode_error
from libvdsm.interfaces.generated.errors import InvalidRequest
from libvdsm.wire.http.events import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.interfaces.caller import Caller

_NO_CONTENT = Response(204)
_NOT_POST = Response(405, b'{"error":"calls are made by POST"}\n', headers=((b"Allow", b"POST"),))
_NOT_JSON = Response(415, b'{"error":"the content type must be application/json"}\n', headers=((b"Accept-Post", b"application/json"),))
_PACKED = Response(415, b'{"error":"the body must come without a content coding"}\n', headers=((b"Accept-Encoding", b"identity"),))
_JSON = re.compile(rb'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE)
_NUMBER = re.compile(rb"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_INTEGER = re.compile(rb"[0-9]{1,18}")
_OPTIONS: dict[bytes, tuple[str, re.Pattern[bytes] | None]] = {
    b"vdsm-timeout": ("timeout", _NUMBER),
    b"vdsm-not-after": ("notAfter", None),
    b"vdsm-idempotency-key": ("idempotencyKey", None),
    b"vdsm-expected-generation": ("expectedGeneration", _INTEGER),
    b"vdsm-wait": ("wait", _NUMBER),
    b"vdsm-flow-id": ("flowId", None),
    b"traceparent": ("traceparent", None),
    b"tracestate": ("tracestate", None),
}
_OURS = b"vdsm-"  # whatever begins so is an option, or a mistake
_encode = msgspec.json.Encoder().encode


class BadHeaderError(Exception):
    """A header that carries a call option is malformed."""


class JsonRpcHttpEndpoint:
    """The binding for the path ``/rpc``."""

    def __init__(self, endpoint: JsonRpcEndpoint) -> None:
        self._endpoint = endpoint

    def open(self, caller: Caller) -> JsonRpcHttpSession:
        """Begin to serve ``caller`` on a connection."""
        return JsonRpcHttpSession(self._endpoint.open(caller))


class JsonRpcHttpSession:
    """One connection's requests to ``/rpc``."""

    __slots__ = ("_session",)

    def __init__(self, session: JsonRpcSession) -> None:
        self._session = session

    def usual(self, request: Request) -> Callable[[bytes], bytes | asyncio.Future[bytes] | None] | None:
        """Calls without options beside them, in the very content type."""
        headers = request.headers
        is_usual = request.method == b"POST" and headers.get(b"content-type") == b"application/json" and b"content-encoding" not in headers
        return self._session.take if is_usual and not _has_options(headers) else None

    def handle(self, request: Request) -> Response | asyncio.Future[Response]:
        """The answer to one request, at once or later."""
        if request.method != b"POST":
            return _NOT_POST
        headers = request.headers
        content_type = headers.get(b"content-type")
        if content_type != b"application/json" and (content_type is None or _JSON.fullmatch(content_type) is None):
            return _NOT_JSON
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return _PACKED
        try:
            options = read_options(headers) if _has_options(headers) else None
        except BadHeaderError as error:
            return Response(400, b'{"jsonrpc":"2.0","id":null,"error":' + encode_error(InvalidRequest(reason=str(error))) + b"}\n")
        answer = self._session.answer(request.body, options)
        if isinstance(answer, bytes):
            return Response(200, answer) if answer else _NO_CONTENT
        return _respond_later(answer)

    def close(self) -> None:
        """The client went away."""
        self._session.close()


def _has_options(headers: Mapping[bytes, bytes]) -> bool:
    return any(name.startswith(_OURS) or name in _OPTIONS for name in headers)


def read_options(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The call options among the headers as a raw ``CallOptions``; raises ``BadHeaderError``, also for a name that is not known."""
    for name in headers:
        if name.startswith(_OURS) and name not in _OPTIONS:
            known = ", ".join(each.decode() for each in _OPTIONS)
            raise BadHeaderError(f"the header {name.decode('utf-8', 'replace')} is not known; there are {known}")
    options: dict[str, object] = {}
    for name, (member, pattern) in _OPTIONS.items():
        value = headers.get(name)
        if value is None:
            continue
        if pattern is not None and pattern.fullmatch(value) is None:
            raise BadHeaderError(f"the header {name.decode()} is not a number")
        try:
            options[member] = value.decode() if pattern is None else int(value) if value.isdigit() else float(value)
        except UnicodeDecodeError:
            raise BadHeaderError(f"the header {name.decode()} is not UTF-8") from None
    return _encode(options) if options else None


def _respond_later(answer: asyncio.Future[bytes]) -> asyncio.Future[Response]:
    response: asyncio.Future[Response] = answer.get_loop().create_future()

    def settle(done: asyncio.Future[bytes]) -> None:
        if response.done():
            return
        if done.cancelled():
            response.cancel()
        else:
            body = done.result()
            response.set_result(Response(200, body) if body else _NO_CONTENT)

    answer.add_done_callback(settle)
    return response
