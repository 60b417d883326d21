"""Sessions: rights at every step, topics, replies to the requester alone, transactions that are all or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.broker.exchange import ExchangeLimits
from libvdsm.broker.session import BrokerSession
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InvalidParams,
    LimitExceeded,
    ObjectNotFound,
    PermissionDenied,
    StateFull,
)
from libvdsm.interfaces.generated.permissions import OBJECTS, PERMISSIONS
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messaging import Ack, Message, Verdict, Wish
from tests.fakes.messaging import ALL, TEST, FakeConsumer, Messaging, message, sent, subscribe, turns


def only(*permissions: str) -> Rights:
    return Rights(frozenset(permissions))


def event(world: Messaging, topic: str = "vm.1", type: str = "vm", patch: str = '{"state":"x"}') -> None:
    sequence = world.journal.next_sequence()
    body = b'{"epoch":"e","sequence":%d,"topic":"%b","object":{"type":"%b","id":"1","revision":1},"change":"changed","patch":%b}'
    world.journal.append(Entry(sequence, topic, type, "1", body % (sequence, topic.encode(), type.encode(), patch.encode())))


def unheard(reason: ApiError) -> None:
    """Who means to send, and may as long as the test lasts."""
    raise AssertionError(reason)


class Answers:
    """Whoever answers requests."""

    def __init__(self, answer: Message | None = None, later: asyncio.Future[Message | None] | None = None) -> None:
        self.answers: Message | Awaitable[Message | None] | None = later or answer
        self.asked: list[tuple[str, Message]] = []
        self.released: list[Caller] = []

    def answer(self, caller: Caller, message: Message) -> Message | Awaitable[Message | None] | None:
        self.asked.append((caller.identity, message))
        return self.answers

    def release(self, caller: Caller) -> None:
        self.released.append(caller)


# --- topics


async def test_topics_reach_all_who_fit_in_the_order_of_the_publisher() -> None:
    """Everybody whose pattern fits gets all of them; the publisher's own subscription as well."""
    world = Messaging()
    session, other = world.open(), world.open()
    exact, star, hash, wrong = FakeConsumer(), FakeConsumer(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/topic/news.sport", exact)
    subscribe(other, "/topic/news.*", star)
    subscribe(other, "/topic/news.#", hash)
    subscribe(other, "/topic/other.#", wrong)
    for number in range(600):
        session.send("/topic/news.sport", message(str(number)))
    await turns()
    expected = [str(number) for number in range(600)]
    assert exact.bodies() == star.bodies() == hash.bodies() == expected
    assert wrong.bodies() == []
    assert star.deliveries[0].message is hash.deliveries[0].message
    assert star.deliveries[0].shared is not None
    assert star.deliveries[0].shared is hash.deliveries[0].shared
    assert star.deliveries[0].destination == "/topic/news.sport"


async def test_who_follows_events_over_messages_is_counted_with_all_who_do() -> None:
    """And what only clients publish is none of them."""
    world = Messaging()
    session, other = world.open(ALL), world.open(ALL)
    first = subscribe(session, "/topic/vm.#", FakeConsumer(), id="1")
    subscribe(session, "/topic/task.#", FakeConsumer(), id="2")
    subscribe(other, "/topic/news.#", FakeConsumer())
    subscribe(other, "/topic/#", FakeConsumer(), id="all")
    assert world.broker.subscriptions() == 3
    first.end()
    first.end()
    assert world.broker.subscriptions() == 2
    session.close()
    other.close()
    assert world.broker.subscriptions() == 0


async def test_who_comes_later_hears_nothing_of_before() -> None:
    """A topic keeps nothing for those who are not there."""
    world = Messaging()
    session, consumer = world.open(), FakeConsumer()
    session.send("/topic/a", message("before"))
    subscription = subscribe(session, "/topic/a", consumer)
    session.send("/topic/a", message("now"))
    await turns()
    subscription.end()
    subscription.end()
    session.send("/topic/a", message("after"))
    await turns()
    assert consumer.bodies() == ["now"]


@pytest.mark.parametrize("type", sorted({*OBJECTS, "event", "connection", "grant", "subscription", "token"}))
async def test_only_subsystems_tell_of_their_objects(type: str) -> None:
    """Nobody publishes to a topic that is a subsystem's, whatever he may."""
    world = Messaging()
    session = world.open(ALL)
    for topic in (f"/topic/{type}", f"/topic/{type}.1", f"/topic/{type}.a.b"):
        with pytest.raises(PermissionDenied):
            session.send(topic, message("lie"))


@pytest.mark.parametrize(
    "destination", ("/topic/", "/topic/a..b", "/topic/a.*", "/topic/#", "/topic/a b", "/nowhere/x", "", "/queue/", "/queue/../x")
)
async def test_nonsense_is_refused(destination: str) -> None:
    """What is no destination is the sender's mistake."""
    with pytest.raises(InvalidParams):
        Messaging().open().send(destination, message())


async def test_events_come_as_messages_that_can_be_resumed() -> None:
    """The body is the encoded event, the headers are its token and its topic; all subscribers share one message."""
    world = Messaging()
    session, one, other = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/topic/vm.#", one, id="1")
    subscribe(session, "jms.queue.events", other, id="2")
    event(world)
    event(world, "task.1", "task")
    await turns()
    (delivery,) = one.deliveries
    assert delivery.message.body == world.journal.read(0, 1)[0].data
    assert delivery.message.headers == {"resume": f"{world.journal.epoch}-1", "topic": "vm.1"}
    assert (delivery.resume, delivery.destination) == (f"{world.journal.epoch}-1", "/topic/vm.1")
    assert other.deliveries[0].message is delivery.message
    assert len(other.deliveries) == 2
    again = FakeConsumer()
    subscribe(world.open(), "/topic/#", again, after=delivery.resume)
    await turns()
    assert [each.destination for each in again.deliveries] == ["/topic/task.1"]


async def test_a_gap_is_a_message_that_says_so() -> None:
    """A token of another life gives a message with the header gap."""
    world = Messaging()
    consumer = FakeConsumer()
    subscribe(world.open(), "/topic/vm.#", consumer, after="0123456789abcdef-7")
    await turns()
    assert consumer.deliveries[0].message.headers["gap"] == "epoch"
    assert consumer.deliveries[0].message.body == b'{"reason":"epoch"}'


async def test_the_pattern_for_all_gives_what_may_be_had() -> None:
    """Who may follow events only gets events, who may subscribe to topics only gets those; who may neither is refused."""
    world = Messaging()
    events, free, both = FakeConsumer(), FakeConsumer(), FakeConsumer()
    subscribe(world.open(only("event.read", "vm.read")), "/topic/#", events)
    subscribe(world.open(only("topic.subscribe")), "/topic/#", free)
    subscribe(world.open(), "/topic/#", both)
    with pytest.raises(PermissionDenied):
        subscribe(world.open(only("vm.read")), "/topic/#", FakeConsumer())
    with pytest.raises(PermissionDenied):
        subscribe(world.open(only("topic.subscribe")), "/topic/vm.1", FakeConsumer())
    with pytest.raises(PermissionDenied):
        subscribe(world.open(only("event.read")), "/topic/news", FakeConsumer())
    event(world)
    world.open().send("/topic/news", message("n"))
    await turns()
    assert [[each.destination for each in consumer.deliveries] for consumer in (events, free)] == [["/topic/vm.1"], ["/topic/news"]]
    assert len(both.deliveries) == 2


async def test_events_are_filtered_and_merged() -> None:
    """With a filter nothing but events comes, of those the ones that fit, and changes within the time as one, also within credit."""
    world = Messaging()
    session, some, few = world.open(), FakeConsumer(), FakeConsumer()
    session.subscribe(Wish(destination="/topic/#", id="some", filter=EventFilter(types=["task"])), some)
    session.subscribe(
        Wish(destination="/topic/vm.#", id="few", ack=Ack.INDIVIDUAL, credit=2, coalesce_s=1.0, filter=EventFilter(types=["vm"])), few
    )
    session.send("/topic/news", message("n"))
    for _ in range(3):
        event(world, patch='{"a":1}')
    event(world, "task.1", "task")
    await turns()
    assert [each.destination for each in some.deliveries] == ["/topic/task.1"]
    assert [json.loads(body)["merged"] for body in few.bodies()] == [3]
    event(world, patch='{"a":1}')
    event(world, patch='{"a":2}')
    await turns()
    assert len(few.deliveries) == 1  # they gather
    world.later[-1][1]()
    await turns()
    assert [json.loads(body)["merged"] for body in few.bodies()] == [3, 2]
    assert world.exchange.counters.events == 3  # what was published is none
    for destination in ("/queue/work", "/topic/news", "mine"):
        with pytest.raises((InvalidParams, ObjectNotFound)):
            session.subscribe(Wish(destination=destination, id="no", filter=EventFilter()), FakeConsumer())


async def test_what_was_merged_before_a_right_was_lost_is_told_no_more() -> None:
    """It waited for room; by then its reader may see hosts only, and of all else he hears that it is removed."""
    world = Messaging()
    session, slow = world.open(), FakeConsumer(room=1)
    session.subscribe(Wish(destination="/topic/#", id="slow", coalesce_s=1.0), slow)
    for topic, type in (("vm.1", "vm"), ("task.1", "task"), ("host.1", "host")):
        for _ in range(2):
            event(world, topic, type, '{"a":1}')
    await turns()
    assert [each.destination for each in slow.deliveries] == ["/topic/vm.1"]
    session.caller.entitle((), only("event.read", "topic.subscribe", "host.read"))
    slow.read()
    await turns()
    assert [each.destination for each in slow.deliveries] == ["/topic/vm.1", "/topic/task.1", "/topic/host.1"]
    assert ['"change":"removed"' in body for body in slow.bodies()] == [False, True, False]


async def test_the_slowest_subscription_is_told() -> None:
    """How much waits for the one who has seen least, of events and of what is published; a queue's messages wait for nobody in person."""
    world = Messaging()
    await world.queue()
    session, slow = world.open(), FakeConsumer(room=1)
    subscribe(session, "/queue/work", FakeConsumer(room=0), id="q")
    subscribe(session, "/topic/#", FakeConsumer(), id="quick")
    subscribe(session, "/topic/vm.#", slow, id="slow")
    session.send("/queue/work", message("x"))
    assert session.lag == 0
    for _ in range(3):
        event(world)
    await turns()
    assert session.lag == 2
    slow.read()
    await turns()
    assert session.lag == 0
    assert world.exchange.counters.events == 6  # to two, whether a page was cut short or not


async def test_credit_of_topics() -> None:
    """What there is no credit for waits; draining takes away what is left."""
    world = Messaging()
    session, consumer = world.open(), FakeConsumer()
    subscription = subscribe(session, "/topic/news", consumer, Ack.INDIVIDUAL, credit=1, is_exact=True)
    for text in "abc":
        session.send("/topic/news", message(text))
    await turns()
    assert consumer.bodies() == ["a"]
    session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    subscription.credit(5)
    subscription.drain()
    await turns()
    assert (consumer.bodies(), consumer.drains) == (["a", "b", "c"], 1)
    session.send("/topic/news", message("d"))
    await turns()
    assert consumer.bodies() == ["a", "b", "c"]


async def test_acknowledged_topics_have_a_window() -> None:
    """With client acknowledgement a topic delivers no more than may be unsettled."""
    world = Messaging()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/topic/news", consumer, Ack.CLIENT, credit=2)
    for text in "abcd":
        session.send("/topic/news", message(text))
    await turns()
    assert consumer.bodies() == ["a", "b"]
    session.settle(consumer.deliveries[1].tag, Verdict.ACCEPTED)
    await turns()
    assert consumer.bodies() == ["a", "b", "c", "d"]


async def test_replies_beyond_the_window_are_made_up_for() -> None:
    """Who asks gets his answers, whatever the window says; what is published waits until as much is settled."""
    world = Messaging()
    world.exchange.requests = Answers(Message(body=b"answer"))
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/topic/mine", consumer, Ack.INDIVIDUAL, credit=1)
    for _ in range(3):
        session.send("/exchange/requests", message(reply_to="/topic/mine"))
    for text in "ab":
        session.send("/topic/mine", message(text))
    await turns()
    assert consumer.bodies() == ["answer"] * 3
    for delivery, news in zip(tuple(consumer.deliveries), ([], [], ["a"]), strict=True):
        session.settle(delivery.tag, Verdict.ACCEPTED)
        await turns()
        assert consumer.bodies()[3:] == news


# --- rights


async def test_what_is_not_his_and_what_is_not_there_are_recorded_alike() -> None:
    """He who has the right elsewhere is told the same of both; the trail has both, each for whoever it concerns. Who has it everywhere is only mistaken."""
    world = Messaging()
    told: list[tuple[object, ...]] = []
    world.exchange.refused = lambda caller, *refusal: told.append((caller.identity, *refusal))
    await world.queue("theirs", project="theirs")
    session = world.open(Rights(projects={"mine": frozenset({"queue.send"})}))
    for name in ("theirs", "none"):
        with pytest.raises(ObjectNotFound):
            session.send(f"/queue/{name}", message())
    expected = [("alice", "queue.send", ("queue", "theirs"), "theirs"), ("alice", "queue.send", ("queue", "none"), None)]
    assert told == expected
    with pytest.raises(ObjectNotFound):
        world.open().send("/queue/none", message())
    assert len(told) == 2


async def test_refusals_are_recorded_where_they_belong() -> None:
    """In the project of the queue; of topics in the one where they all are; of what is nobody's in none."""
    world = Messaging()
    told: list[tuple[object, ...]] = []
    world.exchange.refused = lambda _caller, *refusal: told.append(refusal)
    await world.queue("theirs", project="theirs")
    nobody = world.open(Rights())
    for act in (
        lambda: nobody.send("/queue/theirs", message()),
        lambda: subscribe(nobody, "/queue/none", FakeConsumer()),
        lambda: nobody.send("/topic/free", message()),
        lambda: subscribe(nobody, "/topic/vm.#", FakeConsumer()),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert told == [
        ("queue.send", ("queue", "theirs"), "theirs"),
        ("queue.receive", ("queue", "none"), None),
        ("topic.publish", None, "default"),
        ("event.read", None, None),
    ]
    del told[:]
    session, consumer = world.open(Rights(projects={"theirs": frozenset({"queue.receive"})})), FakeConsumer()
    subscribe(session, "/queue/theirs", consumer)
    leave = session.intend(session.temporary(), lambda _reason: None)
    session.caller.entitle((), Rights())
    assert told == [("queue.receive", ("queue", "theirs"), "theirs")]
    leave()


@pytest.mark.parametrize(
    ("needed", "act"),
    (
        ("queue.send", "send"),
        ("queue.send", "may send"),
        ("queue.receive", "receive"),
        ("queue.browse", "browse"),
        ("topic.publish", "publish"),
        ("topic.publish", "may publish"),
        ("topic.subscribe", "listen"),
    ),
)
async def test_every_destination_needs_its_permission(needed: str, act: str) -> None:
    """All others together are not enough."""
    world = Messaging()
    told: list[str] = []
    world.exchange.refused = lambda _caller, permission, *_: told.append(permission)
    await world.queue()
    acts: dict[str, Callable[[BrokerSession], object]] = {
        "send": lambda s: s.send("/queue/work", message()),
        "may send": lambda s: s.intend("/queue/work", unheard),
        "receive": lambda s: subscribe(s, "/queue/work", FakeConsumer()),
        "browse": lambda s: subscribe(s, "/queue/work", FakeConsumer(), browse=True),
        "publish": lambda s: s.send("/topic/news", message()),
        "may publish": lambda s: s.intend("/topic/news", unheard),
        "listen": lambda s: subscribe(s, "/topic/news", FakeConsumer()),
    }
    with pytest.raises(PermissionDenied) as caught:
        acts[act](world.open(Rights(frozenset(PERMISSIONS) - {needed})))
    assert caught.value.params["permission"] == needed
    assert told == [needed]  # for the audit trail
    acts[act](world.open(only(needed)))
    project = Rights(projects={"default": frozenset({needed})})
    acts[act](world.open(project))
    with pytest.raises((PermissionDenied, ObjectNotFound)):
        acts[act](world.open(Rights(projects={"other": frozenset({needed})})))
    with pytest.raises(PermissionDenied):
        acts[act](world.open(Rights()))


@pytest.mark.parametrize(
    "destination",
    ("/queue/work", "/queue/none", "/topic/news", "/topic/vm.1", "/topic/#", "/temp-queue/none", "/exchange/requests", "/exchange/x", ""),
)
async def test_who_asks_whether_he_may_send_hears_what_a_message_would(destination: str) -> None:
    """Of all that is there, is not there, and can never be; and nothing is sent by that."""
    world = Messaging()
    queue = await world.queue()
    consumer = FakeConsumer()
    subscribe(world.open(), "/topic/news", consumer)

    def heard(act: Callable[[BrokerSession], object]) -> str | None:
        try:
            act(world.open())
        except (InvalidParams, ObjectNotFound, PermissionDenied) as failure:
            return f"{failure.name}: {failure.message}"
        return None

    asked = heard(lambda s: s.intend(destination, unheard))
    await turns()
    assert (queue.waiting, consumer.deliveries) == (0, [])
    assert asked == heard(lambda s: s.send(destination, message()))
    assert (asked is None) == (destination in {"/queue/work", "/topic/news"})


async def test_whether_he_may_send_is_asked_anew_when_queues_or_rights_change() -> None:
    """What was true of a destination is not remembered beyond that."""
    world = Messaging()
    session = world.open()
    ends: list[ApiError] = []
    with pytest.raises(ObjectNotFound):
        session.intend("/queue/work", ends.append)
    await world.queue()
    session.intend("/queue/work", ends.append)
    world.queues.delete("work", TEST)
    with pytest.raises(ObjectNotFound):
        session.intend("/queue/work", ends.append)
    await world.queue()
    session.intend("/queue/work", ends.append)
    session.caller.entitle((), Rights())
    with pytest.raises(PermissionDenied):
        session.intend("/queue/work", ends.append)
    assert [each.name for each in ends] == ["ObjectNotFound", "PermissionDenied"]


@pytest.mark.parametrize("destination", ("/queue/work", "/topic/news", "another's", "/exchange/requests"))
@pytest.mark.parametrize("loss", ("right", "identity", "queue", "nothing", "left", "closed"))
async def test_who_means_to_send_is_told_once_when_he_may_not_any_more(destination: str, loss: str) -> None:
    """Whatever took it away; not by what concerns others, nor when he does not want to know any more."""
    world = Messaging()
    told: list[str] = []
    world.exchange.refused = lambda _caller, permission, *_: told.append(permission)
    world.exchange.requests = Answers()
    await world.queue()
    await world.queue("other")
    owner, session = world.open(), world.open()
    where = owner.temporary() if destination == "another's" else destination
    ends: list[ApiError] = []
    leave = session.intend(where, ends.append)
    if loss == "right":
        session.caller.entitle((), only("queue.read"))
        session.caller.entitle((), Rights())
    elif loss == "identity":
        session.caller.revoke("it is no longer valid")
    elif loss == "queue":
        world.queues.delete("work", TEST)
        owner.close()
    elif loss == "nothing":
        session.caller.entitle((), only("queue.send", "topic.publish"))
        world.queues.delete("other", TEST)
        await world.queue("third")
    elif loss == "left":
        leave()
        leave()
        session.caller.entitle((), Rights())
        world.queues.delete("work", TEST)
    else:
        session.close()
        world.queues.delete("work", TEST)
    await turns()
    is_queue, is_requests = destination in {"/queue/work", "another's"}, destination == "/exchange/requests"
    expected = {
        "right": [] if is_requests else ["PermissionDenied"],
        "identity": ["PermissionDenied"],
        "queue": ["ObjectNotFound"] if is_queue else [],
    }.get(loss, [])
    assert [each.name for each in ends] == expected
    assert len(told) == (expected == ["PermissionDenied"])
    assert not session.senders or not expected
    session.close()
    assert not session.senders


async def test_a_queue_that_is_not_deleted_after_all_keeps_who_means_to_send() -> None:
    """The record of the deletion could not be made."""
    world = Messaging()
    await world.queue()
    session = world.open()
    ends: list[ApiError] = []
    session.intend("/queue/work", ends.append)
    world.state.become("failed")
    world.queues.delete("work", TEST)
    session.caller.entitle((), only("queue.send"))
    await turns()
    assert (ends, len(session.senders)) == ([], 1)


async def test_requests_and_temporary_queues_can_be_asked_for() -> None:
    """Requests are there as soon as somebody answers them; a temporary queue is there for all who may send, while it is there."""
    world = Messaging()
    owner, other = world.open(), world.open()
    address = owner.temporary()
    ends: list[ApiError] = []
    owner.intend(address, unheard)
    other.intend(address, ends.append)
    with pytest.raises(ObjectNotFound):
        world.open(Rights()).intend(address, unheard)
    owner.close()
    assert [each.name for each in ends] == ["ObjectNotFound"]
    with pytest.raises(ObjectNotFound):
        other.intend(address, unheard)
    world.exchange.requests = answers = Answers()
    other.intend("/exchange/requests", unheard)
    assert answers.asked == []


async def test_what_is_not_yours_is_not_there() -> None:
    """A queue of another project and one that does not exist are answered alike."""
    world = Messaging()
    await world.queue(project="theirs")
    mine = world.open(Rights(projects={"mine": frozenset(PERMISSIONS)}))
    texts = []
    for name in ("work", "none"):
        with pytest.raises(ObjectNotFound) as caught:
            mine.send(f"/queue/{name}", message())
        texts.append(caught.value.message.replace(name, "NAME"))
    assert texts[0] == texts[1]
    readable = Rights(projects={"theirs": frozenset({"queue.read"}), "mine": frozenset(PERMISSIONS)})
    with pytest.raises(PermissionDenied):
        world.open(readable).send("/queue/work", message())


async def test_rights_that_are_taken_away_end_subscriptions() -> None:
    """At once, with the reason; what was sent before is not; other subscriptions go on."""
    world = Messaging()
    await world.queue()
    session, queue, topic, events = world.open(), FakeConsumer(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", queue)
    subscribe(session, "/topic/news", topic)
    subscribe(session, "/topic/vm.#", events)
    session.send("/queue/work", message("a"))
    session.caller.entitle((), only("topic.subscribe", "topic.publish"))
    assert [each.name for each in (*queue.reasons, *events.reasons)] == ["PermissionDenied"] * 2
    assert topic.reasons == []
    with pytest.raises(PermissionDenied):
        session.send("/queue/work", message("b"))
    session.send("/topic/news", message("c"))
    await turns()
    assert (queue.bodies(), topic.bodies()) == (["a"], ["c"])
    session.caller.revoke("over")
    assert [each.name for each in topic.reasons] == ["PermissionDenied"]
    with pytest.raises(PermissionDenied):
        session.send("/topic/news", message("d"))


async def test_the_sender_is_who_he_is() -> None:
    """A sender cannot say that he is another; another identity on the connection is another sender."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(identity="mallory"), FakeConsumer()
    subscribe(session, "/queue/work", consumer)
    session.send("/queue/work", message("a", user="root"))
    session.caller.become("alice", "token", (), ALL)
    session.send("/queue/work", message("b"))
    await turns()
    assert [each.message.user for each in consumer.deliveries] == ["mallory", "alice"]


async def test_limits_of_a_session() -> None:
    """Subscriptions, transactions, their steps and octets, and temporary queues are counted."""
    limits = ExchangeLimits(subscriptions=1, transactions=1, transaction_steps=2, transaction_octets=1000, temporary_queues=1)
    world = Messaging(limits=limits)
    await world.queue()
    session = world.open()
    subscribe(session, "/topic/a", FakeConsumer())
    with pytest.raises(LimitExceeded):
        subscribe(session, "/topic/b", FakeConsumer())
    session.temporary()
    with pytest.raises(LimitExceeded):
        session.temporary()
    session.begin("t")
    with pytest.raises(LimitExceeded):
        session.begin("u")
    with pytest.raises(LimitExceeded):
        session.send("/queue/work", message("x" * 2000), transaction="t")
    session.send("/queue/work", message(), transaction="t")
    session.send("/queue/work", message(), transaction="t")
    with pytest.raises(LimitExceeded):
        session.send("/queue/work", message(), transaction="t")


async def test_a_subscription_has_one_name() -> None:
    """The same name twice on a session is refused; on two sessions it is fine, and so is a name that is free again."""
    world = Messaging()
    session = world.open()
    first = subscribe(session, "/topic/a", FakeConsumer(), id="1")
    with pytest.raises(AlreadyExists):
        subscribe(session, "/topic/b", FakeConsumer(), id="1")
    subscribe(world.open(), "/topic/a", FakeConsumer(), id="1")
    first.end()
    subscribe(session, "/topic/b", FakeConsumer(), id="1")


# --- temporary queues and requests


async def test_a_road_sends_what_is_alike_in_all_but_its_body() -> None:
    """As ``send`` would: by whoever the sender is by then, and only as long as he may."""
    world = Messaging()
    await world.queue()
    session, consumer = world.open(identity="mallory"), FakeConsumer()
    subscribe(session, "/queue/work", consumer)
    send = session.road("/queue/work", message("model", user="root", priority=7, headers={"dead-letter-queue": "x", "own": "1"}))
    for body in (b"a", b"b"):
        assert send(body) is None
    session.caller.become("alice", "token", (), ALL)
    send(b"c")
    told = [each.message for each in consumer.deliveries]
    assert [(each.body, each.user, each.priority, dict(each.headers)) for each in told] == [
        (b"a", "mallory", 7, {"own": "1"}),
        (b"b", "mallory", 7, {"own": "1"}),
        (b"c", "alice", 7, {"own": "1"}),
    ]
    assert told[0].alike is told[1].alike is not None
    assert told[2].alike is not told[0].alike
    session.caller.entitle((), only("queue.receive"))
    with pytest.raises(PermissionDenied):
        send(b"d")
    with pytest.raises(PermissionDenied):
        session.road("/queue/work", message())
    session.caller.entitle((), ALL)
    send(b"e")
    assert consumer.bodies() == ["a", "b", "c", "e"]


async def test_a_road_to_a_queue_that_is_made_anew_goes_to_the_new_one() -> None:
    """Not to what had its name before."""
    world = Messaging()
    await world.queue()
    session = world.open()
    send = session.road("/queue/work", message())
    send(b"a")
    world.queues.delete("work", TEST)
    await turns()
    with pytest.raises(ObjectNotFound):
        send(b"b")
    queue = await world.queue()
    send(b"c")
    assert [each.message.body for each in queue.items()] == [b"c"]


async def test_a_road_ends_with_its_session_and_its_address_for_replies() -> None:
    """Nobody answers to a place that is not the sender's any more."""
    world = Messaging()
    await world.queue()
    session = world.open()
    address = session.temporary()
    send = session.road("/queue/work", message(reply_to=address))
    send(b"a")
    session.drop_temporary(address)
    with pytest.raises(PermissionDenied):
        send(b"b")
    other = session.road("/queue/work", message())
    session.close()
    with pytest.raises(PermissionDenied):
        other(b"c")


async def test_the_holder_of_a_delivery_is_known_until_it_is_settled() -> None:
    """Also after its subscription has ended; not while a transaction is about to settle it."""
    world = Messaging()
    queue = await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscription = subscribe(session, "/queue/work", consumer, Ack.CLIENT)
    for text in "abc":
        session.send("/queue/work", message(text))
    tags = [each.tag for each in consumer.deliveries]
    subscription.end()
    assert [session.held(tag) for tag in (*tags, 99)] == [consumer] * 3 + [None]
    session.begin("t")
    session.settle(tags[0], Verdict.ACCEPTED, transaction="t")
    assert [session.held(tag) for tag in tags] == [None, consumer, consumer]
    session.accept(tags[1])
    assert (queue.unsettled, queue.messages, queue.octets) == (2, 2, 2 * 65)
    session.abort("t")
    assert [session.held(tag) for tag in tags] == [consumer, None, consumer]
    session.accept(tags[2])
    assert (queue.unsettled, queue.messages, queue.octets, queue.counters.delivered) == (0, 0, 0, 3)
    with pytest.raises(ObjectNotFound):
        session.accept(tags[2])


async def test_temporary_queues_are_private() -> None:
    """Only who made it receives; who may send and knows its name sends; it ends with its session."""
    world = Messaging()
    mine, other, consumer = world.open(), world.open(identity="bob"), FakeConsumer()
    name, second = mine.temporary(), mine.temporary()
    assert name.startswith("/temp-queue/")
    assert len(name) > len("/temp-queue/") + 20
    assert name != second
    subscribe(mine, name, consumer)
    with pytest.raises(ObjectNotFound):
        subscribe(other, name, FakeConsumer())
    with pytest.raises(ObjectNotFound):
        world.open(only("queue.read")).send(name, message("spam"))
    with pytest.raises(ObjectNotFound):
        other.send("/temp-queue/guessed", message("spam"))
    other.send(name, message("a"))
    await turns()
    assert consumer.bodies() == ["a"]
    mine.close()
    with pytest.raises(ObjectNotFound):
        other.send(name, message("late"))
    assert world.exchange.temporaries == {}


@pytest.mark.parametrize("address", ("/temp-queue/of-another", "/queue/theirs", "/topic/news", "/exchange/requests", "/odd/one"))
async def test_forged_replies_are_refused(address: str) -> None:
    """An answer cannot be ordered to where the sender could not hear it himself."""
    world = Messaging()
    await world.queue("theirs", project="theirs")
    await world.queue("mine", project="mine")
    world.exchange.requests = answers = Answers(message("secret"))
    session = world.open(Rights(projects={"mine": frozenset(PERMISSIONS) - {"topic.subscribe"}}))
    for destination in ("/exchange/requests", "/queue/mine"):
        with pytest.raises((PermissionDenied, ObjectNotFound, InvalidParams)):
            session.send(destination, message(reply_to=address))
    assert answers.asked == []
    assert world.queues.get("mine")[1].messages == 0


@pytest.mark.parametrize("kind", ("temporary", "own", "vdsm", "queue", "topic"))
async def test_answers_go_to_the_requester_alone(kind: str) -> None:
    """Whatever name two clients use, each hears his own."""
    world = Messaging()
    await world.queue("replies")
    sessions = [world.open(identity=name) for name in ("a", "b")]
    consumers = [FakeConsumer(), FakeConsumer()]
    addresses = []
    for session, consumer in zip(sessions, consumers, strict=True):
        names = {"own": "11111111-2222", "vdsm": "jms.topic.vdsm_responses", "queue": "/queue/replies", "topic": "/topic/replies"}
        address = session.temporary() if kind == "temporary" else names[kind]
        addresses.append(address)
        if kind != "queue" or session is sessions[0]:
            subscribe(session, address, consumer)
    world.exchange.requests = answers = Answers()
    answers.answers = Message(body=b"for a", correlation_id="1")
    reply_to = None if kind == "vdsm" else addresses[0]
    sessions[0].send("jms.topic.vdsm_requests", Message(body=b"?", reply_to=reply_to))
    await turns()
    assert (consumers[0].bodies(), consumers[1].bodies()) == (["for a"], [])
    assert consumers[0].deliveries[0].destination == addresses[0]
    assert answers.asked[0][0] == "a"


async def test_an_answer_to_somebody_gone_is_dropped_and_counted() -> None:
    """Nobody else gets it."""
    world = Messaging()
    later: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
    world.exchange.requests = answers = Answers(later=later)
    session, consumer = world.open(), FakeConsumer()
    name = session.temporary()
    subscribe(session, name, consumer)
    session.send("/exchange/requests", message(reply_to=name))
    session.close()
    assert answers.released == [session.caller]
    later.set_result(Message(body=b"late"))
    await turns()
    assert (consumer.bodies(), world.exchange.counters.dropped_answers) == ([], 1)


async def test_an_answer_that_comes_later() -> None:
    """It comes when it is there; a notification has none, and nothing is counted."""
    world = Messaging()
    later: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
    world.exchange.requests = answers = Answers(later=later)
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "mine", consumer)
    session.send("/exchange/requests", message(reply_to="mine"))
    await turns()
    assert consumer.bodies() == []
    later.set_result(Message(body=b"now"))
    await turns()
    assert consumer.bodies() == ["now"]
    answers.answers = None
    session.send("/exchange/requests", message(reply_to="mine"))
    await turns()
    assert (consumer.bodies(), world.exchange.counters.dropped_answers) == (["now"], 0)


async def test_nobody_sends_to_another_sessions_own_place() -> None:
    """A name without a slash is nobody's but the session's own."""
    world = Messaging()
    mine, consumer = world.open(), FakeConsumer()
    subscribe(mine, "mine", consumer)
    for session in (mine, world.open()):
        with pytest.raises(ObjectNotFound):
            session.send("mine", message("spam"))
    assert consumer.bodies() == []


# --- transactions


async def test_a_transaction_is_seen_when_it_is_committed() -> None:
    """Nothing of it before, all of it after; in its order."""
    world = Messaging()
    await world.queue()
    session, queue, topic = world.open(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", queue)
    subscribe(session, "/topic/news", topic)
    session.begin("t")
    session.send("/queue/work", message("a"), transaction="t")
    session.send("/topic/news", message("b"), transaction="t")
    session.send("/queue/work", message("c"), transaction="t")
    await turns()
    assert (queue.bodies(), topic.bodies()) == ([], [])
    assert session.commit("t") is None
    await turns()
    assert (queue.bodies(), topic.bodies()) == (["a", "c"], ["b"])
    with pytest.raises(ObjectNotFound):
        session.commit("t")


async def test_an_aborted_transaction_never_was() -> None:
    """What was sent is not, what was settled is open again."""
    world = Messaging()
    queue = await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.CLIENT)
    session.send("/queue/work", message("a"))
    session.send("/queue/work", message("b"))
    await turns()
    session.begin("t")
    session.send("/queue/work", message("c"), transaction="t")
    session.settle(consumer.deliveries[1].tag, Verdict.ACCEPTED, transaction="t")
    with pytest.raises(ObjectNotFound):
        session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    assert queue.unsettled == 2
    session.abort("t")
    with pytest.raises(ObjectNotFound):
        session.abort("t")
    session.settle(consumer.deliveries[1].tag, Verdict.ACCEPTED)
    assert (queue.messages, consumer.bodies()) == (0, ["a", "b"])


async def test_a_transaction_that_is_refused_leaves_nothing() -> None:
    """One message that has no room, or may not be sent any more, and none is sent."""
    world = Messaging()
    await world.queue("one", max_messages=1)
    two = await world.queue("two")
    session = world.open()
    session.begin("t")
    for name in ("two", "one", "one"):
        session.send(f"/queue/{name}", message(), transaction="t")
    with pytest.raises(LimitExceeded):
        session.commit("t")
    assert two.messages == 0
    with pytest.raises(ObjectNotFound):
        session.commit("t")
    session.begin("t")
    session.send("/queue/two", message(), transaction="t")
    session.caller.entitle((), only("topic.publish"))
    with pytest.raises(PermissionDenied):
        session.commit("t")
    assert two.messages == 0


@pytest.mark.parametrize("verdict", (Verdict.REJECTED, Verdict.FAILED))
async def test_a_transaction_counts_its_own_dead_letters(verdict: Verdict) -> None:
    """What is settled in it may take the room that its messages need: then nothing of it is done."""
    world = Messaging()
    letters = await world.queue("letters", max_messages=1)
    source = await world.queue("source", dead_letter="letters", max_deliveries=1)
    other = await world.queue("other")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/source", consumer, Ack.INDIVIDUAL)
    session.send("/queue/source", message("dead"))
    await turns()
    session.begin("t")
    session.settle(consumer.deliveries[0].tag, verdict, transaction="t")
    session.send("/queue/other", message("a"), transaction="t")
    session.send("/queue/letters", message("b"), transaction="t")
    with pytest.raises(LimitExceeded):
        session.commit("t")
    assert (source.unsettled, other.messages, letters.messages) == (1, 0, 0)
    session.settle(consumer.deliveries[0].tag, verdict)
    assert letters.messages == 1


@pytest.mark.parametrize("verdict", (Verdict.RELEASED, Verdict.FAILED))
async def test_a_transaction_counts_what_ends_by_it(verdict: Verdict) -> None:
    """What is given back when its time is up is a dead letter, and takes room as well: then nothing of it is done."""
    world = Messaging()
    letters = await world.queue("letters", max_messages=1)
    source = await world.queue("source", dead_letter="letters")
    other = await world.queue("other")
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/source", consumer, Ack.INDIVIDUAL)
    session.send("/queue/source", message("dead", expires_at=world.clock.time() + 1))
    await turns()
    session.begin("t")
    session.settle(consumer.deliveries[0].tag, verdict, transaction="t")
    session.send("/queue/other", message("a"), transaction="t")
    session.send("/queue/letters", message("b"), transaction="t")
    world.clock.advance(2)
    with pytest.raises(LimitExceeded):
        session.commit("t")
    assert (source.unsettled, other.messages, letters.messages) == (1, 0, 0)
    session.settle(consumer.deliveries[0].tag, verdict)
    assert (source.messages, letters.messages) == (0, 1)


async def test_a_transaction_is_one_record() -> None:
    """What is durable in it is recorded together, what is not waits for that; a crash before sees none, after it all."""
    world = Messaging()
    await world.queue("one", durable=True)
    await world.queue("two", durable=True)
    await world.queue("light")
    session, light, one = world.open(), FakeConsumer(), FakeConsumer()
    await sent(session.send("/queue/one", message("old", durable=True)))
    subscribe(session, "/queue/light", light)
    subscribe(session, "/queue/one", one, Ack.INDIVIDUAL, credit=1)
    await turns()
    session.begin("t")
    session.send("/queue/light", message("l"), transaction="t")
    session.settle(one.deliveries[0].tag, Verdict.ACCEPTED, transaction="t")
    session.send("/queue/one", message("a", durable=True), transaction="t")
    session.send("/queue/two", message("b", durable=True), transaction="t")
    committed = session.commit("t")
    assert committed is not None
    before = {name: [i.message.body for i in world.again().queues.get(name)[1].items()] for name in ("one", "two")}
    assert before == {"one": [b"old"], "two": []}
    assert light.bodies() == []
    await committed
    after = {name: [i.message.body for i in world.again().queues.get(name)[1].items()] for name in ("one", "two")}
    assert after == {"one": [b"a"], "two": [b"b"]}
    await turns()
    assert light.bodies() == ["l"]


@pytest.mark.parametrize("state", ("full", "failed"))
async def test_a_transaction_that_cannot_be_recorded(state: str) -> None:
    """None of it is: nothing was sent, what was acknowledged comes again."""
    world = Messaging()
    queue = await world.queue("one", durable=True)
    light = await world.queue("light")
    session, consumer, topic = world.open(), FakeConsumer(), FakeConsumer()
    await sent(session.send("/queue/one", message("old", durable=True)))
    session.send("/queue/light", message("light"))
    subscribe(session, "/queue/one", consumer, Ack.INDIVIDUAL, id="1")
    subscribe(session, "/queue/light", consumer, Ack.INDIVIDUAL, id="2")
    subscribe(session, "/topic/news", topic)
    await turns()
    session.begin("t")
    for each in consumer.deliveries:
        session.settle(each.tag, Verdict.ACCEPTED, transaction="t")
    for destination in ("/queue/one", "/queue/light", "/topic/news"):
        session.send(destination, message("new", durable=True), transaction="t")
    if state == "full":
        world.messages.become("full")
        with pytest.raises(StateFull):
            session.commit("t")
    else:
        committed = session.commit("t")
        world.messages.become("failed")
        assert committed is not None
        with pytest.raises(Exception, match="as the test says"):
            await committed
    await turns()
    session.close()
    assert topic.bodies() == []
    assert [item.message.body for item in queue.items()] == [b"old"]
    assert [item.message.body for item in light.items()] == [b"light"]


async def test_closing_aborts() -> None:
    """A session that ends takes its transactions with it; what they settled comes again."""
    world = Messaging()
    queue = await world.queue()
    session, consumer = world.open(), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    session.send("/queue/work", message("a"))
    await turns()
    session.begin("t")
    session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED, transaction="t")
    session.send("/queue/work", message("b"), transaction="t")
    session.close()
    assert [item.message.body for item in queue.items()] == [b"a"]
    assert world.exchange.sessions() == 0
    with pytest.raises(PermissionDenied):
        session.send("/queue/work", message("c"))
    with pytest.raises(PermissionDenied):
        subscribe(session, "/queue/work", FakeConsumer())


@pytest.mark.parametrize("others", (0, 3))
async def test_draining_what_counts_nothing(others: int) -> None:
    """A subscription without credit is drained when it has caught up, whoever else is at the same place; then it goes on."""
    world = Messaging()
    session, consumer = world.open(), FakeConsumer()
    for number in range(others):
        subscribe(session, "/topic/#", FakeConsumer(), id=str(number))
    subscription = subscribe(session, "/topic/#", consumer)
    for number in range(600):
        event(world)
        session.send("/topic/news", message(str(number)))
    await asyncio.sleep(0)
    subscription.drain()
    await turns()
    assert (len(consumer.deliveries), consumer.drains) == (1200, 1)
    event(world)
    await turns()
    assert (len(consumer.deliveries), consumer.drains) == (1201, 1)


async def test_a_class_is_told_the_same_and_each_at_its_own_pace() -> None:
    """Followers of one class share what they are told; one that is full stops where it is, and goes on there."""
    world = Messaging()
    quick, slow, other = FakeConsumer(), FakeConsumer(room=7), FakeConsumer()
    for each in (quick, slow):
        subscribe(world.open(), "/topic/vm.#", each)
    subscribe(world.open(only("event.read")), "/topic/vm.#", other)
    for _ in range(20):
        event(world)
    await turns()
    assert (len(quick.deliveries), len(slow.deliveries), other.deliveries) == (20, 7, [])
    slow.read()
    await turns()
    assert [each.resume for each in slow.deliveries] == [each.resume for each in quick.deliveries]
    assert quick.deliveries[3].shared is slow.deliveries[3].shared


async def test_subscriptions_of_an_identity_are_counted() -> None:
    """On all its connections together; each end is told once, however it came, and a refused one is not counted."""
    accounts = Accounts(IdentityLimits(subscriptions=2), lambda: 0.0)
    world = Messaging()
    world.exchange.quota = accounts.subscribe
    one, other, stranger = world.open(), world.open(), world.open(identity="bob")
    first = subscribe(one, "/topic/a", FakeConsumer())
    subscribe(other, "/topic/a", FakeConsumer())
    with pytest.raises(LimitExceeded):
        subscribe(one, "/topic/b", FakeConsumer())
    subscribe(stranger, "/topic/a", FakeConsumer())
    first.end()
    first.end()
    for _ in range(3):
        with pytest.raises(ObjectNotFound):
            subscribe(one, "/queue/none", FakeConsumer())
    subscribe(one, "/topic/b", FakeConsumer())
    other.close()
    subscribe(one, "/topic/c", FakeConsumer())
    one.caller.entitle((), Rights())
    assert accounts.of(one.caller).subscriptions.used == 0


async def test_transactions_are_bounded_together_and_make_room_when_they_end() -> None:
    """However many there are, a session holds no more than one may hold; whichever way they end."""
    world = Messaging(limits=ExchangeLimits(transaction_octets=1_000))
    await world.queue()
    session = world.open()
    big = message("x" * 436)  # 500 octets with what it costs to keep
    for end in (session.commit, session.abort):
        for name in ("t", "u"):
            session.begin(name)
            session.send("/queue/work", big, transaction=name)
        session.begin("v")
        with pytest.raises(LimitExceeded, match="transactions"):
            session.send("/queue/work", big, transaction="v")
        for name in ("t", "u", "v"):
            end(name)
    assert world.queues.get("work")[1].waiting == 2
