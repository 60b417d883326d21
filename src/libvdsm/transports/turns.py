"""Whose messages are worked off in this turn of the loop: every identity has a share, and its connections divide it.

A share is so many units, and so much time; a message is one unit, every 4 KiB of an answer one more, and work that is
begun and not done a few. When a share is used up, the connection keeps what it has read and waits for the next turn, when
every identity has had its own. One whose share is not used up pays for none of this but a subtraction.

Whoever comes in the middle of a turn waits for its end, so a turn is as long as others can bear: long while nobody else is
connected, because every turn has its cost; shorter while others are connected and silent; short for a while after one of
them was heard (docs/adr/0039). What took longer than a share, because one message cannot be divided, is owed to the others
that wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

#: Octets of an answer that count as one unit more: 2 ** 12.
UNIT_BITS = 12
#: Units of a call whose answer comes later.
LATER_UNITS = 4
#: So many shares are kept before those that nobody uses are forgotten.
_PRUNE_AT = 1_000
#: What is read at a time from those that have sent more than can be worked off.
_READ_OCTETS = 32 * 1024
#: Seconds between two looks for others.
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """How long a turn may be."""

    alone: int = 256  # units of an identity in a turn, while no other one is connected
    beside: int = 96  # while others are connected and none of them is busy
    shared: int = 8  # units of each identity else
    at_once: int = 3  # units of each identity then before any of it has to wait: each is read and written by itself
    least: int = 8  # units of a connection in its turn: answers are written together
    alone_s: float = 0.001  # what of one identity has to wait, or what one connection has read, may take of a turn
    beside_s: float = 0.000_25
    shared_s: float = 0.000_03
    owed_s: float = 0.01  # the most that is owed
    calm_s: float = 1.0  # after which another identity counts as busy no more


class Worker(Protocol):
    """A connection with something to be worked off."""

    def work_off(self, units: int) -> int:
        """Go on with what was received, for about so many units; answers how many it took."""
        ...


class Share:
    """One identity's part of every turn."""

    __slots__ = ("_turns", "is_listed", "left", "owes_s", "seen", "since", "users", "waiting")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.left = turns.limits.at_once  # never above nothing while somebody waits
        self.seen = self.left  # when others looked whether it is busy
        self.since = 0.0
        self.owes_s = 0.0  # time that it took from others who wait
        self.users = 0  # connections
        self.is_listed = False  # for the next turn
        self.waiting: deque[Worker] = deque()

    def renew(self) -> bool:
        """The share is used up: whether it was renewed, because another turn has begun since and nobody waits."""
        if self.waiting:
            return False
        turns = self._turns
        now = turns.now()
        if now <= self.since:
            return False
        self.since = now
        turns.look(now, self)
        self.left = self.seen = turns.at_once
        return True

    def defer(self, worker: Worker) -> None:
        """Go on with ``worker`` in the next turn, behind those of this identity that wait already."""
        self.left = min(self.left, 0)
        self.waiting.append(worker)
        self._turns.defer(self)

    def serve(self, *, has_rivals: bool) -> None:
        """Divide a share among those who wait, until it or its time is used up."""
        turns, waiting = self._turns, self.waiting
        clock = turns.clock
        begun = clock()
        until = begun + turns.slice_s
        if has_rivals:
            until -= self.owes_s
            if until <= begun:
                self.owes_s -= turns.slice_s
                return
        budget = turns.budget
        part = min(budget, max(turns.limits.least, budget // len(waiting)))
        now = begun
        for _worker in range(len(waiting)):
            budget -= waiting.popleft().work_off(part)
            now = clock()
            if budget <= 0 or now >= until:
                break
        self.owes_s = min(max(now - until, 0.0), turns.limits.owed_s)
        self.left = self.seen = 0 if waiting else max(min(budget, turns.at_once), 0)


class Turns:
    """The shares of all identities; one for all listeners of a loop."""

    def __init__(
        self,
        limits: TurnLimits | None = None,
        *,
        now: Callable[[], float] | None = None,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """``now`` is the loop's ``time``, ``call_soon`` the loop's own; by default those of the loop that runs at the first need.

        The time of uvloop stands still within a turn, which is what tells one turn from the next; ``clock`` tells how long one takes.
        """
        self.limits = limits or TurnLimits()
        self.clock = clock
        self.budget = self.at_once = self.limits.alone
        self.slice_s = self.limits.alone_s
        self.is_shared = False  # whether more than one identity is busy
        self.buffer = memoryview(bytearray(_READ_OCTETS))  # for all connections that are read little at a time
        self.turns = 0  # in which somebody had waited
        self.deferred = 0
        self._now = now
        self._call_soon = call_soon
        self._shares: dict[str, Share] = {}
        self._waiting: list[Share] = []
        self._looked_at = 0.0
        self._calm_at = 0.0
        self._prune_at = _PRUNE_AT

    def share(self, identity: str) -> Share:
        """The share of an identity."""
        share = self._shares.get(identity)
        if share is None:
            if len(self._shares) >= self._prune_at:
                self._shares = {key: each for key, each in self._shares.items() if each.users or each.waiting}
                self._prune_at = max(_PRUNE_AT, 2 * len(self._shares))
            share = self._shares[identity] = Share(self)
        return share

    def now(self) -> float:
        """The time of this turn."""
        if self._now is None:
            self._now = asyncio.get_running_loop().time
        return self._now()

    def look(self, now: float, own: Share) -> None:
        """Whether others are connected, or even busy, beside ``own``; looked at now and then."""
        if now < self._looked_at + _LOOK_S:
            return
        self._looked_at = now
        limits = self.limits
        is_alone = True
        for share in self._shares.values():
            if share is own:
                continue
            if share.users:
                is_alone = False
            if share.left != share.seen or share.waiting:
                share.seen = share.left
                self._calm_at = now + limits.calm_s
        self.is_shared = now < self._calm_at
        if self.is_shared:
            self.budget, self.at_once, self.slice_s = limits.shared, limits.at_once, limits.shared_s
        elif is_alone:
            self.budget, self.at_once, self.slice_s = limits.alone, limits.alone, limits.alone_s
        else:
            self.budget, self.at_once, self.slice_s = limits.beside, limits.beside, limits.beside_s

    def defer(self, share: Share) -> None:
        """``share`` has somebody who waits."""
        self.deferred += 1
        if share.is_listed:
            return
        share.is_listed = True
        self._waiting.append(share)
        if len(self._waiting) == 1:
            self._schedule()

    def _schedule(self) -> None:
        if self._call_soon is None:
            self._call_soon = asyncio.get_running_loop().call_soon
        self._call_soon(self._next)

    def _next(self) -> None:
        """A turn for everybody who waits."""
        self.turns += 1
        shares, now = self._waiting, self.now()
        has_rivals = len(shares) > 1
        try:
            for share in shares:
                self.look(now, share)
                share.since = now
                share.serve(has_rivals=has_rivals)
        finally:  # whatever becomes of one of them, the others have their turn
            for share in shares:
                share.is_listed = bool(share.waiting)
            self._waiting = [share for share in shares if share.is_listed]
            if self._waiting:
                self._schedule()
