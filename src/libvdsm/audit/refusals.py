"""Refusals alike, counted: a flood of them is a few records, and none of it goes untold."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from libvdsm.interfaces.audit import Deed

#: What stands for many identities, addresses or verbs in one record.
MANY = "*"

_Key = tuple[str, str, str, tuple[str, str] | None, str | None]


@dataclass(slots=True)
class _Window:
    deed: Deed
    opened: float  # a monotonic reading
    count: int = 0  # of those that followed the first
    last: float = 0.0  # the wall's time of the last


@dataclass(frozen=True, slots=True)
class Counted:
    """Several refusals alike."""

    deed: Deed
    count: int
    until: float  # seconds since 1970: when the last was


class Refusals:
    """Windows in which refusals alike are counted. Time is an argument."""

    def __init__(self, *, window_s: float = 60.0, most: int = 1024, most_of_one: int = 64) -> None:
        """``most`` windows in all, and ``most_of_one`` for one identity at one address; beyond, unlike ones share a window."""
        self.window_s = window_s
        self._most = most
        self._most_of_one = most_of_one
        self._windows: OrderedDict[_Key, _Window] = OrderedDict()
        self._of_one: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, deed: Deed, now: float, at: float) -> Deed | None:
        """Count one; the deed to record at once if it is the first of its kind. ``now`` is monotonic, ``at`` the wall's time."""
        deed = self._alike(deed)
        window = self._windows.get(_key(deed))
        if window is not None:
            window.count += 1
            window.last = at
            return None
        self._windows[_key(deed)] = _Window(deed, now)
        self._of_one[_one(deed)] += 1
        return deed

    def missed(self, deed: Deed, at: float) -> None:
        """The first of its kind, just taken, could not be recorded: it is counted with those that follow."""
        window = self._windows[_key(deed)]
        window.count += 1
        window.last = at

    def ended(self, now: float) -> Iterator[Counted]:
        """Close the windows whose time is up; those in which more came are told."""
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if window.opened + self.window_s > now:
                return
            yield from self._close(key)

    def all(self) -> Iterator[Counted]:
        """Close all windows."""
        while self._windows:
            yield from self._close(next(iter(self._windows)))

    def next_end(self) -> float | None:
        """When the oldest window's time is up (monotonic)."""
        return next((window.opened + self.window_s for window in self._windows.values()), None)

    def _close(self, key: _Key) -> Iterator[Counted]:
        window = self._windows.pop(key)
        one = _one(window.deed)
        self._of_one[one] -= 1
        if not self._of_one[one]:
            del self._of_one[one]
        if window.count:
            yield Counted(window.deed, window.count, window.last)

    def _alike(self, deed: Deed) -> Deed:
        """What stands for ``deed``: itself, or what is left of it where there are too many windows."""
        if _key(deed) in self._windows:
            return deed
        if self._of_one[_one(deed)] >= self._most_of_one:
            deed = replace(deed, method=MANY, object=None, project=None, flow_id=None, operation_id=None, changed=())
        if len(self._windows) >= self._most and _key(deed) not in self._windows:
            actor = type(deed.actor)(identity=MANY, source=deed.actor.source, address=MANY)
            deed = Deed(actor=actor, method=MANY, outcome=deed.outcome)
        return deed


def _one(deed: Deed) -> tuple[str, str]:
    return deed.actor.identity, deed.actor.address


def _key(deed: Deed) -> _Key:
    return deed.actor.identity, deed.actor.address, deed.method, deed.object, deed.error
