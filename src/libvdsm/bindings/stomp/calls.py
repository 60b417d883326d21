"""Call options that come as headers of a SEND: the same as over HTTP, and vdsm's name for the flow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from libvdsm.interfaces.generated.errors import InvalidParams

_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
_INTEGER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_OPTIONS: Final[dict[str, tuple[str, re.Pattern[str] | None]]] = {
    "vdsm-timeout": ("timeout", _NUMBER),
    "vdsm-not-after": ("notAfter", None),
    "vdsm-idempotency-key": ("idempotencyKey", None),
    "vdsm-expected-generation": ("expectedGeneration", _INTEGER),
    "vdsm-wait": ("wait", _NUMBER),
    "ovirtCorrelationId": ("flowId", None),
    "vdsm-flow-id": ("flowId", None),
    "traceparent": ("traceparent", None),
    "tracestate": ("tracestate", None),
}
_encode = msgspec.json.Encoder().encode


def read_options(headers: Mapping[str, str]) -> bytes | None:
    """The call options among the headers as a raw ``CallOptions``. Raises ``InvalidParams``, also for a name that is not known."""
    for name in headers:
        if name[:5].lower() == "vdsm-" and name not in _OPTIONS:
            raise InvalidParams(path=f"$.{name}", reason=f"it is no option; there are {', '.join(_OPTIONS)}")
    if _OPTIONS.keys().isdisjoint(headers):
        return None
    options: dict[str, object] = {}
    for name, (member, pattern) in _OPTIONS.items():
        value = headers.get(name)
        if value is None:
            continue
        if pattern is not None and pattern.fullmatch(value) is None:
            raise InvalidParams(path=f"$.{name}", reason="it is a number")
        options[member] = value if pattern is None else int(value) if value.isdigit() else float(value)
    return _encode(options)
