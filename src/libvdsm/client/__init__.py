"""The Python client of libvdsm: typed, for asyncio (``aio``) and for threads (``sync``), on the standard library alone.

    from libvdsm.client import aio, errors, types

Everything is loaded at first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from libvdsm.client import aio as aio
    from libvdsm.client import sync as sync
    from libvdsm.client.generated import errors as errors
    from libvdsm.client.generated import types as types
    from libvdsm.client.runtime.errors import AddressError as AddressError
    from libvdsm.client.runtime.errors import ApiError as ApiError
    from libvdsm.client.runtime.errors import ClientError as ClientError
    from libvdsm.client.runtime.errors import ConnectionLostError as ConnectionLostError
    from libvdsm.client.runtime.errors import GapError as GapError
    from libvdsm.client.runtime.errors import HostDownError as HostDownError
    from libvdsm.client.runtime.errors import NoAnswerError as NoAnswerError
    from libvdsm.client.runtime.errors import NotSentError as NotSentError
    from libvdsm.client.runtime.errors import ProtocolError as ProtocolError
    from libvdsm.client.runtime.errors import StreamRefusedError as StreamRefusedError
    from libvdsm.client.runtime.errors import TransportError as TransportError
    from libvdsm.client.runtime.errors import UnsupportedError as UnsupportedError
    from libvdsm.client.runtime.errors import UntrustedError as UntrustedError
    from libvdsm.client.runtime.values import UNSET as UNSET

_MODULES: Final = {
    "aio": "libvdsm.client.aio",
    "errors": "libvdsm.client.generated.errors",
    "sync": "libvdsm.client.sync",
    "types": "libvdsm.client.generated.types",
}
_ERRORS: Final = frozenset(
    {
        "AddressError",
        "ApiError",
        "ClientError",
        "ConnectionLostError",
        "GapError",
        "HostDownError",
        "NoAnswerError",
        "NotSentError",
        "ProtocolError",
        "StreamRefusedError",
        "TransportError",
        "UnsupportedError",
        "UntrustedError",
    }
)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _ERRORS:
        return getattr(importlib.import_module("libvdsm.client.runtime.errors"), name)
    if name == "UNSET":
        return importlib.import_module("libvdsm.client.runtime.values").UNSET
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_ERRORS, "UNSET"})
