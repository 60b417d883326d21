"""What tells an unsound record from a sound one, and a lost one from one that never was.

Each record has a checksum over all that identifies it. The sum of all checksums of a kind, modulo 2**64, does not depend
on their order, so it can be kept while records come and go; it tells that records are missing, not only that one changed.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

_WRAP = 2**64
_HALF = 2**63
_LENGTHS = struct.Struct("<HI")
_PLACE = struct.Struct("<HQQd")


def record_sum(kind: str, key: str, data: bytes) -> int:
    """The checksum of a record: a signed integer of 64 bits."""
    kind_octets, key_octets = kind.encode(), key.encode()
    return _sum(_LENGTHS.pack(len(kind_octets), len(key_octets)) + kind_octets + key_octets + data)


def logged_sum(log: str, sequence: int, previous: int, at: float, data: bytes) -> int:
    """The checksum of a record of a log, which includes which one came before it."""
    log_octets = log.encode()
    return _sum(_PLACE.pack(len(log_octets), sequence, previous, at) + log_octets + data)


def row_sum(*values: object) -> int:
    """The checksum of a row of our own tables: integers and short strings."""
    return _sum("\0".join(map(repr, values)).encode())


def wrapped(number: int) -> int:
    """``number`` modulo 2**64 as a signed integer of 64 bits, which is what SQLite keeps."""
    return (number + _HALF) % _WRAP - _HALF


def _sum(octets: bytes) -> int:
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "little", signed=True)
