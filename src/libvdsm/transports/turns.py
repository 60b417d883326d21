"""Whose messages are worked off in this turn of the loop: every identity has a share, and its connections divide it.

A share is so many units; a message is one, every 4 KiB of an answer one more, and work that is begun and not done a few.
When a share is used up, the connection keeps what it has read and waits for the next turn, when every identity has had
its own. One whose share is not used up pays for none of this but a subtraction. While one identity alone is busy its
share is large, because every turn has its cost; as soon as another one is seen, all shares are small for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter as clock
from typing import Protocol

#: Octets of an answer that count as one unit more: 2 ** 12.
UNIT_BITS = 12
#: Units of a call whose answer comes later.
LATER_UNITS = 4
#: So many shares are kept before those that nobody uses are forgotten.
_PRUNE_AT = 1_000
#: Seconds between two looks for others.
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """How long a turn may be."""

    alone: int = 256  # units of an identity in a turn, while no other one is busy
    shared: int = 24  # units of each identity else
    least: int = 8  # units of a connection in its turn: answers are written together
    alone_s: float = 0.001  # what of one identity has to wait, or what one connection has read, may take of a turn
    shared_s: float = 0.000_08
    calm_s: float = 1.0  # after which another identity counts as busy no more


class Worker(Protocol):
    """A connection with something to be worked off."""

    def work_off(self, units: int) -> int:
        """Go on with what was received, for about so many units; answers how many it took."""
        ...


class Share:
    """One identity's part of every turn."""

    __slots__ = ("_turns", "is_listed", "left", "seen", "since", "users", "waiting")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.left = turns.limits.shared  # never above nothing while somebody waits
        self.seen = self.left  # when others looked whether it is busy
        self.since = 0.0
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
        self.left = self.seen = turns.budget
        return True

    def defer(self, worker: Worker) -> None:
        """Go on with ``worker`` in the next turn, behind those of this identity that wait already."""
        self.left = min(self.left, 0)
        self.waiting.append(worker)
        self._turns.defer(self)


class Turns:
    """The shares of all identities; one for all listeners of a loop."""

    def __init__(
        self,
        limits: TurnLimits | None = None,
        *,
        now: Callable[[], float] | None = None,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """``now`` is the loop's ``time``, ``call_soon`` the loop's own; by default those of the loop that runs at the first need.

        The time of uvloop stands still within a turn, which is what tells one turn from the next.
        """
        self.limits = limits or TurnLimits()
        self.budget = self.limits.alone
        self.slice_s = self.limits.alone_s
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
        """Whether others are busy beside ``own``; looked at now and then."""
        if now < self._looked_at + _LOOK_S:
            return
        self._looked_at = now
        for share in self._shares.values():
            if share is not own and (share.left != share.seen or share.waiting):
                share.seen = share.left
                self._calm_at = now + self.limits.calm_s
        is_calm = now >= self._calm_at
        self.budget = self.limits.alone if is_calm else self.limits.shared
        self.slice_s = self.limits.alone_s if is_calm else self.limits.shared_s

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
        for share in shares:
            self.look(now, share)
            share.since = now
            share.left = share.seen = _serve(share.waiting, self.budget, self.limits.least, clock() + self.slice_s)
            share.is_listed = bool(share.waiting)
        self._waiting = [share for share in shares if share.is_listed]
        if self._waiting:
            self._schedule()


def _serve(waiting: deque[Worker], budget: int, least: int, until: float) -> int:
    """Divide one share among those who wait, until it or its time is used up; what is left of it, nothing while somebody waits."""
    part = max(least, budget // len(waiting))
    for _worker in range(len(waiting)):
        budget -= waiting.popleft().work_off(part)
        if budget <= 0 or clock() >= until:
            break
    return 0 if waiting else max(budget, 0)
