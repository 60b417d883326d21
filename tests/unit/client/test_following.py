"""Where a stream is, delivery by delivery, without a connection."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.client import GapError
from libvdsm.client.runtime import following
from libvdsm.client.runtime.following import Position
from tests.unit.client.scripted import event


def position(*, after: str | None = None, snapshot: bool = False, **more: Any) -> Position:
    made = Position(["vm.#"], after=after, snapshot=snapshot, **more)
    made.subscription("s")
    return made


def about(sequence: int, id: str) -> dict[str, Any]:
    found = event(sequence)
    return {**found, "object": {**found["object"], "id": id}}


def push(position: Position, resume: str, **members: Any) -> bool:
    return position.push({"subscriptionId": "s", "resume": resume, **members})


def handed_out(position: Position) -> list[tuple[str, int | str]]:
    """The token and the number of each delivery, or the reason of its gap."""
    found: list[tuple[str, int | str]] = []
    while (delivery := position.take()) is not None:
        if delivery.gap is not None:
            found.append((delivery.resume, delivery.gap.reason))
        else:
            assert delivery.event is not None
            found.append((delivery.resume, delivery.event.sequence))
    return found


def asked(position: Position) -> dict[str, Any]:
    """How it goes on."""
    return {name: value for name, value in position.subscription("s").items() if name in ("after", "snapshot")}


def test_half_a_snapshot_is_void_and_this_is_told_before_it_is_taken_anew() -> None:
    """So that what was told of and is not in the next one is no ghost."""
    stream = position(snapshot=True)
    push(stream, "e-0", event=about(3, "a"))
    assert handed_out(stream) == [("e-0", 3)]
    assert stream.resume is None
    assert asked(stream) == {"snapshot": True}
    assert asked(stream) == {"snapshot": True}  # the first attempt failed: nothing is told twice
    push(stream, "e-0", event=about(4, "b"))
    push(stream, "e-5", event=about(5, "c"))
    assert handed_out(stream) == [("e-0", following.CUT_OFF), ("e-0", 4), ("e-5", 5)]
    assert asked(stream) == {"after": "e-5"}


def test_a_snapshot_of_which_nothing_was_handed_out_is_taken_anew_without_a_word() -> None:
    stream = position(snapshot=True)
    assert asked(stream) == {"snapshot": True}
    assert handed_out(stream) == []
    push(stream, "e-0")  # of what is not wanted
    assert handed_out(stream) == []
    assert asked(stream) == {"snapshot": True}
    assert handed_out(stream) == []


def test_the_end_of_a_snapshot_may_be_a_token_alone() -> None:
    """On a road where what is not wanted is left out by the client itself."""
    stream = position(snapshot=True)
    push(stream, "e-0", event=about(3, "a"))
    push(stream, "e-7")
    assert handed_out(stream) == [("e-0", 3)]
    assert asked(stream) == {"after": "e-7"}


@pytest.mark.parametrize("begin", ({"snapshot": True}, {"snapshot": True, "after": "e-1"}))
def test_behind_a_gap_a_stream_with_snapshots_takes_one(begin: dict[str, Any]) -> None:
    """Nothing of before the gap is said again, nothing behind it comes before the snapshot, and the token leads to neither's middle."""
    stream = position(**begin)
    push(stream, "e-2", event=about(2, "a"))
    assert not push(stream, "e-9", gap={"reason": "trimmed", "missed": 7})  # nothing more of this subscription is wanted
    assert not push(stream, "e-10", event=about(10, "a"))
    assert handed_out(stream) == [("e-2", 2), ("e-0", "trimmed")]
    assert stream.resume == "e-2"  # who begins again from here hears of the gap
    assert asked(stream) == {"snapshot": True}
    push(stream, "e-12", event=about(12, "b"))
    assert handed_out(stream) == [("e-12", 12)]
    assert asked(stream) == {"after": "e-12"}


def test_any_other_stream_goes_on_behind_a_gap() -> None:
    stream = position(after="e-1")
    assert push(stream, "e-9", gap={"reason": "trimmed", "missed": 8})
    assert push(stream, "e-10", event=event(10))
    assert handed_out(stream) == [("e-9", "trimmed"), ("e-10", 10)]
    assert asked(stream) == {"after": "e-10"}


def test_a_snapshot_that_was_cut_off_may_be_raised_as_a_gap() -> None:
    stream = position(snapshot=True, gaps="raise")
    push(stream, "e-0", event=about(3, "a"))
    assert handed_out(stream) == [("e-0", 3)]
    asked(stream)
    push(stream, "e-4", event=about(4, "a"))
    with pytest.raises(GapError) as caught:
        stream.take()
    assert (caught.value.reason, caught.value.resume) == (following.CUT_OFF, "e-0")
    assert handed_out(stream) == [("e-4", 4)]


def test_a_snapshot_larger_than_what_may_wait_waits_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slow reader would begin it again for ever."""
    monkeypatch.setattr(following, "MAX_DELIVERIES", 2)
    stream = position(snapshot=True)
    assert all(push(stream, "e-0", event=about(number, str(number))) for number in range(1, 6))
    assert push(stream, "e-6", event=about(6, "last"))
    assert not push(stream, "e-7", event=about(7, "later"))
    assert len(handed_out(stream)) == 6
    assert asked(stream) == {"after": "e-6"}


def test_merged_changes_come_once_though_half_of_them_is_told_again() -> None:
    """All but the last have a token from before the first; after a loss all come again, perhaps merged otherwise."""
    stream = position(after="e-3")
    push(stream, "e-3", event=about(5, "b"))
    push(stream, "e-3", event=about(6, "a"))
    assert handed_out(stream) == [("e-3", 5), ("e-3", 6)]
    assert asked(stream) == {"after": "e-3"}
    push(stream, "e-3", event=about(4, "c"))  # of an object that was not told of: older, and new all the same
    push(stream, "e-3", event=about(5, "b"))
    push(stream, "e-3", event=about(6, "a"))
    push(stream, "e-3", event=about(8, "b"))
    push(stream, "e-9", event=about(9, "c"))
    push(stream, "e-10", event=about(10, "a"))
    assert handed_out(stream) == [("e-3", 4), ("e-3", 8), ("e-9", 9), ("e-10", 10)]
    assert asked(stream) == {"after": "e-10"}


def test_the_last_of_merged_changes_may_be_the_one_that_was_told() -> None:
    stream = position(after="e-3")
    push(stream, "e-3", event=about(5, "b"))
    assert handed_out(stream) == [("e-3", 5)]
    push(stream, "e-3", event=about(4, "a"))
    push(stream, "e-5", event=about(5, "b"))
    assert handed_out(stream) == [("e-3", 4)]
    assert asked(stream) == {"after": "e-5"}


def test_what_was_told_before_a_gap_says_nothing_of_what_follows_it() -> None:
    stream = position(after="e-3")
    push(stream, "e-3", event=about(8, "a"))
    push(stream, "f-2", gap={"reason": "epoch"})
    push(stream, "f-3", event={**about(3, "a"), "epoch": "f"})
    assert handed_out(stream) == [("e-3", 8), ("f-2", "epoch"), ("f-3", 3)]


def test_what_waits_when_it_is_asked_for_again_does_not_come_twice() -> None:
    """A thread may ask again while another has just been told of something."""
    stream = position(after="e-3")
    push(stream, "e-4", event=event(4))
    push(stream, "e-5", event=event(5))
    assert stream.take() is not None
    assert asked(stream) == {"after": "e-4"}
    push(stream, "e-5", event=event(5))
    assert handed_out(stream) == [("e-5", 5)]


def test_what_waits_of_half_a_snapshot_is_not_mixed_with_the_next() -> None:
    stream = position(snapshot=True)
    push(stream, "e-0", event=about(1, "a"))
    push(stream, "e-0", event=about(2, "b"))
    assert stream.take() is not None
    asked(stream)
    push(stream, "e-0", event=about(3, "c"))
    asked(stream)
    push(stream, "e-4", event=about(4, "d"))
    assert handed_out(stream) == [("e-0", following.CUT_OFF), ("e-4", 4)]


def test_a_place_never_goes_back() -> None:
    """Changes merged across a gap may have a token from before it."""
    stream = position(after="e-3")
    push(stream, "e-9", gap={"reason": "trimmed"})
    push(stream, "e-3", event=about(11, "a"))
    assert handed_out(stream) == [("e-9", "trimmed"), ("e-3", 11)]
    assert asked(stream) == {"after": "e-9"}


def test_what_was_read_has_the_place_of_its_page() -> None:
    """A token says more than journal and number: what its owner sees. Each event of a page has that of the page."""
    stream = position(after="see.e-3")
    stream.read({"items": [about(4, "a"), about(6, "b")], "resume": "see.e-9"})
    assert handed_out(stream) == [("see.e-4", 4), ("see.e-6", 6)]
    assert stream.reading()["after"] == "see.e-6"
    stream.read({"items": [about(11, "a")], "resume": "other.e-12", "gap": {"reason": "trimmed"}})
    assert handed_out(stream) == [("other.e-10", "trimmed"), ("other.e-11", 11)]
    stream.read({"items": [], "resume": "other.e-20"})
    assert stream.reading()["after"] == "other.e-20"
