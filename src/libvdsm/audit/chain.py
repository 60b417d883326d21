"""Audit records as they are kept: each holds the hash of the one before it. Pure.

A kept record is ``AuditRecord`` as JSON, and beside its members ``previous`` (the hash before it, so that the oldest
that is left still begins a chain), ``monotonic`` and ``life`` (a clock that nobody sets, and the daemon's life in which
it means something); ``lost`` are records that could not be committed, which leaves a gap. ``hash`` comes last and is over all of the record's bytes before it, so that verification needs to
understand none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, Self

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


class Lost(NamedTuple):
    """Records that were made and could not be committed: nothing of them was acknowledged."""

    first: int
    last: int
    hash: str  # of the last, which the record that comes next follows


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
    lost: list[Lost] = []


class UnsoundError(ValueError):
    """A record that does not fit; ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it is kept, and its hash."""

    data: bytes
    tip: Tip

    @classmethod
    def make(cls, record: AuditRecord, previous: str, *, monotonic: float, life: str, lost: Sequence[Lost] = ()) -> Self:
        """Chain ``record``, whose own hash is empty, to the record with the hash ``previous``; it attests what was ``lost``."""
        head = _encode(record)
        if not head.endswith(_UNHASHED):
            raise ValueError("the record has a hash before it was made")
        beside = b'%s%s","monotonic":%.6f,"life":%s' % (_BESIDE, previous.encode(), monotonic, _encode(life))
        if lost:
            beside += b',"lost":' + _encode(lost)
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


class Chain:
    """Records in their order, checked one by one."""

    def __init__(self, expected: Tip | None = None) -> None:
        """``expected`` is a record that is known from elsewhere."""
        self.tip: Tip | None = None  # None before the first record
        self._expected = expected
        self._gaps: dict[int, Lost] = {}  # by the record after each, what must have been lost for it to be sound

    def forget(self) -> None:
        """What comes next is the oldest that is kept: the records before it were trimmed."""
        self.tip = None

    def take(self, sequence: int, data: bytes) -> None:
        """The next record; raises ``UnsoundError``."""
        hashed, hash = _split(data)
        seen = look(data)
        if seen.sequence != sequence:
            raise UnsoundError("it has another number than its place")
        if digest(seen.previous, hashed) != hash:
            raise UnsoundError("it was changed")
        if self._expected is not None and sequence == self._expected.sequence and hash != self._expected.hash:
            raise UnsoundError("it is another one than was recorded")
        if sequence == 1 and seen.previous != GENESIS:
            raise UnsoundError("it is the first of all and follows another")
        if self.tip is not None:
            self._link(self.tip, seen)
        self.tip = Tip(sequence, hash)
        self.attest(seen.lost)

    def attest(self, lost: Iterable[Lost]) -> None:
        """Believe that these records were lost."""
        for one in lost:
            for after, gap in tuple(self._gaps.items()):
                if one.first <= gap.first and gap.last == one.last and gap.hash == one.hash:
                    del self._gaps[after]

    def first_gap(self) -> int | None:
        """The first record before which others are missing, and nobody has attested why."""
        return min(self._gaps, default=None)

    def _link(self, tip: Tip, seen: Seen) -> None:
        if seen.sequence > tip.sequence + 1:
            self._gaps[seen.sequence] = Lost(tip.sequence + 1, seen.sequence - 1, seen.previous)
        elif seen.previous != tip.hash:
            raise UnsoundError("it does not follow the record before it")


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
