"""What a follower hears when his rights change: what he may not see any more is removed for him, what he may see now is added.

From the change on until he has heard all of that he is in transition (docs/adr/0040). Meanwhile it is known, for each object that a record
told of, whether he has it; of all others the view that he had before says so. What differs between that view and the present one is found in
slices, one in a turn of the loop and once for all followers who see the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.broker.snapshots import Key, Known, Snapshots

if TYPE_CHECKING:
    from libvdsm.broker.event_follower import EventFollower
    from libvdsm.broker.visibility import View
    from libvdsm.interfaces.journal import Entry, Journal

#: Objects that are compared in one turn of the loop.
SLICE: Final = 256
#: Steps of all followers in transition together in one turn of the loop: in each of them one object is told of at most.
STEPS: Final = 32

#: What he may have lost (else won), and which object it is: of what was lost also where it was.
Step: TypeAlias = tuple[bool, Known]


class Verdict(Enum):
    """What becomes of a record."""

    TELL = "tell"
    HIDE = "hide"  # he hears that its object is removed, and nothing else
    PASS = "pass"  # noqa: S105 - not a password; it is not told


class Transition:
    """What one follower has while his view changes."""

    __slots__ = ("_known", "_steps", "due", "old", "step")

    def __init__(self, old: View) -> None:
        self.old = old
        self.due: int | None = None  # the number of the last record before what differs, when that is known
        self.step: Step | None = None  # the next one that may be told
        self._known: dict[Key, Known | None] = {}
        self._steps: Iterator[Step] = iter(())

    def judge(self, record: Entry, change: str, *, is_seen: bool) -> Verdict:
        """What becomes of a record that fits his wishes; ``is_seen``: he sees it now."""
        key = record.type, record.id
        if change == "added":
            self._known[key] = _where(record) if is_seen else None
            return Verdict.TELL if is_seen else Verdict.PASS
        has = self._known[key] is not None if key in self._known else self.old.sees(record)
        if not has:
            return Verdict.PASS  # if he sees it now, it will be added for him
        self._known[key] = _where(record) if is_seen and change != "removed" else None
        return Verdict.TELL if is_seen else Verdict.HIDE

    def has(self, known: Known) -> bool:
        """Whether he has an object, as far as anything told so."""
        return self._known.get((known.type, known.id)) is not None

    def is_lost(self, known: Known, view: View) -> bool:
        """Whether he has an object that the view does not show, as it was when that was found out or as a record has told since."""
        key = known.type, known.id
        if key not in self._known:
            return True
        has = self._known[key]
        return has is not None and not view.sees_object(*key, has.project)

    def is_due(self, cursor: int) -> bool:
        """Whether he is told now what differs."""
        return self.due is not None and cursor >= self.due

    def gained(self, known: Known) -> None:
        """He was told of an object."""
        self._known[known.type, known.id] = known

    def lacks(self, type: str, id: str) -> None:
        """He does not have an object: he was told so, or was not told of it."""
        self._known[type, id] = None

    def begin(self, difference: Difference, due: int) -> None:
        """It is known what differs; ``due`` is the number of the last record that the objects tell of which were compared."""
        self.due = due
        self._steps = self._all_steps(difference)

    def again(self) -> None:
        """The view has changed once more."""
        self.due = self.step = None
        self._steps = iter(())

    def steps(self, most: int) -> Iterator[Step]:
        """The next ones."""
        return islice(self._steps, most)

    def _all_steps(self, difference: Difference) -> Iterator[Step]:
        """What was lost, then what was won; behind each, what a record has told of since the change. Much of it may be settled by its turn."""
        sees = difference.new.sees_object
        gone = [known for known in self._known.values() if known is not None and not sees(known.type, known.id, known.project)]
        missing = [Known(*key, "", "") for key, known in self._known.items() if known is None]
        lost = zip(repeat(True), chain(difference.lost, gone))
        return chain(lost, zip(repeat(False), chain(difference.won, missing)))


class Difference:
    """What differs between two views; who waits for it was there before its first object was looked at."""

    __slots__ = ("_objects", "followers", "lost", "new", "old", "won")

    def __init__(self, old: View, new: View, objects: Iterator[Known], followers: dict[EventFollower, None]) -> None:
        self.old = old
        self.new = new
        self.lost: list[Known] = []
        self.won: list[Known] = []
        self.followers = followers
        self._objects = objects

    def go_on(self) -> bool:
        """Compare a slice of the objects; whether nothing is left to do. What changes behind a slice is known by its record."""
        if not self.followers:
            return True
        before, after = self.old.sees_object, self.new.sees_object
        count = 0
        for count, known in enumerate(islice(self._objects, SLICE), 1):  # noqa: B007 - looked at behind the loop
            had = before(known.type, known.id, known.project)
            if had != after(known.type, known.id, known.project):
                (self.lost if had else self.won).append(known)
        return count < SLICE


class Transitions:
    """All followers in transition: finds what differs for them, and lets them tell it by turns."""

    def __init__(
        self,
        journal: Journal,
        snapshots: Snapshots,
        schedule: Callable[[Callable[[], None]], object],
        wake: Callable[[EventFollower], None],
    ) -> None:
        """``wake`` is told who can go on."""
        self._journal = journal
        self._snapshots = snapshots
        self._schedule = schedule
        self._wake = wake
        self._waiting: dict[tuple[View, View], dict[EventFollower, None]] = {}
        self._present: Difference | None = None
        self._is_scheduled = False
        self._left = STEPS
        self._held: dict[EventFollower, None] = {}

    def __len__(self) -> int:
        """How many wait until it is known what differs, or for their turn."""
        present = 0 if self._present is None else len(self._present.followers)
        return sum(map(len, self._waiting.values())) + present + len(self._held)

    def add(self, follower: EventFollower, old: View) -> None:
        """Find out what differs for somebody, and tell him when it is known."""
        self.discard(follower)
        self._waiting.setdefault((old, follower.view), {})[follower] = None
        self._wake_up()

    def discard(self, follower: EventFollower) -> None:
        """He need not know any more."""
        for pair in [pair for pair, waiting in self._waiting.items() if waiting.pop(follower, self) is None and not waiting]:
            del self._waiting[pair]
        if self._present is not None:
            self._present.followers.pop(follower, None)
        self._held.pop(follower, None)

    def may_step(self, follower: EventFollower) -> bool:
        """Whether one more step fits into this turn of the loop; else the follower is woken in the next one."""
        if self._left:
            self._left -= 1
            return True
        self._held[follower] = None
        self._wake_up()
        return False

    def _wake_up(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._turn)

    def _turn(self) -> None:
        self._is_scheduled = False
        self._left = STEPS
        held, self._held = self._held, {}
        for follower in held:
            self._wake(follower)
        if self._present is None and self._waiting:
            pair = next(iter(self._waiting))
            self._present = self._begun(*pair, self._waiting.pop(pair))
        if self._present is not None and self._present.go_on():
            done, self._present = self._present, None
            due = self._journal.next_sequence() - 1
            for follower in done.followers:
                if follower.transition is not None:
                    follower.transition.begin(done, due)
                    self._wake(follower)
        if self._present is not None or self._waiting:
            self._wake_up()

    def _begun(self, old: View, new: View, followers: dict[EventFollower, None]) -> Difference:
        return Difference(old, new, self._snapshots.known(old.differing(new)), followers)


def _where(record: Entry) -> Known:
    return Known(record.type, record.id, record.project, record.topic)
