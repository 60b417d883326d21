"""AMQP's types (1.0 part 1) as Python has them; ``decoding`` makes them of octets, ``encoding`` octets of them.

A value that Python has no type for is a subclass of what comes nearest: ``UInt`` is an ``int``, ``Symbol`` a ``str``. A plain
``int`` is a long (or an ulong beyond it), ``float`` a double, ``str`` a string, ``bytes`` a binary.
"""

from __future__ import annotations

import msgspec


class Symbol(str):
    """A word of a constrained domain."""

    __slots__ = ()


class Char(str):
    """One character."""

    __slots__ = ()


class UByte(int):
    """Eight bits without a sign."""

    __slots__ = ()


class UShort(int):
    """Sixteen bits without a sign."""

    __slots__ = ()


class UInt(int):
    """Thirty-two bits without a sign."""

    __slots__ = ()


class ULong(int):
    """Sixty-four bits without a sign."""

    __slots__ = ()


class Byte(int):
    """Eight bits."""

    __slots__ = ()


class Short(int):
    """Sixteen bits."""

    __slots__ = ()


class Int(int):
    """Thirty-two bits."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970 in UTC."""

    __slots__ = ()


class Float(float):
    """A float of thirty-two bits."""

    __slots__ = ()


class Decimal(bytes):
    """A decimal of 4, 8 or 16 octets, as IEEE 754 encodes it; nobody calculates with it here."""

    __slots__ = ()


class Described(msgspec.Struct, frozen=True):
    """A value with a descriptor."""

    descriptor: object
    value: object


class Array(msgspec.Struct, frozen=True):
    """Values that have one constructor."""

    items: tuple[object, ...]
    code: int = 0  # the elements' constructor, as it was received; 0: of the first element
