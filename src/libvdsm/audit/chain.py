"""Audit records as they are kept: each holds the hash of the one before it. Pure.

A kept record is ``AuditRecord`` as JSON, and beside its members ``previous`` (the hash before it, so that the oldest
that is left still begins a chain), ``monotonic`` and ``life`` (a clock that nobody sets, and the daemon's life in which
it means something). ``hash`` comes last and is over all of the record's bytes before it, so that verification needs to
understand none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

import msgspec

from libvdsm.interfaces.generated.types import AuditRecord

#: What the first record of all has before it.
GENESIS: Final = "0" * 64

_encode = msgspec.json.Encoder().encode
_UNHASHED: Final = b',"hash":""}'
_HASH: Final = b',"hash":"'
_BESIDE: Final = b',"previous":"'
_END: Final = b'"}'


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of a chain."""

    sequence: int = 0
    hash: str = GENESIS


class Seen(msgspec.Struct, frozen=True):
    """What is looked at in a kept record."""

    sequence: int
    time: str
    identity: str
    method: str
    outcome: str
    previous: str
    object: dict[str, str] = {}
    project: str | None = None


class UnsoundError(ValueError):
    """A record that does not fit; ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it is kept, and its hash."""

    data: bytes
    tip: Tip

    @classmethod
    def make(cls, record: AuditRecord, previous: str, *, monotonic: float, life: str) -> Self:
        """Chain ``record``, whose own hash is empty, to the record with the hash ``previous``."""
        head = _encode(record)
        if not head.endswith(_UNHASHED):
            raise ValueError("the record has a hash before it was made")
        beside = b'%s%s","monotonic":%.6f,"life":%s' % (_BESIDE, previous.encode(), monotonic, _encode(life))
        hashed = head.removesuffix(_UNHASHED) + beside
        hash = digest(previous, hashed)
        return cls(hashed + _HASH + hash.encode() + _END, Tip(record.sequence, hash))


def digest(previous: str, hashed: bytes) -> str:
    """The hash of a record's bytes that follow ``previous``."""
    return sha256(previous.encode() + b"\n" + hashed).hexdigest()


_look = msgspec.json.Decoder(Seen).decode


def look(data: bytes) -> Seen:
    """A kept record; raises ``UnsoundError``."""
    try:
        return _look(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise UnsoundError("it is no audit record") from None


def follow(sequence: int, data: bytes, tip: Tip | None, expected: Tip | None = None) -> Tip:
    """The chain's end with this record at its place; raises ``UnsoundError``.

    ``tip`` is the end before it, None for the oldest that is kept; ``expected`` an end that is known from elsewhere.
    """
    hashed, hash = _split(data)
    seen = look(data)
    if seen.sequence != sequence:
        raise UnsoundError("it has another number than its place")
    if tip is not None and sequence != tip.sequence + 1:
        raise UnsoundError("records before it are missing")
    if tip is not None and seen.previous != tip.hash:
        raise UnsoundError("it does not follow the record before it")
    if sequence == 1 and seen.previous != GENESIS:
        raise UnsoundError("it is the first of all and follows another")
    if digest(seen.previous, hashed) != hash:
        raise UnsoundError("it was changed")
    if expected is not None and sequence == expected.sequence and hash != expected.hash:
        raise UnsoundError("it is another one than was recorded")
    return Tip(sequence, hash)


def shown(data: bytes) -> bytes:
    """A kept record as ``AuditRecord`` in JSON. Raises ``UnsoundError``."""
    hashed, hash = _split(data)
    place = hashed.rfind(_BESIDE)  # a quote within a value is escaped, so this is the member
    if place < 0:
        raise UnsoundError("it does not say what it follows")
    return hashed[:place] + _HASH + hash.encode() + _END


def _split(data: bytes) -> tuple[bytes, str]:
    hashed, mark, rest = data.rpartition(_HASH)
    if not mark or not rest.endswith(_END):
        raise UnsoundError("it has no hash")
    try:
        return hashed, rest.removesuffix(_END).decode("ascii")
    except UnicodeDecodeError:
        raise UnsoundError("it has no hash") from None
