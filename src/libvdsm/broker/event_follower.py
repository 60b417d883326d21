"""One caller who follows events, whatever carries them to him."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from libvdsm.broker.following import Follower
from libvdsm.broker.reading import CHANGED, UNSETTLED, Claim, Gap, prefix
from libvdsm.broker.snapshots import Known, Shown, Window
from libvdsm.broker.transitions import Transition, Verdict
from libvdsm.interfaces.journal import Entry

if TYPE_CHECKING:
    from libvdsm.broker.broker import Broker
    from libvdsm.broker.coalescing import Filter, Merger
    from libvdsm.interfaces.caller import Caller

#: So many objects that do not fit his wishes are passed over in one step of a transition.
_PASSED: Final = 16


class EventFollower(Follower[Entry]):
    """A cursor, what its owner wants, and what he sees."""

    __slots__ = (
        "_before",
        "_quiet",
        "_transition",
        "caller",
        "filter",
        "fits",
        "mark",
        "merger",
        "pending",
        "source",
        "view",
        "visibility",
        "window",
    )

    def __init__(self, source: Broker, caller: Caller, fits: Callable[[str], bool], cursor: int, gap: Gap | Claim | None) -> None:
        self.source = source
        self.caller = caller
        self.fits = fits
        self.visibility = source.visibility
        self.view = self.visibility.view(caller)
        #: How its tokens begin.
        self.mark = prefix(self.view.mark)
        if isinstance(gap, Claim):
            gap = gap.judge(self.view.mark)
            cursor = cursor if gap is None else source.last
        super().__init__(cursor, gap)
        self.filter: Filter | None = None
        self.merger: Merger | None = None
        #: What is due before any record, with the object of a snapshot or the last record of merged changes, and with its token's number.
        self.pending: deque[tuple[Shown | Entry, bytes, int]] = deque()
        self.window: Window | None = None  # after a snapshot
        self._transition: Transition | None = None  # since his rights have changed
        self._quiet: Window | None = None  # after what a transition has added
        self._before = cursor

    @abstractmethod
    def tell_event(self, event: bytes, sequence: int) -> None:
        """Deliver an encoded event that is told to nobody else, with the token of ``sequence``."""

    @abstractmethod
    def tell_entry(self, entry: Entry) -> None:
        """Deliver a record."""

    @abstractmethod
    def deliver_gap(self, gap: Gap) -> None:
        """Deliver a gap."""

    def rekey(self) -> None:
        """Say which class it is of, after anything about it has changed."""
        is_plain = self.filter is None and self.merger is None and not self.pending and self.is_uncounted()
        is_plain = is_plain and self.window is None and self._quiet is None and self._transition is None
        self.classify((type(self), self.view, self.fits) if is_plain else None)

    def is_uncounted(self) -> bool:
        """Whether it may be told any number of records at a time."""
        return True

    def token(self, sequence: int) -> bytes:
        """The resume token after a record."""
        return self.mark + self.source.token(sequence)

    def first_token(self, sequence: int) -> bytes:
        """The one that it has before it is told anything: with that a gap of its own is told again."""
        return (prefix(UNSETTLED) if self.gap is CHANGED else self.mark) + self.source.token(sequence)

    def mark_anew(self, mark: str) -> None:
        """Its tokens stand for this from now on."""
        self.mark = prefix(mark)

    def end(self) -> None:
        """Nobody listens any more."""
        self.pending.clear()
        self._transition = None

    # --- rights ---

    @property
    def transition(self) -> Transition | None:
        """What he has while what he sees changes."""
        return self._transition

    def see_anew(self) -> None:
        """The caller's rights have changed: so has what he sees. Whoever made this calls it."""
        if self.is_ended:
            return
        old, self.view = self.view, self.visibility.view(self.caller)
        if self.caller.only is not None and not self.caller.only:  # he is shut out, and his connection ends
            self._end_transition(UNSETTLED)
        elif self._transition is not None:
            self._transition.again()
            self.source.transitions.add(self, self._transition.old)
        elif old.mark != self.view.mark:
            self.gather()
            self._transition = Transition(old)
            self.mark_anew(UNSETTLED)
            self.source.transitions.add(self, old)
        self.rekey()

    def _end_transition(self, mark: str) -> None:
        self.source.transitions.discard(self)
        self._transition = None
        self.mark_anew(mark)

    def _step(self, transition: Transition) -> bool:
        """Tell of one object that was lost or won; whether more can be done now. The last one has a token that says that it is the last."""
        if self.gap is not None or not transition.is_due(self.cursor) or not self.source.transitions.may_step(self):
            return False
        before, left = transition.step, _PASSED
        for step in transition.steps(_PASSED):
            left -= 1
            if self._wants_object(step[1]):
                transition.step = step
                break
        else:
            if not left:
                return True
            self._end_transition(self.view.mark)
            self.rekey()
        if before is not None:
            self._tell_step(transition, *before)
        return True

    def _wants_object(self, known: Known) -> bool:
        if not known.topic:  # only its name is known by now
            return True
        return self.fits(known.topic) and (self.filter is None or self.filter.shows(known.type, known.id, known.project))

    def _tell_step(self, transition: Transition, is_lost: bool, known: Known) -> None:
        if is_lost:
            if transition.is_lost(known, self.view):
                transition.lacks(known.type, known.id)
                self.tell_event(self.source.hide(known, self.cursor), self.cursor)
        elif not transition.has(known):
            self._tell_won(transition, known.type, known.id)

    def _tell_won(self, transition: Transition, type: str, id: str) -> None:
        """Show it as it is now, if it is still there for him: records that are older than that will not be told."""
        shown, told = self.source.show(type, id, self.cursor), self.source.newest
        transition.lacks(type, id)
        if shown is not None and self._sees(shown):
            known = Known(type, id, shown.project, shown.topic)
            if self._wants_object(known):
                transition.gained(known)
                self.tell_event(shown.event, self.cursor)
                told = shown.revision
        if told > self.cursor:
            self._quiet = self._quiet or Window(told, {}, are_others_told=False)
            self._quiet.add((type, id), told)

    # --- Follower ---

    def wants(self, record: Entry) -> bool:
        """See ``Follower``."""
        view = self.view
        return (record.type in view.whole or view.sees(record)) and self.fits(record.topic)

    def tell(self, record: Entry) -> bool:
        """See ``Follower``."""
        if (self.window is not None or self._quiet is not None) and self._was_shown(record):
            return False
        if self._transition is not None:
            return self._tell_in_transition(self._transition, record)
        view = self.view
        if not ((record.type in view.whole or view.sees(record)) and self.fits(record.topic)):
            return False
        if self.filter is not None and not self.filter.fits(record):
            return False
        if self.merger is not None:
            if not self.merger.count:
                self._before = record.sequence - 1
            self.merger.add(record)
            return False
        self.tell_entry(record)
        return True

    def _tell_in_transition(self, transition: Transition, record: Entry) -> bool:
        """Nothing is merged meanwhile."""
        if not self.fits(record.topic) or not (self.filter is None or self.filter.shows(record.type, record.id, record.project)):
            return False
        verdict = transition.judge(record, self.source.changes.of(record).change, is_seen=self._sees(record))
        if verdict is Verdict.HIDE:
            self._hide(record, record.sequence)
        elif verdict is Verdict.TELL and (self.filter is None or self.filter.fits(record)):
            self.tell_entry(record)
        else:
            return False
        return True

    def _hide(self, record: Entry, sequence: int) -> None:
        self.tell_event(self.source.hide(Known(record.type, record.id, record.project, record.topic), record.sequence), sequence)

    def _was_shown(self, record: Entry) -> bool:
        windows = [window for window in (self.window, self._quiet) if window is not None]
        for window in windows:
            if window.is_over(record.sequence):
                self.window = None if self.window is window else self.window
                self._quiet = None if self._quiet is window else self._quiet
                self.rekey()
        return any(window.is_told(record) for window in windows)

    def tell_waiting(self) -> bool:
        """See ``Follower``."""
        if not self.pending:
            if self._transition is not None and self._step(self._transition):
                return True
            self.rekey()
            return False
        about, event, resume = self.pending.popleft()
        if self._transition is not None:
            self._tell_late(self._transition, about, event, resume)
        elif self._sees(about):  # an object may have gone elsewhere since it was gathered
            self.tell_event(event, resume)
        return True

    def _tell_late(self, transition: Transition, about: Shown | Entry, event: bytes, resume: int) -> None:
        """What was gathered before his rights have changed."""
        is_seen = self._sees(about)
        if isinstance(about, Shown):
            verdict = Verdict.TELL if is_seen else Verdict.PASS
            if not is_seen:
                transition.lacks(about.type, about.id)
        else:
            verdict = transition.judge(about, self.source.changes.of(about).change, is_seen=is_seen)
        if verdict is Verdict.TELL:
            self.tell_event(event, resume)
        elif verdict is Verdict.HIDE and isinstance(about, Entry):
            self._hide(about, resume)

    def _sees(self, about: Shown | Entry) -> bool:
        view = self.view
        if isinstance(about, Entry):
            return about.type in view.whole or view.sees(about)
        return view.sees_object(about.type, about.id, about.project)

    def caught_up(self) -> None:
        """See ``Follower``: what differs is due now, if it is known by now."""
        if self._transition is not None and self._transition.is_due(self.cursor):
            self.source.wake(self)

    def tell_gap(self, gap: Gap) -> None:
        """See ``Follower``: he reads all anew, so what he had matters no more."""
        if self._transition is not None:
            self._end_transition(self.view.mark)
        self.deliver_gap(gap)

    def has_gathered(self) -> int:
        """See ``Follower``."""
        return 0 if self.merger is None else self.merger.count

    def has_waiting(self) -> bool:
        """See ``Follower``."""
        return bool(self.pending)

    def gather(self) -> None:
        """All but the last resume from before the first: who has a part of them has nothing for sure."""
        if self.merger is None or not self.merger.count:
            return
        merged = self.merger.take()
        self.pending.extend((last, event, self._before) for last, event in merged[:-1])
        self.pending.append((*merged[-1], self.cursor))
