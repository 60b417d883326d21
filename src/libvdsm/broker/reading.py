"""Places in the journal: resume tokens, gaps, and one reader's way through the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.journal import Entry, Journal

_encode = msgspec.json.Encoder().encode

#: Digits of the greatest sequence that fits a JSON integer.
_MOST_DIGITS: Final = 16
#: Records that are looked at for one reader before others have their turn.
TURN: Final = 256
#: Between the mark in a token and the rest of it.
_AFTER_MARK: Final = "."
#: The mark of tokens that say that their owner's rights were changing: nobody's.
UNSETTLED: Final = "0"


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that can no longer be had."""

    reason: str
    missed: int | None = None

    def encode(self) -> bytes:
        """The encoded ``EventGap``."""
        told: dict[str, object] = {"reason": self.reason}
        if self.missed is not None:
            told["missed"] = self.missed
        return _encode(told)

    def behind(self, gap: Gap | None) -> Gap:
        """This one and one before it that was not told yet, as one."""
        if gap is None:
            return self
        return gap if gap.missed is None or self.missed is None else Gap(gap.reason, gap.missed + self.missed)


#: Who comes back after his rights have changed cannot be told what he has not seen, or sees no more: nothing was recorded of it.
CHANGED: Final = Gap("rights")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says that its owner saw: if he sees anything else now, there is a gap."""

    mark: str

    def judge(self, mark: str) -> Gap | None:
        """The gap, if there is one."""
        return None if mark == self.mark else CHANGED


def token(journal: Journal, sequence: int) -> bytes:
    """The resume token after a record, of somebody who sees everything; for others it follows their ``prefix``."""
    return f"{journal.epoch}-{sequence}".encode()


def prefix(mark: str) -> bytes:
    """How the tokens begin of those who see what a mark stands for."""
    return f"{mark}{_AFTER_MARK}".encode() if mark else b""


def claimed_place(journal: Journal, token: str | None) -> tuple[int, Gap | Claim | None]:
    """Where a token stands, and what can no longer be had of what follows it, or what depends on who has it."""
    if token is None:
        return journal.last, None
    mark, _, rest = token.rpartition(_AFTER_MARK)
    cursor, gap = place(journal, rest)
    if gap is None and (mark or cursor):  # before the first record nobody saw anything
        return cursor, Claim(mark)
    return cursor, gap


def place(journal: Journal, token: str | None) -> tuple[int, Gap | None]:
    """Where a token stands, and what can no longer be had of what follows it."""
    if token is None:
        return journal.last, None
    epoch, _, text = token.rpartition("-")
    if not epoch or not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise InvalidParams(path="$.after", reason="not a resume token of this API")
    sequence = int(text)
    if epoch != journal.epoch or sequence > journal.last:
        return journal.last, Gap("epoch")
    missed = journal.first - 1 - sequence
    return (sequence, None) if missed <= 0 else (journal.first - 1, Gap("trimmed", missed))


class Reading:
    """One page of records: begins after a cursor, ends when it is full or a gap lies in the way."""

    def __init__(self, journal: Journal, after: str | None, shows: Callable[[Entry], bool], limit: int, mark: str) -> None:
        """``shows``: whether a record is wanted, and the reader may see it now; ``mark``: of all that he may see."""
        self._journal = journal
        self._shows = shows
        self._limit = limit
        self._is_cut = False
        self._found: list[Entry] = []
        self._mark = mark
        self._gap: Gap | None = None
        self._cursor, claim = claimed_place(journal, after)
        if not isinstance(claim, Claim):
            self._gap = claim
        elif claim.judge(mark) is not None:
            self._gap, self._cursor = CHANGED, journal.last

    def turn(self, mark: str) -> None:
        """If the reader, who waits, sees anything else than before, he has a gap and goes on behind all that there is."""
        if mark != self._mark:
            self._mark, self._gap, self._cursor = mark, CHANGED, self._journal.last

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._found) or self._gap is not None

    @property
    def is_near(self) -> bool:
        """Whether all that follows is in memory."""
        return self._cursor + 1 >= self._journal.held

    def collect_near(self) -> None:
        """Read what follows; only while ``is_near``."""
        while self._is_wanting:
            self._take(self._journal.read(self._cursor, TURN))

    async def collect(self) -> None:
        """Read what follows, from the disk as well."""
        while self._is_wanting:
            self._take(self._journal.read(self._cursor, TURN) if self.is_near else await self._journal.fetch(self._cursor, TURN))

    def page(self) -> bytes:
        """The encoded ``EventList``."""
        resume = prefix(self._mark) + token(self._journal, self._cursor)
        body = b'{"items":[' + b",".join(entry.data for entry in self._found) + b'],"resume":"' + resume + b'"'
        return body + (b"}" if self._gap is None else b',"gap":' + self._gap.encode() + b"}")

    @property
    def _is_wanting(self) -> bool:
        return not self._is_cut and len(self._found) < self._limit and self._cursor < self._journal.last

    def _take(self, entries: Sequence[Entry]) -> None:
        if not entries:
            self._skip_to(self._journal.last + 1)
        for entry in entries:
            if entry.sequence != self._cursor + 1:
                self._skip_to(entry.sequence)
                if self._is_cut:
                    return
            self._cursor = entry.sequence
            if self._shows(entry):
                self._found.append(entry)
                if len(self._found) == self._limit:
                    return

    def _skip_to(self, sequence: int) -> None:
        """Records are gone: a page begins with its gap, so one that has begun ends here."""
        if self.has_news:
            self._is_cut = True
        else:
            self._gap = Gap("trimmed", sequence - 1 - self._cursor)
            self._cursor = sequence - 1
