"""Typed errors across the border: out as a JSON-RPC error object, back as the same class."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from libvdsm.base import ids
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated import errors

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class ErrorData(msgspec.Struct):
    """Member ``data`` of an error object, as far as it is needed to build the error again."""

    error: str = ""
    params: dict[str, Any] = {}


class ErrorObject(msgspec.Struct):
    """Member ``error`` of an answer."""

    code: int = 0
    message: str = ""
    data: ErrorData = msgspec.field(default_factory=ErrorData)


_decode = msgspec.json.Decoder(ErrorObject).decode


def to_bytes(failure: BaseException, doing: str) -> bytes:
    """The error object for ``failure``; what is no ``ApiError`` is logged under an incident and becomes ``InternalError``."""
    error = failure if isinstance(failure, ApiError) else incident(failure, doing)
    return _encode({"code": error.number, "message": error.message, "data": error.data()})


def from_bytes(raw: bytes | msgspec.Raw, doing: str) -> ApiError:
    """The error that ``to_bytes`` wrote; anything else is logged and becomes ``InternalError``."""
    try:
        found = _decode(raw)
    except msgspec.MsgspecError as failure:
        return incident(failure, doing)
    return rebuild(found.data.error, found.data.params) or incident(ValueError(f"error {found.data.error!r}: {found.message}"), doing)


def rebuild(name: str, params: dict[str, Any]) -> ApiError | None:
    """The error called ``name`` with ``params`` by their wire names; ``None`` if there is no such error or they do not fit."""
    try:
        return errors.restore(name, params)
    except (KeyError, TypeError, ValueError):
        return None


def incident(failure: BaseException, doing: str) -> ApiError:
    """``InternalError`` under a new incident, which is logged with ``failure``."""
    word = ids.new_uuid()[:8]
    _log.error("incident %s in %s", word, doing, exc_info=failure)
    return errors.InternalError(incident=word).because(failure)
