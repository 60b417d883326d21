"""A secret: a value that is not shown, whatever is done with it.

It is no string, so that nothing of it leaks by slicing, joining or formatting. Whoever needs the value says ``reveal``,
and every such place can be found. What a decoder makes of a schema's scalar ``secret`` is a class of this room.
"""

from __future__ import annotations

import hmac
from typing import Any, ClassVar, Final, NoReturn, Self

#: What is shown in its place.
HIDDEN: Final = "***"


class Secret:
    """A text that only ``reveal`` shows. Immutable; equal to a secret of the same text."""

    __slots__ = ("_Secret__text",)

    #: How long the text may be, in characters; a subclass may say otherwise.
    min_length: ClassVar[int] = 0
    max_length: ClassVar[int | None] = None

    def __init__(self, text: str) -> None:
        """Raises ``ValueError`` for a text of another length, without showing it."""
        if len(text) < self.min_length:
            raise ValueError(f"Expected `str` of length >= {self.min_length}")
        if self.max_length is not None and len(text) > self.max_length:
            raise ValueError(f"Expected `str` of length <= {self.max_length}")
        object.__setattr__(self, "_Secret__text", text)

    def __init_subclass__(cls, *, min_length: int = 0, max_length: int | None = None) -> None:
        """A kind of secret whose text has a length within these bounds."""
        cls.min_length, cls.max_length = min_length, max_length

    def reveal(self) -> str:
        """The text itself."""
        text: str = self.__text  # type: ignore[attr-defined]  # set past __setattr__
        return text

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode("utf-8", "surrogatepass"), other.reveal().encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")


def decode_hook(type: type[Any], value: object) -> object:
    """A decoder's hook: makes a secret of a string. What it raises shows nothing of the value."""
    if not issubclass(type, Secret):
        raise NotImplementedError(f"nothing is known of {type.__name__}")
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{_kind(value)}`")
    return type(value)


def encode_hook(value: object) -> object:
    """An encoder's hook: a secret is shown as ``***``. Without the hook an encoder refuses it."""
    if isinstance(value, Secret):
        return HIDDEN
    raise NotImplementedError(f"a {type(value).__name__} is not encoded")


def _kind(value: object) -> str:
    names = {bool: "bool", int: "int", float: "float", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), "other")
