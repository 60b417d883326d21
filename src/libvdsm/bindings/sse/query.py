"""What a client asks for: the parameters of ``Event.subscribe`` in a query string, and ``Last-Event-ID``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from libvdsm.bridge.event_wish import read_seconds
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.types import EventSubscribeParams
from libvdsm.wire import strict

if TYPE_CHECKING:
    from libvdsm.wire.http.events import Request

_NAMES: Final = ("topics", "after", "snapshot", "filter", "coalesce")
_MOST_WORDS: Final = 100
_decode: Final = ParamsDecoder(EventSubscribeParams, EventSubscribeParams.__struct_encode_fields__)
_BOOLEANS: Final = {"true": True, "false": False}
#: How the token ends that a snapshot carries as long as it is not complete: half a snapshot is none.
_BEGINNING: Final = "-0"


def read_query(request: Request) -> EventSubscribeParams:
    """The subscription that a GET asks for; raises ``InvalidParams``.

    A client that comes back with ``Last-Event-ID`` resumes after it, whatever its address says, and has its snapshot anew only
    if it had not got all of it.
    """
    wanted: dict[str, object] = {}
    for name, value in _words(request.target):
        if name not in _NAMES:
            raise InvalidParams(path=f"$.{name[:64]}", reason=f"is not one of {', '.join(_NAMES)}")
        if name == "topics":
            topics = wanted.setdefault(name, [])
            if isinstance(topics, list):
                topics.extend(value.split(","))
        elif name in wanted:
            raise InvalidParams(path=f"$.{name}", reason="is given twice")
        else:
            wanted[name] = _value(name, value)
    last = _last_event_id(request)
    if last and not (wanted.get("snapshot") is True and last.endswith(_BEGINNING)):
        wanted |= {"after": last, "snapshot": False}
    return _decode(msgspec.json.encode(wanted))


def _words(target: bytes) -> list[tuple[str, str]]:
    query = target.partition(b"?")[2]
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=_MOST_WORDS,
        )
    except ValueError as failure:
        raise InvalidParams(path="$", reason=f"the query string cannot be read: {failure}") from None


def _value(name: str, text: str) -> object:
    if name == "snapshot":
        if text not in _BOOLEANS:
            raise InvalidParams(path="$.snapshot", reason="is true or false")
        return _BOOLEANS[text]
    if name == "coalesce":
        return read_seconds("$.coalesce", text)
    if name == "filter":
        raw = text.encode()
        fault = strict.find_fault(raw)
        if fault is not None:
            raise InvalidParams(path="$.filter", reason=f"is not JSON: {fault}")
        return Raw(raw)
    return text


def _last_event_id(request: Request) -> str:
    try:
        return request.headers.get(b"last-event-id", b"").decode()
    except UnicodeDecodeError:
        raise InvalidParams(path="$.after", reason="Last-Event-ID is not UTF-8") from None
