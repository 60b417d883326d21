"""The verbs of ``Queue``: what is said of queues, who may do what with them, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any

import msgspec
import pytest

from libvdsm.base.errors import ApiError
from libvdsm.broker.queue import Queue
from libvdsm.broker.service import QueueService
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    LimitExceeded,
    ObjectNotFound,
    PermissionDenied,
    StateFull,
    StateUnavailable,
)
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import QueueCreateParams
from libvdsm.interfaces.messaging import DEAD_REASON, Ack, Verdict
from tests.fakes.front import FakeSink, Front
from tests.fakes.messaging import FakeConsumer, message, subscribe

QUEUES = frozenset(permission for permission in PERMISSIONS if permission.startswith("queue."))


@pytest.fixture
def front() -> Front:
    return Front(verify=True)


async def ask(front: Front, method: str, caller: Caller | None = None, **params: object) -> Any:
    answer = front.bridge.call(caller or front.admin, method, json.dumps(params).encode())
    found = json.loads(answer if isinstance(answer, bytes) else await answer)
    await asyncio.sleep(0)
    front.run_scheduled()
    return found


def tenant(*permissions: str, project: str = "mine") -> Caller:
    rights = Rights(projects={project: frozenset(permissions or QUEUES)})
    return Caller(identity="tina", source="token", roles=(), rights=rights)


def queue(front: Front, name: str) -> Queue:
    return front.queues.get(name)[1]


async def test_life_of_a_queue(front: Front) -> None:
    """It is made, shown, listed and deleted; whoever follows hears of it; its revision is that of its event."""
    sink = FakeSink()
    front.now("Event.subscribe", {"topics": ["queue.#"]}, front.access.unix(0, 0, 1, sink=sink))
    made = await ask(front, "Queue.create", name="work", maxMessages=7, timeToLive=60)
    assert made == {
        "id": "work",
        "project": "default",
        "durable": True,
        "maxMessages": 7,
        "maxOctets": 67108864,
        "overflow": "reject",
        "timeToLive": 60,
        "maxDeliveries": 5,
        "createdAt": made["createdAt"],
        "revision": 1,
    }
    with pytest.raises(AlreadyExists):
        await ask(front, "Queue.create", name="work")
    shown = await ask(front, "Queue.get", queueId="work")
    assert {name: value for name, value in shown.items() if name != "stats"} == made
    assert set(shown["stats"].values()) == {0}
    assert [each["id"] for each in (await ask(front, "Queue.list"))["items"]] == ["work"]
    assert await ask(front, "Queue.delete", queueId="work") == {}
    with pytest.raises(ObjectNotFound):
        await ask(front, "Queue.get", queueId="work")
    told: Any = [each["event"] for each in sink.deliveries]
    assert [(each["topic"], each["change"], each["cause"]["method"]) for each in told] == [
        ("queue.work", "added", "Queue.create"),
        ("queue.work", "removed", "Queue.delete"),
    ]
    assert told[0]["patch"] == made
    assert [(deed.method, deed.outcome) for deed in front.trail.deeds] == [
        ("Queue.create", "done"),
        ("Queue.create", "failed"),
        ("Queue.delete", "done"),
    ]


async def test_pages(front: Front) -> None:
    """All queues in the order of their names, a page at a time."""
    for name in ("c", "a", "b"):
        await ask(front, "Queue.create", name=name)
    first = await ask(front, "Queue.list", limit=2)
    assert ([each["id"] for each in first["items"]], first["next"]) == (["a", "b"], "b")
    second = await ask(front, "Queue.list", limit=2, after=first["next"])
    assert [each["id"] for each in second["items"]] == ["c"]
    assert "next" not in second


async def test_a_queue_that_is_not_on_disk_is_none(front: Front) -> None:
    """If its making cannot be recorded, it never was; if its deletion cannot, it stays with all that is in it."""
    front.store.become("full")
    with pytest.raises(StateFull):
        await ask(front, "Queue.create", name="work")
    front.store.become("ok")
    await ask(front, "Queue.create", name="work", durable=False)
    front.exchange.open(front.admin).send("/queue/work", message("a"))
    front.store.become("failed")
    with pytest.raises(StateUnavailable):
        await ask(front, "Queue.delete", queueId="work")
    front.store.become("ok")
    await front.turns()
    assert queue(front, "work").waiting == 1


async def test_deleting_an_empty_one_only(front: Front) -> None:
    """With ``ifEmpty`` a queue that holds anything stays."""
    await ask(front, "Queue.create", name="work", durable=False)
    front.exchange.open(front.admin).send("/queue/work", message("a"))
    with pytest.raises(InUse):
        await ask(front, "Queue.delete", queueId="work", ifEmpty=True)
    assert await ask(front, "Queue.purge", queueId="work") == {"messages": 1}
    await ask(front, "Queue.delete", queueId="work", ifEmpty=True)


async def test_purging_leaves_what_a_consumer_has(front: Front) -> None:
    """What waits is dropped and counted; what somebody works on is his."""
    await ask(front, "Queue.create", name="work", durable=False)
    session, consumer = front.exchange.open(front.admin), FakeConsumer()
    subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, credit=1)
    for text in "abc":
        session.send("/queue/work", message(text))
    front.run_scheduled()
    assert await ask(front, "Queue.purge", queueId="work") == {"messages": 2}
    stats = (await ask(front, "Queue.get", queueId="work"))["stats"]
    assert (stats["waiting"], stats["unsettled"], stats["dropped"], stats["consumers"], stats["received"]) == (0, 1, 2, 1, 3)
    session.settle(consumer.deliveries[0].tag, Verdict.ACCEPTED)
    assert queue(front, "work").octets == 0


async def test_peeking(front: Front) -> None:
    """What waits, the oldest first, with all that is known of it; a large body only its beginning."""
    await ask(front, "Queue.create", name="work", durable=False, timeToLive=60)
    session = front.exchange.open(front.admin)
    session.send("/queue/work", message("first", headers={"h": "v"}, content_type="text/plain"))
    session.send("/queue/work", message("x" * 100_000))
    page = await ask(front, "Queue.peek", queueId="work", limit=1)
    (item,) = page["items"]
    assert b64decode(item["body"]) == b"first"
    assert (item["headers"], item["contentType"], item["octets"], item["deliveries"]) == ({"h": "v"}, "text/plain", 5, 0)
    assert item["sentBy"] == front.admin.identity
    assert item["expiresAt"] > item["sentAt"]
    (second,) = (await ask(front, "Queue.peek", queueId="work", limit=1, after=page["next"]))["items"]
    assert (second["octets"], len(b64decode(second["body"]))) == (100_000, 65536)
    with pytest.raises(InvalidParams):
        await ask(front, "Queue.peek", queueId="work", after="nonsense")
    assert queue(front, "work").waiting == 2


async def test_moving_dead_letters_back(front: Front) -> None:
    """All or some, in their order, without what told why they were dead."""
    await ask(front, "Queue.create", name="letters", durable=False)
    await ask(front, "Queue.create", name="work", durable=False, deadLetter="letters")
    session, consumer = front.exchange.open(front.admin), FakeConsumer()
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL)
    for text in "abc":
        session.send("/queue/work", message(text, headers={"mine": text}))
    for each in list(consumer.deliveries):
        session.settle(each.tag, Verdict.REJECTED)
    subscription.end()
    items = (await ask(front, "Queue.peek", queueId="letters"))["items"]
    assert [(each["reason"], each["headers"][DEAD_REASON]) for each in items] == [("rejected", "rejected")] * 3
    wanted = [items[2]["id"], items[0]["id"]]
    assert await ask(front, "Queue.move", queueId="letters", target="work", messageIds=wanted) == {"messages": 2}
    assert [(i.message.body, dict(i.message.headers)) for i in queue(front, "work").items()] == [
        (b"a", {"mine": "a"}),
        (b"c", {"mine": "c"}),
    ]
    with pytest.raises(ObjectNotFound):
        await ask(front, "Queue.move", queueId="letters", target="work", messageIds=[items[0]["id"]])
    assert await ask(front, "Queue.move", queueId="letters", target="work") == {"messages": 1}
    with pytest.raises(InvalidParams):
        await ask(front, "Queue.move", queueId="work", target="work")


async def test_moving_all_or_none(front: Front) -> None:
    """If not all have room, none is moved."""
    await ask(front, "Queue.create", name="work", durable=False)
    await ask(front, "Queue.create", name="small", durable=False, maxMessages=1)
    session = front.exchange.open(front.admin)
    for text in "ab":
        session.send("/queue/work", message(text))
    with pytest.raises(LimitExceeded):
        await ask(front, "Queue.move", queueId="work", target="small")
    assert (queue(front, "work").waiting, queue(front, "small").waiting) == (2, 0)


async def test_moving_needs_no_room_of_all_queues(front: Front) -> None:
    """What moves leaves as much as it takes: it may be most of what all queues together hold."""
    for name in ("letters", "work"):
        await ask(front, "Queue.create", name=name, durable=False)
    session = front.exchange.open(front.admin)
    for _ in range(3):
        session.send("/queue/letters", message("x" * 1000))
    front.queues.most_octets = front.queues.octets
    assert await ask(front, "Queue.move", queueId="letters", target="work") == {"messages": 3}
    assert (queue(front, "work").waiting, front.queues.octets) == (3, front.queues.most_octets)


async def test_moving_to_a_disk_that_is_full_loses_nothing(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had no record and is to have one is refused before any is moved."""
    await ask(front, "Queue.create", name="letters", durable=False)
    await ask(front, "Queue.create", name="work")
    session = front.exchange.open(front.admin)
    for text in "ab":
        session.send("/queue/letters", message(text, durable=True))

    def is_full() -> None:
        raise StateFull(reason="a test")

    monkeypatch.setattr(front.queues.keeper, "check", is_full)
    with pytest.raises(StateFull):
        await ask(front, "Queue.move", queueId="letters", target="work")
    assert (queue(front, "letters").waiting, queue(front, "work").messages) == (2, 0)


@pytest.mark.parametrize(("expires_at", "shown"), ((1e12, "9999-12-31T23:59:59.000Z"), (-(2**63) / 1000, "1970-01-01T00:00:00.000Z")))
async def test_peeking_at_what_ends_out_of_time(front: Front, expires_at: float, shown: str) -> None:
    """No sender can say an end that keeps others from looking into the queue."""
    await ask(front, "Queue.create", name="work", durable=False)
    front.exchange.open(front.admin).send("/queue/work", message("x", expires_at=expires_at))
    (item,) = (await ask(front, "Queue.peek", queueId="work"))["items"]
    assert item["expiresAt"] == shown


async def test_tenants_see_their_own(front: Front) -> None:
    """Lists, events and refusals tell a tenant of his project's queues and of no others."""
    await ask(front, "Queue.create", name="theirs")
    tina = tenant()
    await ask(front, "Queue.create", tina, name="mine", project="mine")
    with pytest.raises(PermissionDenied):
        await ask(front, "Queue.create", tina, name="other")
    assert [each["id"] for each in (await ask(front, "Queue.list", tina))["items"]] == ["mine"]
    for method in ("get", "purge", "delete", "peek"):
        texts = []
        for name in ("theirs", "nobodys"):
            with pytest.raises(ObjectNotFound) as caught:
                await ask(front, f"Queue.{method}", tina, queueId=name)
            texts.append(caught.value.message.replace(name, ""))
        assert texts[0] == texts[1]


async def test_dead_letters_and_moves_need_rights_to_their_target(front: Front) -> None:
    """Nobody sends by a queue of his own to where he may not send himself."""
    await ask(front, "Queue.create", name="theirs")
    tina = tenant()
    for name in ("theirs", "nobodys"):
        with pytest.raises(ObjectNotFound):
            await ask(front, "Queue.create", tina, name="mine", project="mine", deadLetter=name)
    await ask(front, "Queue.create", tina, name="mine", project="mine")
    for name in ("theirs", "nobodys"):
        with pytest.raises(ObjectNotFound):
            await ask(front, "Queue.move", tina, queueId="mine", target=name)
    with pytest.raises(InvalidParams):
        await ask(front, "Queue.create", name="circle", deadLetter="circle")


async def test_queues_are_in_snapshots(front: Front) -> None:
    """Who follows from the beginning sees the queues that there are, if he may."""
    await ask(front, "Queue.create", name="work")
    await ask(front, "Queue.create", name="mine", project="mine")
    for caller, expected in (
        (front.access.unix(0, 0, 1, sink=FakeSink()), ["mine", "work"]),
        (tenant("queue.read", "event.read"), ["mine"]),
    ):
        sink = FakeSink()
        caller.sink = sink
        front.now("Event.subscribe", {"topics": ["queue.*"], "snapshot": True}, caller)
        front.run_scheduled()
        told: Any = sink.deliveries
        assert [each["event"]["object"]["id"] for each in told] == expected


@pytest.mark.parametrize(
    ("method", "params", "refusal"),
    (
        ("Queue.create", {"name": "work"}, "AlreadyExists"),
        ("Queue.create", {"name": "new", "deadLetter": "none"}, "ObjectNotFound"),
        ("Queue.delete", {"queueId": "work", "ifEmpty": True}, "InUse"),
        ("Queue.move", {"queueId": "work", "target": "none"}, "ObjectNotFound"),
        ("Queue.move", {"queueId": "work", "target": "small"}, "LimitExceeded"),
    ),
)
async def test_checks_say_what_the_deed_would(front: Front, method: str, params: dict[str, Any], refusal: str) -> None:
    """A plan of the verb names the refusal that the verb then makes."""
    await ask(front, "Queue.create", name="work", durable=False)
    await ask(front, "Queue.create", name="small", durable=False, maxMessages=1)
    session = front.exchange.open(front.admin)
    for text in "ab":
        session.send("/queue/work", message(text))
    entry = METHODS[method]
    decoded = msgspec.json.decode(json.dumps(params).encode(), type=entry.params)
    found = list(getattr(QueueService(front.queues), f"check_{entry.attribute}")(front.admin, decoded))
    assert [each.name for each in found] == [refusal]
    with pytest.raises(ApiError) as caught:
        await ask(front, method, **params)
    assert caught.value.name == refusal


async def test_that_a_name_is_taken_is_told_by_the_deed_alone(front: Front) -> None:
    """Alike whoever has it, and on record; a plan, which leaves no trace, tells of no queue that the caller does not know."""
    for name, project in (("hidden", "theirs"), ("seen", "mine"), ("sent", "theirs")):
        await ask(front, "Queue.create", name=name, project=project)
    front.trail.deeds.clear()
    service = QueueService(front.queues)
    tina = tenant()
    sender = Caller(
        identity="tina",
        source="token",
        roles=(),
        rights=Rights(projects=tina.rights.projects, objects={("queue", "sent"): frozenset(("queue.send",))}),
    )
    for name, is_told in (("hidden", False), ("seen", True), ("sent", True), ("free", False)):
        params = QueueCreateParams(name=name, project="mine")
        assert [error.name for error in service.check_queue_create(sender, params)] == ["AlreadyExists"] * is_told, name
    said = []
    for name in ("hidden", "seen"):
        with pytest.raises(AlreadyExists) as refused:
            await ask(front, "Queue.create", tina, name=name, project="mine")
        said.append((refused.value.message.replace(name, "NAME"), sorted(refused.value.params)))
    assert said[0] == said[1]
    assert [(deed.method, deed.outcome, deed.error) for deed in front.trail.deeds] == [("Queue.create", "failed", "AlreadyExists")] * 2
