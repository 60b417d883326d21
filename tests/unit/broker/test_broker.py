"""Subscriptions lose nothing, and say so when something can no longer be had."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.broker.topics import matcher
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, NeedsConnection, ObjectNotFound
from libvdsm.interfaces.pages import Membership, Road
from libvdsm.journal.memory import MemoryJournal
from tests.fakes.front import RESYNC, VM_1, VM_2, FakeSink, Front


@pytest.fixture
def front() -> Front:
    return Front()


def connected(front: Front, sink: FakeSink, uid: int = 0) -> Caller:
    return front.access.unix(uid, 0, 1, sink=sink)


def sequences(sink: FakeSink) -> list[int]:
    return [delivery["event"]["sequence"] for delivery in sink.deliveries if "event" in delivery]  # type: ignore[index]


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    (
        ("#", "vm.1", True),
        ("vm.*", "vm.1", True),
        ("vm.*", "vm.1.2", False),
        ("vm.#", "vm", True),
        ("vm.#", "vm.1.2", True),
        ("*.1", "task.1", True),
        ("#.1", "a.b.1", True),
        ("#.1", "1", True),
        ("a.#.b.#.c", "a.x.b.b.y.c", True),
        ("a.#.b.#.c", "a.x.c", False),
        ("vm", "vmx", False),
    ),
)
def test_topics(pattern: str, topic: str, *, fits: bool) -> None:
    """``*`` is one word, ``#`` any number."""
    assert matcher([pattern])(topic) is fits


@given(
    st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=6), st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=8)
)
def test_topics_agree_with_a_plain_model(pattern: list[str], words: list[str]) -> None:
    """The quick matcher agrees with the definition."""

    def model(p: list[str], w: list[str]) -> bool:
        if not p:
            return not w
        if p[0] == "#":
            return model(p[1:], w) or (bool(w) and model(p, w[1:]))
        return bool(w) and p[0] in ("*", w[0]) and model(p[1:], w[1:])

    assert matcher([".".join(pattern)])(".".join(words)) is model(pattern, words)


def test_bad_topics_name_their_place() -> None:
    """A topic that is none is refused by its index."""
    with pytest.raises(InvalidParams) as caught:
        matcher(["vm.#", "vm..x"])
    assert caught.value.path == "$.topics[1]"


def test_events_follow_the_answer(front: Front) -> None:
    """Nothing is delivered before the subscription's answer; then everything in order."""
    sink = FakeSink()
    answer = front.now("Event.subscribe", {"topics": ["vm.#"]}, connected(front, sink))
    front.observe(VM_1)
    front.observe(VM_1, state="running")
    assert sink.deliveries == []
    front.run_scheduled()
    assert sequences(sink) == [1, 2]
    assert {d["subscriptionId"] for d in sink.deliveries} == {answer["subscriptionId"]}
    first: Any = sink.deliveries[0]
    assert first["event"]["change"] == "added"
    second: Any = sink.deliveries[1]
    assert second["event"]["patch"] == {"state": "running", "revision": 2}


def test_resume_after_a_token_misses_nothing(front: Front) -> None:
    """A later connection goes on from the token of an earlier one."""
    first = FakeSink()
    front.now("Event.subscribe", {}, connected(front, first))
    front.observe(VM_1)
    front.run_scheduled()
    front.bridge.release(first)
    front.observe(VM_2)
    front.run_scheduled()
    second = FakeSink()
    front.now("Event.subscribe", {"after": first.deliveries[-1]["resume"]}, connected(front, second))
    front.run_scheduled()
    assert sequences(first) == [1]
    assert sequences(second) == [2]


def test_gap_is_told_when_the_journal_is_trimmed() -> None:
    """Who stays away too long is told how much was missed, and then gets what is left."""
    front = Front(journal=MemoryJournal(most_records=3))
    token = front.now("Event.read")["resume"]
    for number in range(5):
        front.observe(name=f"n{number}")
    sink = FakeSink()
    front.now("Event.subscribe", {"after": token}, connected(front, sink))
    front.run_scheduled()
    assert sink.deliveries[0]["gap"] == {"reason": "trimmed", "missed": 2}
    assert sequences(sink) == [3, 4, 5]
    assert front.now("Event.read", {"after": token})["gap"] == {"reason": "trimmed", "missed": 2}


def test_token_of_another_life_is_a_gap(front: Front) -> None:
    """A token of another epoch gives a gap, not an error and not silence."""
    front.observe()
    answer = front.now("Event.read", {"after": "0123456789abcdef-7"})
    assert answer["gap"] == {"reason": "epoch"}


@pytest.mark.parametrize("mark", ("", "somebody."))
def test_a_token_from_the_future_is_a_gap(front: Front, mark: str) -> None:
    """It is of records that were lost, or of none; whoever has it goes on behind all that there is."""
    front.observe(VM_1)
    token = f"{mark}{front.journal.epoch}-{front.journal.last + 1}"
    answer = front.now("Event.read", {"after": token})
    assert (answer["gap"], answer["items"]) == ({"reason": "epoch"}, [])
    sink = FakeSink()
    front.now("Event.subscribe", {"after": token}, connected(front, sink))
    front.observe(VM_2)
    front.run_scheduled()
    told: Any = sink.deliveries
    assert told[0]["gap"] == {"reason": "epoch"}
    assert [each["event"]["object"]["id"] for each in told[1:]] == [VM_2]


def test_a_token_that_was_tampered_with_opens_nothing(front: Front) -> None:
    """What it says of its owner's view is compared, and never believed: another's is a gap, behind which nothing old comes."""
    front.observe(VM_1)
    for mark in ("0.", "aaaaaaaaaaaa.", "..", "a.b."):
        answer = front.now("Event.read", {"after": f"{mark}{front.journal.epoch}-0"})
        assert (answer["gap"], answer["items"]) == ({"reason": "rights"}, [])
    limited = connected(front, FakeSink())
    limited.entitle((), Rights(frozenset({"event.read", "host.read"})))
    answer = front.now("Event.read", {"after": f"{front.journal.epoch}-1"}, limited)
    assert (answer["gap"], answer["items"]) == ({"reason": "rights"}, [])


def test_a_subscription_resumes_or_begins_with_a_snapshot(front: Front) -> None:
    """Not both: what came between would be told, or left out, at the daemon's choice."""
    front.observe(VM_1)
    caller = connected(front, FakeSink())
    with pytest.raises(InvalidParams) as caught:
        front.now("Event.subscribe", {"snapshot": True, "after": f"{front.journal.epoch}-1"}, caller)
    assert caught.value.path == "$.snapshot"
    assert front.broker.subscriptions() == 0


@pytest.mark.parametrize("token", ("", "x", "-5", "abc-", "abc-x", "abc-٣", "abc-" + "9" * 99))
def test_nonsense_token_is_refused(front: Front, token: str) -> None:
    """What is no token at all is the caller's mistake."""
    with pytest.raises(InvalidParams) as caught:
        front.now("Event.read", {"after": token})
    assert caught.value.path == "$.after"


def test_slow_reader_is_waited_for_and_misses_nothing(front: Front) -> None:
    """A full sink gets no more until it has drained; other subscribers are not held up."""
    slow, quick = FakeSink(room=1), FakeSink()
    front.now("Event.subscribe", {}, connected(front, slow))
    front.now("Event.subscribe", {}, connected(front, quick))
    for number in range(5):
        front.observe(name=f"n{number}")
    front.run_scheduled()
    assert (sequences(slow), sequences(quick)) == ([1], [1, 2, 3, 4, 5])
    slow.drain()
    front.run_scheduled()
    assert sequences(slow) == [1, 2, 3, 4, 5]


class FakePager:
    """The part of a sink that takes pages as one of many; full when the sink is."""

    key = ""

    def __init__(self, sink: PagingSink) -> None:
        self.sink = sink
        self.memberships: list[Membership] = []

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """Not asked for: its sink makes them."""
        raise NotImplementedError

    def join(self, membership: Membership) -> Road | None:
        if self.sink.is_full():
            return None
        self.memberships.append(membership)
        return Road(self, lambda: None)

    def part(self, membership: Membership) -> None:
        self.memberships.remove(membership)

    def octets(self) -> int:
        return sum(each.octets for each in self.memberships)

    def leave(self) -> None:
        for each in tuple(self.memberships):
            each.leave()

    def write(self, page: bytes, /) -> None:
        """Of its group."""
        self.sink.shared += 1
        self.sink.deliver_page(page, page.count(b"\n") + 1)
        if self.sink.is_full():
            self.leave()


class PagingSink(FakeSink):
    """Takes pages, and counts how many of them were made for all sinks of its kind, and how many it was sent as one of many."""

    made = 0
    told = 0  # deliveries in those, to all

    __hash__ = object.__hash__

    def __init__(self, room: int = 1_000_000) -> None:
        super().__init__(room=room)
        self.shared = 0
        self.pager = FakePager(self)

    def count_events(self, count: int) -> None:
        PagingSink.told += count

    def page(self, deliveries: Iterable[bytes]) -> bytes:
        PagingSink.made += 1
        return b"\n".join(deliveries)

    def deliver_page(self, page: bytes, count: int) -> None:
        deliveries = page.split(b"\n")
        assert len(deliveries) == count
        for delivery in deliveries:
            self.deliver(delivery)


def test_a_page_is_made_once_for_all_who_are_sent_the_same(front: Front) -> None:
    """Whoever has another name for his subscription, or comes first, is told with it; whoever is full is waited for."""
    PagingSink.made = 0
    first, full, *others = sinks = [PagingSink() for _ in range(6)]
    named = PagingSink()
    full.room = 1
    for sink in sinks:
        front.now("Event.subscribe", {}, connected(front, sink))
    front.now("Event.subscribe", {"subscriptionId": "mine"}, connected(front, named))
    for number in range(3):
        front.observe(name=f"n{number}")
    front.run_scheduled()
    assert [sequences(each) for each in (first, *others, named)] == [[1, 2, 3]] * 6
    assert [each.deliveries for each in others] == [first.deliveries] * 4
    assert {str(each["subscriptionId"]) for each in named.deliveries} == {"mine"}
    assert PagingSink.made == 2
    told = len(sequences(full))
    front.observe(name="more")
    front.run_scheduled()
    assert len(sequences(full)) == told
    full.drain()
    front.run_scheduled()
    assert sequences(full) == sequences(first) == [1, 2, 3, 4]


def test_who_has_caught_up_is_told_with_all_who_are_sent_the_same(front: Front) -> None:
    """Whoever is full goes on alone, and comes back; who ends his subscription, or may not see it any more, hears nothing."""
    PagingSink.made = PagingSink.told = 0
    first, slow, named, ending = sinks = [PagingSink() for _ in range(4)]
    callers = [connected(front, sink) for sink in sinks]
    for sink, caller in zip(sinks, callers, strict=True):
        front.now("Event.subscribe", {"subscriptionId": "mine"} if sink is named else {}, caller)
    front.run_scheduled()
    front.observe(name="a")
    front.observe(name="b")
    front.run_scheduled()
    assert [(sequences(each), each.shared) for each in sinks] == [([1, 2], 1)] * 4
    assert (PagingSink.made, PagingSink.told) == (2, 8)
    slow.room = 1
    front.now("Event.unsubscribe", {"subscriptionId": ending.deliveries[0]["subscriptionId"]}, callers[3])
    for name in "cde":
        front.observe(name=name)
        front.run_scheduled()
    assert [sequences(each) for each in sinks] == [[1, 2, 3, 4, 5], [1, 2, 3], [1, 2, 3, 4, 5], [1, 2]]
    slow.drain()
    front.run_scheduled()
    assert (sequences(slow), slow.shared) == ([1, 2, 3, 4, 5], 2)
    front.observe(name="f")
    front.run_scheduled()
    assert (sequences(slow)[-1], slow.shared) == (6, 3)
    assert [str(each["resume"]) for each in slow.deliveries] == [str(each["resume"]) for each in first.deliveries]
    callers[0].entitle((), Rights())
    front.observe(name="g")
    front.run_scheduled()
    assert [each.deliveries[-1]["event"]["change"] for each in (first, slow)] == ["removed", "changed"]  # type: ignore[index]
    shared = first.shared
    front.observe(name="h")
    front.run_scheduled()
    assert (len(first.deliveries), first.shared, slow.shared) == (7, shared, 5)


def test_a_large_page_stops_where_a_sink_is_full(front: Front) -> None:
    """What is long is told one by one, so that the bound of each connection holds."""
    first, slow = PagingSink(), PagingSink(room=2)
    for sink in (first, slow):
        front.now("Event.subscribe", {}, connected(front, sink))
    for number in range(4):
        front.observe(name=f"{number}" * 10_000)
    front.run_scheduled()
    assert (sequences(first), sequences(slow)) == ([1, 2, 3, 4], [1, 2])
    slow.drain()
    front.run_scheduled()
    assert sequences(slow) == [1, 2, 3, 4]


def test_snapshot_then_follow_is_one_act(front: Front) -> None:
    """All present objects come first, then every later change, and half a snapshot resumes from the beginning."""
    front.observe(VM_1)
    front.observe(VM_2)
    sink = FakeSink(room=1)
    front.now("Event.subscribe", {"topics": ["vm.#"], "snapshot": True}, connected(front, sink))
    front.observe(VM_1, state="running")
    front.run_scheduled()
    half = FakeSink()
    front.now("Event.subscribe", {"topics": ["vm.#"], "after": sink.deliveries[0]["resume"]}, connected(front, half))
    sink.drain()
    front.run_scheduled()
    changes = [(d["event"]["change"], d["event"]["object"]["id"]) for d in sink.deliveries]  # type: ignore[index]
    assert changes == [("added", VM_1), ("added", VM_2), ("changed", VM_1)]
    assert sequences(half) == [1, 2, 3]


def test_subscriber_sees_only_what_it_may_read(front: Front) -> None:
    """Events are filtered by the getter's permission."""
    sink = FakeSink()
    caller = connected(front, sink)
    caller.entitle((), Rights(frozenset({"event.read", "host.read"})))
    front.now("Event.subscribe", {"snapshot": True}, caller)
    front.observe(VM_1)
    front.run_scheduled()
    assert sink.deliveries == []
    assert front.now("Event.read", {"after": f"{front.journal.epoch}-0"}, caller)["items"] == []


def test_subscriptions_have_a_connection_a_name_and_a_limit(front: Front) -> None:
    """No connection, a name taken, too many, and an unknown name are typed errors."""
    with pytest.raises(NeedsConnection):
        front.now("Event.subscribe")
    sink = FakeSink()
    caller = connected(front, sink)
    front.now("Event.subscribe", {"subscriptionId": "mine"}, caller)
    with pytest.raises(AlreadyExists):
        front.now("Event.subscribe", {"subscriptionId": "mine"}, caller)
    for _ in range(99):
        front.now("Event.subscribe", {}, caller)
    with pytest.raises(LimitExceeded):
        front.now("Event.subscribe", {}, caller)
    with pytest.raises(ObjectNotFound):
        front.now("Event.unsubscribe", {"subscriptionId": "other"}, caller)
    assert front.now("Event.unsubscribe", {"subscriptionId": "mine"}, caller) == {}
    front.bridge.release(sink)
    assert front.broker.subscriptions() == 0


def test_pages_of_events_are_as_long_as_asked_for(front: Front) -> None:
    """Each goes on where the one before it ended, also among records that are not wanted; the last one is empty."""
    for number in range(5):
        front.observe(VM_1, name=f"one {number}")
        front.observe(VM_2, name=f"two {number}")
    wanted = {"topics": [f"vm.{VM_1}"], "limit": 2}
    found: list[int] = []
    after = f"{front.journal.epoch}-0"
    lengths: list[int] = []
    while not lengths or lengths[-1]:
        page: Any = front.now("Event.read", wanted | {"after": after})
        after = page["resume"]
        lengths.append(len(page["items"]))
        found += [each["sequence"] for each in page["items"]]
    assert lengths == [2, 2, 1, 0]
    assert found == [1, 3, 5, 7, 9]
    assert after == f"{front.journal.epoch}-{front.journal.last}"


async def test_long_poll_wakes_with_the_next_event(front: Front) -> None:
    """A reader that waits is answered by the next record that fits."""
    waiting = asyncio.ensure_future(front.later_answer("Event.read", {"topics": ["vm.#"], "timeout": 30}))
    await asyncio.sleep(0)
    front.observe(VM_1)
    answer: Any = await waiting
    assert [event["object"]["id"] for event in answer["items"]] == [VM_1]


def test_resync_is_the_cause_of_what_it_finds(front: Front) -> None:
    """What was found by comparing says so."""
    front.observe(VM_1, state="running")
    front.inventory.forget_states("libvirtd is away", "HypervisorUnavailable")
    front.inventory.snapshot("vm", [], RESYNC)
    answer: Any = front.now("Event.read", {"after": f"{front.journal.epoch}-0"})
    told = [(e["change"], e["cause"]["kind"], e.get("patch", {}).get("state")) for e in answer["items"]]
    assert told == [("added", "daemon", "running"), ("changed", "daemon", "unknown"), ("removed", "resync", None)]
