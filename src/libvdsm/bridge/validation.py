"""From raw parameters to a typed value, or to an error that names the path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from libvdsm.base.secret import decode_hook
from libvdsm.interfaces.generated.errors import InvalidParams

T = TypeVar("T", bound=Struct)

_PATH = re.compile(r" - at `(?:key in )?(\$[^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]+)`")
_decode_list = msgspec.json.Decoder(list[Raw]).decode


class ParamsDecoder(Generic[T]):
    """One verb's parameters, by name or by position."""

    def __init__(self, type: type[T], names: Sequence[str]) -> None:
        #: The bare decoder, for parameters by name that are right; raises msgspec's own errors.
        self.quick: Callable[[bytes], T] = msgspec.json.Decoder(type, dec_hook=decode_hook).decode
        self._names = names

    def __call__(self, raw: bytes) -> T:
        """Decode; raises ``InvalidParams``."""
        try:
            return self.quick(raw)
        except msgspec.ValidationError as error:
            if raw.lstrip()[:1] == b"[":
                return self._decode_named(self.named(raw))
            raise as_invalid_params(error) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidParams(path="$", reason=str(error)) from None

    def named(self, raw: bytes) -> bytes:
        """Parameters by position as parameters by name; others as they are."""
        if raw.lstrip()[:1] != b"[":
            return raw
        try:
            values = _decode_list(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidParams(path="$", reason=str(error)) from None
        if len(values) > len(self._names):
            raise InvalidParams(path=f"$[{len(self._names)}]", reason=f"at most {len(self._names)} parameters are taken")
        return msgspec.json.encode(dict(zip(self._names, values, strict=False)))

    def _decode_named(self, raw: bytes) -> T:
        try:
            return self.quick(raw)
        except msgspec.ValidationError as error:
            raise as_invalid_params(error) from None


def as_invalid_params(error: msgspec.ValidationError, root: str = "$") -> InvalidParams:
    """A decoder's complaint as our error: the path of the very value, and the reason without it."""
    text = str(error)
    found = _PATH.search(text)
    path, reason = (found.group(1), text[: found.start()]) if found else ("$", text)
    member = _MISSING.match(reason) or _UNKNOWN.match(reason)
    if member is not None:
        path = f"{path}.{member.group(1)}"
    return InvalidParams(path=root + path[1:], reason=reason.replace("`", "'"))
