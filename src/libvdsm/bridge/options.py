"""Call options: what travels beside the parameters."""

from __future__ import annotations

import msgspec

from libvdsm.base.clock import Clock, seconds_of
from libvdsm.bridge.validation import as_invalid_params
from libvdsm.interfaces.generated.errors import InvalidParams, TooLate
from libvdsm.interfaces.generated.types import CallOptions

NO_OPTIONS = CallOptions()
_decode = msgspec.json.Decoder(CallOptions).decode


def decode_options(raw: bytes) -> CallOptions:
    """The options of a call; raises ``InvalidParams`` with a path below ``$.meta``."""
    try:
        return _decode(raw)
    except msgspec.ValidationError as error:
        raise as_invalid_params(error, "$.meta") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidParams(path="$.meta", reason=str(error)) from None


def check_time(options: CallOptions, clock: Clock) -> None:
    """Refuse a call that comes after its ``notAfter``; raises ``TooLate``, or ``InvalidParams`` for no such time."""
    if options.not_after is None:
        return
    try:
        until = seconds_of(options.not_after)
    except (ValueError, OverflowError) as error:
        raise InvalidParams(path="$.meta.notAfter", reason=str(error)) from None
    if clock.time() > until:
        raise TooLate(not_after=options.not_after)
