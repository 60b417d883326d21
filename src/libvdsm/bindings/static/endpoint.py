"""The binding for a folder of files, such as ``/ui/``. Whoever may connect may read them: they hold nothing of this host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from libvdsm.bindings.faces import only_get
from libvdsm.bindings.pieces import Pieces
from libvdsm.interfaces.bodies import Streamed
from libvdsm.wire.http.events import Response
from libvdsm.wire.http.ranges import Span, Unsatisfiable, accepts, find_span, has_it, wants_another

if TYPE_CHECKING:
    from libvdsm.bindings.static.files import Coding, File
    from libvdsm.interfaces.caller import Caller
    from libvdsm.wire.http.events import Request

_INDEX: Final = "index.html"
_NOT_FOUND: Final = Response(404, b'{"error":"there is no such page"}\n')
#: More octets than these are sent as they are taken.
_WHOLE_OCTETS: Final = 64 * 1024
_STEP: Final = 64 * 1024
Headers = tuple[tuple[bytes, bytes], ...]

#: A page may use what comes from here, and nothing else: no inline script, no other origin, no frame around it.
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    b"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final[Headers] = (
    (b"Content-Security-Policy", _POLICY),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Frame-Options", b"DENY"),
    (b"Vary", b"Accept-Encoding"),
)


class StaticEndpoint:
    """The binding for one folder; it serves ``prefix`` with its slash and without."""

    def __init__(self, prefix: str, files: Mapping[str, File]) -> None:
        """``prefix`` ends with a slash."""
        self.prefix = prefix.encode()
        self.files = files

    def open(self, caller: Caller) -> StaticSession:
        """Begin to serve a connection, whoever it is."""
        del caller
        return StaticSession(self)


class StaticSession:
    """One connection's requests."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: StaticEndpoint) -> None:
        self._endpoint = endpoint

    def usual(self, request: Request) -> None:
        """Files are not asked for by POST."""

    def handle(self, request: Request) -> Response | Streamed:
        """The file, or what the client still needs of it."""
        refusal = only_get(request.method)
        if refusal is not None:
            return refusal
        path = _path(request.target)
        if path + b"/" == self._endpoint.prefix:
            return Response(308, headers=((b"Location", self._endpoint.prefix),))
        file = self._find(path)
        return _NOT_FOUND if file is None else _answer(_conditions(request), file)

    def close(self) -> None:
        """The client went away."""

    def _find(self, path: bytes) -> File | None:
        try:
            name = unquote_to_bytes(path.removeprefix(self._endpoint.prefix)).decode()
        except UnicodeDecodeError:
            return None
        if not name or name.endswith("/"):
            name += _INDEX
        return self._endpoint.files.get(name)


def _path(target: bytes) -> bytes:
    if target[:1] != b"/" and b"://" in target:
        target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
    return target.partition(b"?")[0]


def _conditions(request: Request) -> Mapping[bytes, bytes]:
    """The headers that count: only GET has ranges (RFC 9110, 14.2)."""
    headers = request.headers
    if request.method == b"GET" or b"range" not in headers:
        return headers
    return {name: value for name, value in headers.items() if name != b"range"}


def _answer(asked: Mapping[bytes, bytes], file: File) -> Response | Streamed:
    coding, headers = file.plain, _ALWAYS
    if file.packed is not None and b"range" not in asked and accepts(asked, b"gzip"):
        coding, headers = file.packed, (*_ALWAYS, (b"Content-Encoding", b"gzip"))
    headers = (*headers, (b"ETag", coding.tag), (b"Cache-Control", file.cache_control), (b"Accept-Ranges", b"bytes"))
    if wants_another(asked, coding.tag):
        return Response(412, headers=headers)
    if has_it(asked, coding.tag):
        return Response(304, headers=headers)
    return _send(asked, file, coding, headers)


def _send(asked: Mapping[bytes, bytes], file: File, coding: Coding, headers: Headers) -> Response | Streamed:
    length = len(coding.data)
    try:
        span = find_span(asked, length, coding.tag)
    except Unsatisfiable:
        return Response(416, headers=(*headers, (b"Content-Range", b"bytes */%d" % length)))
    status = 200
    if span is None:
        span = Span(0, length)
    else:
        status, headers = 206, (*headers, (b"Content-Range", span.content_range(length)))
    if span.end - span.first <= _WHOLE_OCTETS:
        return Response(status, coding.data[span.first : span.end], file.content_type, headers)
    return Streamed(
        body=Pieces(_steps(coding.data, span)),
        content_type=file.content_type,
        status=status,
        headers=headers,
        length=span.end - span.first,
    )


def _steps(data: bytes, span: Span) -> Iterator[bytes]:
    for start in range(span.first, span.end, _STEP):
        yield data[start : min(start + _STEP, span.end)]
