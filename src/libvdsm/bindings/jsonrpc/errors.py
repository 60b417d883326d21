"""Failures as the member ``error`` of an answer."""

from __future__ import annotations

import logging

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.generated.errors import InternalError, LimitExceeded

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


def encode_error(failure: ApiError) -> bytes:
    """``{"code", "message", "data"}``."""
    return _encode({"code": failure.number, "message": failure.message, "data": failure.data()})


_refusals: dict[str, bytes] = {}
_MOST_REFUSALS = 1_000


def encode_refusal(refusal: LimitExceeded) -> bytes:
    """As ``encode_error``; the same limits are refused again and again, so the bytes are kept."""
    words: str = refusal.args[0]
    known = _refusals.get(words)
    if known is None:
        if len(_refusals) >= _MOST_REFUSALS:
            _refusals.clear()
        known = _refusals[words] = encode_error(refusal)
    return known


def as_api_error(failure: BaseException, method: str) -> ApiError:
    """``failure`` itself if it is typed; else an ``InternalError``, with its details in the log only."""
    if isinstance(failure, ApiError):
        return failure
    incident = new_uuid()
    _log.error("incident %s in %s", incident, method, exc_info=failure)
    return InternalError(incident=incident).because(failure)
