"""What protocols with headers say of the events that they want: as text, read and bounded like the parameters of ``Event.subscribe``."""

from __future__ import annotations

import math
from typing import Final

import msgspec
from msgspec import Raw

from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.types import EventFilter, EventSubscribeParams
from libvdsm.wire import strict

_decode: Final = ParamsDecoder(EventSubscribeParams, EventSubscribeParams.__struct_encode_fields__)


def read_event_wish(filter: str | None, coalesce: str | None) -> tuple[EventFilter | None, float]:
    """An ``EventFilter`` in JSON, and a number of seconds. Raises ``InvalidParams``."""
    if filter is None and coalesce is None:
        return None, 0.0
    wanted: dict[str, object] = {}
    if filter is not None:
        raw = filter.encode()
        fault = strict.find_fault(raw)
        if fault is not None:
            raise InvalidParams(path="$.filter", reason=f"is not JSON: {fault}")
        wanted["filter"] = Raw(raw)
    if coalesce is not None:
        wanted["coalesce"] = read_seconds("$.coalesce", coalesce)
    read = _decode(msgspec.json.encode(wanted))
    return read.filter, read.coalesce


def read_seconds(path: str, text: str) -> float:
    """A number of seconds in a text, which JSON could say as well; raises ``InvalidParams`` with ``path``."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InvalidParams(path=path, reason="is not a number of seconds")
    return found
