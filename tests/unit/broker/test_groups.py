"""Subscriptions that are told together: what a group may and may not do, whoever comes and goes."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.broker.groups import PAGE_OCTETS, divide
from libvdsm.broker.reading import TURN
from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messaging import Ack, Delivery, Subscription
from tests.fakes.messaging import ALL, FakeConsumer, Messaging, message, subscribe, turns
from tests.fakes.pages import FakePageConsumer

NEWS = "/topic/news"


def listening(world: Messaging, *consumers: FakePageConsumer, destination: str = NEWS) -> None:
    for each in consumers:
        subscribe(world.open(), destination, each)


def event(world: Messaging, id: str = "1") -> None:
    sequence = world.journal.next_sequence()
    body = {"epoch": "e", "sequence": sequence, "topic": f"vm.{id}", "object": {"type": "vm", "id": id}, "change": "changed", "patch": {}}
    world.journal.append(Entry(sequence, f"vm.{id}", "vm", id, msgspec.json.encode(body)))


async def test_many_are_told_by_one_page() -> None:
    world = Messaging()
    consumers = [FakePageConsumer() for _ in range(3)]
    listening(world, *consumers)
    await turns()
    sender = world.open()
    for number in range(32):
        sender.send(NEWS, message(str(number)))
    await turns()
    for each in consumers:
        assert each.bodies() == [str(number) for number in range(32)]
        assert len(each.written) == 1, "joined, and written once"
        assert each.octets == each.page_octets()
    assert sum(each.makes for each in consumers) == 1
    assert consumers[0].written[0] is consumers[1].written[0]


async def test_each_delivery_has_a_name_of_its_own() -> None:
    """A client that has two subscriptions is sent no name twice, nor does one that comes back."""
    world = Messaging()
    session = world.open()
    one, other = FakePageConsumer(name="a"), FakePageConsumer(name="b")
    subscribe(session, NEWS, one, id="a")
    first = subscribe(session, NEWS, other, id="b")
    await turns()
    sender = world.open()
    sender.send(NEWS, message("x"))
    await turns()
    first.end()
    subscribe(session, NEWS, other, id="b")
    await turns()
    sender.send(NEWS, message("y"))
    await turns()
    names = [(head.removeprefix(f"{each.name}-"), tag) for each in (one, other) for head, tag, _ in each.lines()]
    assert len(set(names)) == len(names) == 4


async def test_others_of_another_kind_are_told_as_before() -> None:
    """Who acknowledges, counts credit, or is of a protocol without pages is told one by one; all hear all."""
    world = Messaging()
    plain, wrapped = FakePageConsumer(), FakePageConsumer(family="wrapped")
    careful, old = FakePageConsumer(), FakeConsumer()
    listening(world, plain, wrapped)
    subscribe(world.open(), NEWS, careful, Ack.INDIVIDUAL)
    subscribe(world.open(), NEWS, old)
    await turns()
    sender = world.open()
    for text in "ab":
        sender.send(NEWS, message(text))
        await turns()
    assert plain.bodies() == wrapped.bodies() == careful.bodies() == old.bodies() == ["a", "b"]
    assert not careful.memberships
    assert len(plain.memberships) == len(wrapped.memberships) == 1


async def test_a_page_follows_what_was_gathered() -> None:
    world = Messaging()
    consumer = FakePageConsumer()
    listening(world, consumer)
    await turns()
    world.open().send(NEWS, message("page"))
    consumer.gathered.append(b"alone 0 receipt\n")
    await turns()
    assert consumer.bodies() == ["receipt", "page"]


async def test_who_comes_with_something_gathered_is_told_in_order() -> None:
    world = Messaging()
    consumer = FakePageConsumer(room=2)
    listening(world, consumer)
    await turns()
    sender = world.open()
    for number in range(4):
        sender.send(NEWS, message(str(number)))
    await turns()
    assert not consumer.memberships, "it is full"
    consumer.read()
    await turns()
    sender.send(NEWS, message("4"))
    await turns()
    assert consumer.bodies() == list("01234")
    assert consumer.memberships, "it has caught up"
    assert consumer.octets == consumer.page_octets()


async def test_who_is_full_in_the_middle_loses_nothing_and_holds_up_nobody() -> None:
    world = Messaging()
    slow, quick = FakePageConsumer(room=1), FakePageConsumer()
    listening(world, slow, quick)
    await turns()
    sender = world.open()
    body = "x" * (PAGE_OCTETS // 2)
    for number in range(10):
        sender.send(NEWS, message(f"{number}{body}"))
    await turns()
    assert [each[0] for each in quick.bodies()] == list("0123456789")
    assert len(slow.bodies()) == 2, "its bound is passed by no more than a page"
    for _ in range(10):
        slow.read(1)
        await turns()
    assert [each[0] for each in slow.bodies()] == list("0123456789")


async def test_whoever_leaves_while_a_page_is_written_has_it_once() -> None:
    """Even if what makes him leave is not his own write."""
    for leaver, by in ((0, 1), (1, 0), (1, 1)):
        world = Messaging()
        consumers = [FakePageConsumer(), FakePageConsumer()]
        consumers[by].on_write = consumers[leaver].leave
        listening(world, *consumers)
        await turns()
        sender = world.open()
        for number in range(3):
            sender.send(NEWS, message(str(number)))
            await turns()
        assert [each.bodies() for each in consumers] == [["0", "1", "2"]] * 2
        for each in consumers:
            assert each.octets == each.page_octets()


async def test_one_that_cannot_be_written_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("the handle is closed")

    world = Messaging()
    consumers = [FakePageConsumer(name=name) for name in "aaabb"]
    consumers[0].on_write = consumers[1].on_write = fail
    listening(world, *consumers)
    await turns()
    with caplog.at_level(logging.WARNING):
        world.open().send(NEWS, message("x"))
        await turns()
    assert [each.bodies() for each in consumers[2:]] == [["x"]] * 3
    assert caplog.text.count("the handle is closed") == 2


async def test_nothing_comes_behind_the_end() -> None:
    """A subscription that ends in the turn of a message does not get it."""
    world = Messaging()
    staying, going = FakePageConsumer(), FakePageConsumer()
    listening(world, staying)
    subscription = subscribe(world.open(), NEWS, going)
    await turns()
    world.open().send(NEWS, message("x"))
    subscription.end()
    await turns()
    assert (staying.bodies(), going.bodies(), going.memberships) == (["x"], [], [])
    assert world.exchange._following._active == {}


async def test_rights_are_taken_between_two_messages() -> None:
    world = Messaging()
    staying, leaving = FakePageConsumer(), FakePageConsumer()
    listening(world, staying)
    session = world.open()
    subscribe(session, NEWS, leaving)
    await turns()
    sender = world.open()
    sender.send(NEWS, message("before"))
    await turns()
    sender.send(NEWS, message("after"))
    session.caller.entitle((), Rights())
    sender.send(NEWS, message("behind"))
    await turns()
    assert (staying.bodies(), leaving.bodies()) == (["before", "after", "behind"], ["before"])
    assert [reason.name for reason in leaving.reasons] == ["PermissionDenied"]


async def test_of_events_each_sees_what_he_may_see_at_the_time() -> None:
    """Other rights are another class: who changes them goes on by the new ones when he has heard what differs."""
    world = Messaging()
    world.objects.put("vm", "1")
    staying, changing = FakePageConsumer(), FakePageConsumer()
    listening(world, staying, destination="/topic/vm.#")
    session = world.open()
    subscribe(session, "/topic/vm.#", changing)
    await turns()
    event(world)
    await turns()
    assert staying.memberships[0].group is changing.memberships[0].group  # type: ignore[attr-defined]
    session.caller.entitle((), Rights(frozenset({"event.read"})))
    event(world)
    await turns()
    assert changing.memberships[0].group is not staying.memberships[0].group  # type: ignore[attr-defined]
    session.caller.entitle((), ALL)
    event(world)
    await turns()
    assert (len(staying.lines()), len(changing.lines())) == (3, 3)
    assert [msgspec.json.decode(body)["change"] for body in changing.bodies()] == ["changed", "removed", "added"]
    assert world.exchange.counters.events == 6
    event(world)
    await turns()
    assert staying.memberships[-1].group is changing.memberships[-1].group  # type: ignore[attr-defined]


async def test_filters_and_merged_changes_are_nobody_elses() -> None:
    world = Messaging()
    plain, filtered, merged = FakePageConsumer(), FakePageConsumer(), FakePageConsumer()
    listening(world, plain, destination="/topic/vm.#")
    subscribe(world.open(), "/topic/vm.#", filtered, filter=EventFilter(object_ids=["2"]))
    subscribe(world.open(), "/topic/vm.#", merged, coalesce_s=1.0)
    await turns()
    for id in "121":
        event(world, id)
    await turns()
    assert (len(plain.lines()), len(filtered.lines())) == (3, 1)
    assert (bool(plain.memberships), filtered.memberships, merged.memberships) == (True, [], [])


async def test_a_drain_ends_and_the_subscription_goes_on() -> None:
    world = Messaging()
    consumer = FakePageConsumer()
    subscription = subscribe(world.open(), NEWS, consumer)
    await turns()
    sender = world.open()
    sender.send(NEWS, message("a"))
    subscription.drain()
    await turns()
    assert (consumer.drains, consumer.bodies()) == (1, ["a"])
    sender.send(NEWS, message("b"))
    await turns()
    assert consumer.bodies() == ["a", "b"]
    assert consumer.memberships


async def test_credit_ends_the_membership() -> None:
    world = Messaging()
    consumer = FakePageConsumer()
    subscription = subscribe(world.open(), NEWS, consumer)
    await turns()
    assert consumer.memberships
    subscription.set_credit(1)
    assert not consumer.memberships
    sender = world.open()
    for text in "ab":
        sender.send(NEWS, message(text))
    await turns()
    assert consumer.bodies() == ["a"]
    subscription.credit(1)
    await turns()
    assert consumer.bodies() == ["a", "b"]


async def test_a_group_that_the_ring_leaves_behind_is_told_of_its_gap() -> None:
    """More is published in one turn than is kept: everybody hears how much he missed."""
    world = Messaging()
    consumers = [FakePageConsumer(), FakePageConsumer()]
    listening(world, *consumers)
    await turns()
    ring = world.exchange._ring
    ring._most = 4
    sender = world.open()
    for number in range(6):
        sender.send(NEWS, message(str(number)))
    await turns()
    for each in consumers:
        assert each.bodies() == ['{"reason":"trimmed","missed":2}', "2", "3", "4", "5"]
    sender.send(NEWS, message("6"))
    await turns()
    assert all(each.memberships for each in consumers)
    assert consumers[1].bodies()[-1] == "6"


async def test_who_comes_while_the_group_is_behind_hears_nothing_from_before() -> None:
    world = Messaging()
    old, new = FakePageConsumer(), FakePageConsumer()
    listening(world, old)
    await turns()
    sender = world.open()
    for number in range(3 * TURN):
        sender.send(NEWS, message(str(number)))
    listening(world, new)
    await turns()
    sender.send(NEWS, message("news"))
    await turns()
    assert old.bodies() == [*map(str, range(3 * TURN)), "news"]
    assert new.bodies() == ["news"]
    assert new.memberships


async def test_how_far_a_member_is_behind_is_known() -> None:
    world = Messaging()
    consumer = FakePageConsumer()
    session = world.open()
    subscribe(session, NEWS, consumer)
    await turns()
    sender = world.open()
    for _ in range(3):
        sender.send(NEWS, message("x"))
        await turns()
    assert session.lag == 0
    sender.send(NEWS, message("x"))
    assert session.lag == 1


async def test_replies_to_a_topic_that_one_hears_come_in_their_order() -> None:
    world = Messaging()
    consumer = FakePageConsumer()
    session = world.open()
    subscribe(session, NEWS, consumer)
    await turns()
    world.open().send(NEWS, message("page"))
    session._reply(NEWS, message("reply"))
    await turns()
    assert consumer.bodies() == ["reply", "page"]


def test_pages_are_divided_by_octets() -> None:
    def deliveries(*octets: int) -> list[Delivery]:
        return [Delivery(tag=tag, message=message("x" * size), destination=NEWS) for tag, size in enumerate(octets, 1)]

    assert divide([]) == []
    told = divide(deliveries(1, PAGE_OCTETS, 5, 5))
    assert [(last, len(page)) for last, page in told] == [(2, 2), (4, 2)]
    assert [last for last, _ in divide(deliveries(PAGE_OCTETS * 2, PAGE_OCTETS))] == [1, 2]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("turn"), st.just(0)),
        st.tuples(st.sampled_from(("fill", "read", "end", "begin", "leave", "alone")), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_each_hears_all_in_order_and_nothing_twice(steps: list[tuple[str, int]]) -> None:
    """Members come, go, are full and take again in any order: from its beginning to its end a subscription misses nothing."""
    with asyncio.Runner() as runner:
        runner.run(_live(steps))


async def _live(steps: list[tuple[str, int]]) -> None:
    hall = Hall()
    for what, number in steps:
        if what == "turn":
            await turns(2)
        elif what == "send":
            hall.send(number)
        elif what == "begin" or number in hall.subscriptions:
            await getattr(hall, what)(number)
    await turns()
    for number in hall.subscriptions:
        await hall.look(number)


class Hall:
    """A speaker, and seats in which somebody may sit."""

    def __init__(self) -> None:
        self.world = Messaging()
        self.sender = self.world.open()
        self.sent = 0
        self.seats = [FakePageConsumer(name=name) for name in "aabcc"]
        self.sessions = [self.world.open() for _ in self.seats]
        self.subscriptions: dict[int, Subscription] = {}
        self.begins: dict[int, int] = {}

    def send(self, count: int) -> None:
        for _ in range(count):
            self.sender.send(NEWS, message(str(self.sent)))
            self.sent += 1

    async def begin(self, number: int) -> None:
        if number not in self.subscriptions:
            self.seats[number] = FakePageConsumer(name=self.seats[number].name)
            self.subscriptions[number] = subscribe(self.sessions[number], NEWS, self.seats[number])
            self.begins[number] = self.sent

    async def fill(self, number: int) -> None:
        self.seats[number].room = min(self.seats[number].room, 1)

    async def read(self, number: int) -> None:
        self.seats[number].read()

    async def leave(self, number: int) -> None:
        self.seats[number].leave()

    async def alone(self, number: int) -> None:
        self.seats[number].gathered.append(b"alone 0 own\n")

    async def end(self, number: int) -> None:
        await self.look(number)
        self.subscriptions.pop(number).end()
        assert not self.seats[number].memberships

    async def look(self, number: int) -> None:
        """Let it read all, and see that it is all."""
        seat = self.seats[number]
        for _ in range(3):
            seat.read()
            await turns()
        heard = [each for each in seat.bodies() if each != "own"]
        assert heard == [str(each) for each in range(self.begins[number], self.sent)]
        assert seat.octets == seat.page_octets()
        assert seat.memberships, "whoever has caught up is told with others"
