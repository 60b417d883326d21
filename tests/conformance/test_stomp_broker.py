"""What STOMP's frames do to the real broker (ST-083 to ST-137): queues durable and not, acknowledgements, transactions.

The lines of the checklist that ``test_stomp_sessions`` sees over a broker of its own making are seen here over the one that clients have.
Most is done more than once, because a frame that is like one before takes a shorter way.
"""

from __future__ import annotations

import pytest

from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.broker.queue import Queue
from libvdsm.interfaces.caller import Rights
from libvdsm.wire.stomp.events import Frame
from tests.fakes.messaging import ALL, TEST, Messaging, message, turns
from tests.fakes.stomp_peer import Peer, World, login

VERSIONS = ("1.0", "1.1", "1.2")
over_versions = pytest.mark.parametrize("version", VERSIONS)
over_durability = pytest.mark.parametrize("durable", (False, True), ids=("transient", "durable"))
WORK = ("destination", "/queue/work")


class Room:
    """A broker with clients of STOMP."""

    def __init__(self) -> None:
        self.messaging = Messaging()
        self._world = World()
        self._world.endpoint = StompEndpoint(
            exchange=self.messaging.exchange, rpc=self._world.rpc, login=login, now=self._world.clock.time, sweep=self._world.sweep
        )

    async def queue(self, name: str = "work", *, durable: bool = False, **more: int | str) -> Queue:
        """A new queue."""
        return await self.messaging.queue(name, durable=durable, **more)  # type: ignore[arg-type]  # each rule has its type

    def client(self, version: str = "1.2", rights: Rights = ALL) -> Peer:
        """Somebody who has said CONNECT, and may do all."""
        peer = self._world.peer(identity="user:alice", source="token")
        peer.caller.entitle((), rights)
        peer.send("CONNECT", ("accept-version", version), ("host", "here"))
        assert peer.frame().command == "CONNECTED"
        peer.version = version
        return peer

    async def taken(self, mode: str, *, durable: bool = False, version: str = "1.2", count: int = 5) -> tuple[Peer, list[Frame], Queue]:
        """Somebody who has been given some messages of a queue."""
        queue = await self.queue(durable=durable)
        peer = self.client(version)
        for number in range(1, count + 1):
            peer.send("SEND", WORK, body=b"%d" % number)
        peer.subscribe("/queue/work", "s", ("ack", mode))
        frames = await heard(peer)
        assert bodies(frames) == [b"%d" % number for number in range(1, count + 1)]
        return peer, frames, queue

    async def left(self, queue: Queue) -> list[bytes]:
        """What waits there, and what is recorded of it."""
        await turns()
        waiting = [item.message.body for item in queue.items()]
        if queue.rules.durable:
            assert len(self.messaging.messages.load("message")) == queue.messages
        assert (queue.messages, queue.unsettled) == (len(waiting), 0)
        return waiting


async def heard(peer: Peer) -> list[Frame]:
    """All that was said since the last time, when nothing more is under way."""
    await turns(20)
    return peer.frames()


def bodies(frames: list[Frame]) -> list[bytes]:
    """Of MESSAGE frames."""
    assert {frame.command for frame in frames} <= {"MESSAGE"}, frames
    return [frame.body for frame in frames]


def naming(frame: Frame, version: str) -> list[tuple[str, str]]:
    """How a delivery is named in an ACK."""
    if version == "1.2":
        return [("id", frame.headers["ack"])]
    named = [("message-id", frame.headers["message-id"])]
    return named if version == "1.0" else [*named, ("subscription", frame.headers["subscription"])]


# SEND.


async def test_st_083_what_only_the_broker_says_is_not_taken_from_senders() -> None:
    room = Room()
    await room.queue()
    peer = room.client()
    peer.subscribe("/queue/work")
    names = ("message-id", "subscription", "ack", "redelivered", "user-id", "delivery-count", "resume", "dead-letter-reason", "gap")
    forged = dict.fromkeys(names, "forged")
    for _ in range(3):
        peer.send("SEND", WORK, *forged.items(), body=b"x")
    frames = await heard(peer)
    assert bodies(frames) == [b"x"] * 3
    for frame in frames:
        assert {name for name, value in frame.headers.items() if value == "forged"} <= {"gap"}
        assert frame.headers["user-id"] == "user:alice"
        assert {"ack", "redelivered", "delivery-count", "resume", "dead-letter-reason"}.isdisjoint(frame.headers)


async def test_st_084_a_receipt_means_that_a_durable_message_is_recorded() -> None:
    room = Room()
    await room.queue(durable=True)
    peer = room.client()
    for number in range(1, 4):
        peer.send("SEND", WORK, ("receipt", str(number)), body=b"x")
        assert peer.frames() == []
        assert len(room.messaging.messages.load("message")) == number - 1
        (receipt,) = await heard(peer)
        assert receipt.headers["receipt-id"] == str(number)
        assert len(room.messaging.messages.load("message")) == number
    again = room.messaging.again()
    assert [item.message.body for item in again.queues.get("work")[1].items()] == [b"x"] * 3


async def test_st_084_what_need_not_persist_is_not_recorded_and_has_its_receipt_at_once() -> None:
    room = Room()
    queue = await room.queue(durable=True)
    peer = room.client()
    for number, value in enumerate(("false", "true", "FALSE", "")):
        peer.send("SEND", WORK, ("persistent", value), ("receipt", value), body=b"%d" % number)
        at_once = peer.frames()
        assert [frame.headers["receipt-id"] for frame in at_once] == (["false"] if value == "false" else [])
        assert [frame.headers["receipt-id"] for frame in [*at_once, *await heard(peer)]] == [value]
    assert len(room.messaging.messages.load("message")) == 3
    assert [item.message.body for item in queue.items()] == [b"0", b"1", b"2", b"3"]
    again = room.messaging.again()
    assert [item.message.body for item in again.queues.get("work")[1].items()] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("state", ("full", "failed"))
@pytest.mark.parametrize("when", ("before", "meanwhile"))
async def test_st_085_what_cannot_be_recorded_has_an_error_instead(state: str, when: str) -> None:
    room = Room()
    queue = await room.queue(durable=True)
    peer = room.client()
    if when == "before":
        room.messaging.messages.become(state)
    peer.send("SEND", WORK, ("receipt", "r"), body=b"x")
    if when == "meanwhile":
        room.messaging.messages.become(state)
    (error,) = await heard(peer)
    assert (error.command, error.headers["receipt-id"]) == ("ERROR", "r")
    assert error.headers["error"] in {"StateFull", "StateUnavailable"}
    assert peer.line.is_finished
    assert await room.left(queue) == []


@pytest.mark.parametrize("with_receipt", (False, True))
@pytest.mark.parametrize("why", ("gone", "full", "right", "never"))
async def test_st_081_085_a_send_to_where_it_may_not_go_is_the_end(why: str, with_receipt: bool) -> None:
    """Also when it was well a moment ago, and the frame is known by its head."""
    room = Room()
    queue = await room.queue(max_messages=2)
    peer = room.client()
    sent = () if not with_receipt else (("receipt", "r"),)
    where = ("destination", "/queue/none" if why == "never" else "/queue/work")
    if why != "never":
        for _ in range(2):
            peer.send("SEND", where, *sent, body=b"x")
        assert {frame.command for frame in await heard(peer)} <= {"RECEIPT"}
    if why == "gone":
        room.messaging.queues.delete("work", TEST)
    elif why == "right":
        peer.caller.entitle((), Rights(frozenset({"queue.read"})))
    peer.send("SEND", where, *sent, body=b"late")
    (error,) = await heard(peer)
    assert error.command == "ERROR"
    expected = {"gone": "ObjectNotFound", "full": "LimitExceeded", "right": "PermissionDenied", "never": "ObjectNotFound"}
    assert error.headers["error"] == expected[why]
    assert error.headers.get("receipt-id") == ("r" if with_receipt else None)
    assert peer.line.is_finished
    assert b"late" not in [item.message.body for item in queue.items()]


@over_versions
async def test_st_082_086_headers_body_and_destination_arrive(version: str) -> None:
    room = Room()
    await room.queue()
    peer = room.client(version)
    peer.subscribe("/queue/work", "q")
    peer.subscribe("/topic/news.#", "t")
    own = [("zeta", "1"), ("alpha", " 2 "), ("größe", "♥")] + ([("co:lon", "a:b\nc\\d")] if version != "1.0" else [])
    for destination in ("/queue/work", "/topic/news.sport"):
        for body in (b"", b"\0\n\0", b"x" * 10_000):
            length = ("content-length", str(len(body)))
            peer.send("SEND", ("destination", destination), ("content-type", "a/b;c"), *own, *([length] if not body else []), body=body)
            (frame,) = await heard(peer)
            assert (frame.headers["destination"], frame.headers["content-type"], frame.body) == (destination, "a/b;c", body)
            assert [(name, value) for name, value in frame.headers.items() if name in dict(own)] == own


# Subscriptions.


async def test_st_095_after_the_receipt_of_unsubscribe_nothing_comes() -> None:
    room = Room()
    queue = await room.queue()
    peer, other = room.client(), room.client()
    for destination in ("/queue/work", "/topic/news"):
        peer.subscribe(destination)
        for _ in range(3):
            other.send("SEND", ("destination", destination), body=b"x")
        before = peer.frames()
        peer.send("UNSUBSCRIBE", ("id", "s"), ("receipt", "r"))
        other.send("SEND", ("destination", destination), body=b"y")
        *late, receipt = await heard(peer)
        assert receipt.command == "RECEIPT"
        assert set(bodies([*before, *late])) <= {b"x"}
        other.send("SEND", ("destination", destination), body=b"z")
        assert await heard(peer) == []
    assert (await room.left(queue))[-2:] == [b"y", b"z"]


@pytest.mark.parametrize("loss", ("queue", "right"))
@pytest.mark.parametrize("mode", ("auto", "client", "client-individual"))
async def test_st_098_what_is_taken_from_under_a_subscriber_is_an_error_and_the_end(loss: str, mode: str) -> None:
    room = Room()
    await room.queue("other")
    peer, _frames, queue = await room.taken(mode)
    if loss == "queue":
        room.messaging.queues.delete("work", TEST)
    else:
        peer.caller.entitle((), Rights(objects={("queue", "other"): frozenset({"queue.receive"})}))
    (error,) = await heard(peer)
    assert (error.command, error.headers["error"]) == ("ERROR", "ObjectNotFound" if loss == "queue" else "PermissionDenied")
    assert peer.line.is_finished
    peer.session.close()
    if loss == "right":
        assert len(await room.left(queue)) == (0 if mode == "auto" else 5)
    assert room.messaging.exchange.sessions() == 0


async def test_st_099_100_a_queue_is_shared_a_topic_is_not_and_a_lost_connection_has_neither() -> None:
    room = Room()
    queue = await room.queue()
    peer, other = room.client(), room.client()
    for destination, ids in (("/topic/news", ("t1", "t2")), ("/queue/work", ("q1", "q2"))):
        for id in ids:
            peer.subscribe(destination, id)
    for number in range(4):
        other.send("SEND", ("destination", "/topic/news"), body=b"t%d" % number)
        other.send("SEND", WORK, body=b"q%d" % number)
    frames = await heard(peer)
    of = {id: [frame.body for frame in frames if frame.headers["subscription"] == id] for id in ("t1", "t2", "q1", "q2")}
    assert of["t1"] == of["t2"] == [b"t0", b"t1", b"t2", b"t3"]
    assert sorted(of["q1"] + of["q2"]) == [b"q0", b"q1", b"q2", b"q3"]
    assert len(of["q1"]) == len(of["q2"]) == 2
    peer.session.close()
    other.send("SEND", WORK, body=b"later")
    assert await room.left(queue) == [b"later"]


# ACK and NACK.


@over_durability
@over_versions
async def test_st_111_with_client_an_ack_is_for_all_before_it_of_that_subscription(version: str, durable: bool) -> None:
    room = Room()
    other = await room.queue("other", durable=durable)
    peer, frames, queue = await room.taken("client", durable=durable, version=version)
    peer.send("SEND", ("destination", "/queue/other"), body=b"x")
    peer.subscribe("/queue/other", "o", ("ack", "client"))
    (last,) = await heard(peer)
    for index in (0, 2):  # the second one is known by the first
        peer.send("ACK", *naming(frames[index], version))
    peer.send("UNSUBSCRIBE", ("id", "s"))
    assert await heard(peer) == []
    peer.session.close()
    await turns()
    assert [item.message.body for item in other.items()] == [last.body]
    assert [item.message.body for item in queue.items()] == [b"4", b"5"]


@over_durability
@pytest.mark.parametrize("version", ("1.1", "1.2"))
async def test_st_112_118_with_client_individual_an_ack_is_for_one_and_the_others_go_elsewhere(version: str, durable: bool) -> None:
    room = Room()
    peer, frames, _queue = await room.taken("client-individual", durable=durable, version=version)
    for index in (2, 0):
        peer.send("ACK", *naming(frames[index], version))
    other = room.client()
    other.subscribe("/queue/work", "o", ("ack", "client"))
    assert await heard(other) == []
    peer.session.close()
    again = await heard(other)
    assert bodies(again) == [b"2", b"4", b"5"]
    assert all(frame.headers["redelivered"] == "true" for frame in again)
    assert all("delivery-count" not in frame.headers for frame in again)  # nobody tried in vain


@pytest.mark.parametrize("durable", (False, True))
async def test_st_110_with_auto_a_message_is_done_when_it_is_written(durable: bool) -> None:
    room = Room()
    peer, _frames, queue = await room.taken("auto", durable=durable)
    peer.session.close()
    assert await room.left(queue) == []


@over_durability
@pytest.mark.parametrize(("mode", "which"), (("client", [b"1", b"2"]), ("client-individual", [b"2"])))
async def test_st_113_a_nack_gives_back_and_buries_what_was_tried_too_often(mode: str, which: list[bytes], durable: bool) -> None:
    room = Room()
    dead = await room.queue("dead", durable=durable)
    queue = await room.queue("nacked", durable=durable, dead_letter="dead", max_deliveries=3)
    peer = room.client()
    for number in range(1, 6):
        peer.send("SEND", ("destination", "/queue/nacked"), body=b"%d" % number)
    peer.subscribe("/queue/nacked", "s", ("ack", mode))
    frames = await heard(peer)
    peer.send("NACK", ("id", frames[1].headers["ack"]))
    again = await heard(peer)
    assert bodies(again) == which
    assert {(frame.headers["redelivered"], frame.headers["delivery-count"]) for frame in again} == {("true", "1")}
    peer.send("NACK", ("id", again[-1].headers["ack"]))  # with client also of all that is before it
    again = await heard(peer)
    assert bodies(again) == ([b"1", b"2", b"3", b"4", b"5"] if mode == "client" else which)
    counts = ["2", "2", "1", "1", "1"] if mode == "client" else ["2"]
    assert [frame.headers["delivery-count"] for frame in again] == counts
    peer.send("NACK", ("id", again[len(which) - 1].headers["ack"]))  # the third time
    assert await heard(peer) == []
    assert [item.message.body for item in dead.items()] == which
    assert [item.message.headers["dead-letter-reason"] for item in dead.items()] == ["failed"] * len(which)
    peer.session.close()
    await turns()
    assert [item.message.body for item in queue.items()] == [each for each in (b"1", b"2", b"3", b"4", b"5") if each not in which]


async def test_st_113_a_nack_that_wants_no_requeue_buries_at_once() -> None:
    room = Room()
    dead = await room.queue("dead")
    queue = await room.queue("work", dead_letter="dead")
    peer = room.client()
    peer.subscribe("/queue/work", "s", ("ack", "client-individual"))
    for number in range(2):
        peer.send("SEND", WORK, body=b"%d" % number)
        (frame,) = await heard(peer)
        peer.send("NACK", ("id", frame.headers["ack"]), ("requeue", "false"))
    assert await heard(peer) == []
    assert [item.message.body for item in dead.items()] == [b"0", b"1"]
    assert await room.left(queue) == []


@pytest.mark.parametrize("mode", ("client", "client-individual"))
@over_versions
async def test_st_115_an_ack_of_what_is_settled_is_an_error_also_by_the_short_way(mode: str, version: str) -> None:
    if (mode, version) == ("client-individual", "1.0"):
        mode = "client"
    room = Room()
    peer, frames, _queue = await room.taken(mode, version=version)
    for index in (0, 1, 1):
        peer.send("ACK", *naming(frames[index], version))
    (error,) = await heard(peer)
    assert (error.command, error.headers["error"]) == ("ERROR", "ObjectNotFound")
    assert peer.line.is_finished


async def test_st_116_117_every_delivery_has_ids_of_its_own_also_the_same_message() -> None:
    room = Room()
    await room.queue()
    peer = room.client()
    for id, mode in (("1", "client"), ("2", "client-individual"), ("3", "auto")):
        peer.subscribe("/topic/news", id, ("ack", mode))
    peer.subscribe("/queue/work", "4", ("ack", "client"))
    for _ in range(3):
        peer.send("SEND", ("destination", "/topic/news"), body=b"x")
        peer.send("SEND", WORK, body=b"y")
    frames = await heard(peer)
    assert len({frame.headers["message-id"] for frame in frames}) == len(frames) == 12
    assert len({frame.headers["ack"] for frame in frames if "ack" in frame.headers}) == 9
    assert all(("ack" in frame.headers) is (frame.headers["subscription"] != "3") for frame in frames)
    for frame in frames:
        if frame.headers["subscription"] == "2":
            peer.send("ACK", ("id", frame.headers["ack"]))
    assert not peer.line.is_finished


async def test_st_119_an_ack_after_unsubscribe_settles_and_the_rest_waits_for_the_end() -> None:
    room = Room()
    peer, frames, queue = await room.taken("client")
    peer.send("UNSUBSCRIBE", ("id", "s"))
    peer.send("ACK", ("id", frames[1].headers["ack"]))
    peer.send("ACK", ("id", frames[3].headers["ack"]))
    assert await heard(peer) == []
    peer.session.close()
    assert await room.left(queue) == [b"5"]


@over_versions
async def test_st_120_an_ack_of_what_needs_none_is_an_error(version: str) -> None:
    room = Room()
    peer, frames, _queue = await room.taken("auto", version=version)
    named = [("id", "1")] if version == "1.2" else naming(frames[0], version)
    peer.send("ACK", *named)
    (error,) = await heard(peer)
    assert error.headers["error"] == "ObjectNotFound"


async def test_st_039_unsettled_deliveries_are_as_many_as_the_subscription_says() -> None:
    room = Room()
    await room.queue()
    peer = room.client()
    for number in range(20):
        peer.send("SEND", WORK, body=b"%d" % number)
    peer.subscribe("/queue/work", "s", ("ack", "client"), ("prefetch-count", "4"))
    frames = await heard(peer)
    assert bodies(frames) == [b"0", b"1", b"2", b"3"]
    peer.send("ACK", ("id", frames[1].headers["ack"]))
    more = await heard(peer)
    assert bodies(more) == [b"4", b"5"]
    peer.send("NACK", ("id", more[0].headers["ack"]))  # and all before it
    assert bodies(await heard(peer)) == [b"2", b"3", b"4"]


# Transactions.


@over_durability
async def test_st_132_137_nothing_is_seen_before_commit_and_all_behind_its_receipt(durable: bool) -> None:
    room = Room()
    peer, frames, queue = await room.taken("client", durable=durable)
    second = await room.queue("second", durable=durable)
    other = room.client()
    for id, destination in (("q", "/queue/second"), ("t", "/topic/news")):
        other.subscribe(destination, id)
    peer.send("BEGIN", ("transaction", "t"))
    for body in (b"1", b"2"):
        peer.send("SEND", ("destination", "/queue/second"), ("transaction", "t"), ("receipt", "accepted"), body=body)
    peer.send("SEND", ("destination", "/topic/news"), ("transaction", "t"), body=b"told")
    peer.send("ACK", ("id", frames[2].headers["ack"]), ("transaction", "t"))
    assert [frame.headers["receipt-id"] for frame in await heard(peer)] == ["accepted"] * 2
    assert await heard(other) == []
    assert (second.messages, queue.unsettled) == (0, 5)
    peer.send("COMMIT", ("transaction", "t"), ("receipt", "done"))
    if durable:
        assert peer.frames() == []
    assert [frame.headers["receipt-id"] for frame in await heard(peer)] == ["done"]
    assert sorted(bodies(await heard(other))) == [b"1", b"2", b"told"]
    peer.session.close()
    assert [item.message.body for item in queue.items()] == [b"4", b"5"]


@over_durability
async def test_st_133_136_abort_drops_what_was_sent_and_reopens_what_was_settled(durable: bool) -> None:
    room = Room()
    second = await room.queue("second", durable=durable)
    peer, frames, queue = await room.taken("client-individual", durable=durable)
    for name in ("t", "u"):
        peer.send("BEGIN", ("transaction", name))
    for name, index in (("t", 0), ("u", 1), ("t", 2)):
        peer.send("SEND", ("destination", "/queue/second"), ("transaction", name), body=name.encode())
        peer.send("ACK", ("id", frames[index].headers["ack"]), ("transaction", name))
    peer.send("ABORT", ("transaction", "t"))
    peer.send("COMMIT", ("transaction", "u"))
    peer.send("ACK", ("id", frames[0].headers["ack"]))  # it is open again
    assert await heard(peer) == []
    assert [item.message.body for item in second.items()] == [b"u"]
    peer.session.close()
    await turns()
    assert [item.message.body for item in queue.items()] == [b"3", b"4", b"5"]


@over_durability
@pytest.mark.parametrize("why", ("gone", "full", "right", "disk"))
async def test_st_132_a_commit_of_which_one_member_fails_does_nothing_at_all(why: str, durable: bool) -> None:
    room = Room()
    if why == "disk" and not durable:
        durable = True
    first = await room.queue("first", durable=durable)
    await room.queue("small", durable=durable, max_messages=1)
    peer, frames, queue = await room.taken("client", durable=durable)
    other = room.client()
    other.subscribe("/topic/news", "n")
    peer.send("BEGIN", ("transaction", "t"))
    for destination in ("/queue/first", "/topic/news", "/queue/small", *(("/queue/small",) if why == "full" else ())):
        peer.send("SEND", ("destination", destination), ("transaction", "t"), body=b"x")
    peer.send("ACK", ("id", frames[3].headers["ack"]), ("transaction", "t"))
    if why == "gone":
        room.messaging.queues.delete("small", TEST)
    elif why == "right":
        allowed = frozenset({"queue.send", "queue.receive"})
        peer.caller.entitle((), Rights(frozenset({"topic.publish"}), objects={("queue", name): allowed for name in ("first", "work")}))
    elif why == "disk":
        room.messaging.messages.become("full")
    peer.send("COMMIT", ("transaction", "t"), ("receipt", "c"))
    (error,) = await heard(peer)
    assert (error.command, error.headers["receipt-id"]) == ("ERROR", "c")
    assert peer.line.is_finished
    peer.session.close()
    await turns()
    assert await heard(other) == []
    assert (first.messages, queue.unsettled) == (0, 0)
    assert [item.message.body for item in queue.items()] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("how", ("lost", "disconnect", "error"))
async def test_st_135_a_connection_that_ends_midway_leaves_nothing_of_its_transactions(how: str) -> None:
    room = Room()
    second = await room.queue("second")
    peer, frames, queue = await room.taken("client")
    for name in ("t", "u"):
        peer.send("BEGIN", ("transaction", name))
        peer.send("SEND", ("destination", "/queue/second"), ("transaction", name), body=b"x")
    peer.send("ACK", ("id", frames[1].headers["ack"]), ("transaction", "t"))
    if how == "disconnect":
        peer.send("DISCONNECT", ("receipt", "r"))
    elif how == "error":
        peer.raw(b"HELLO\n\n\0")
    peer.session.close()
    assert (await room.left(second), await room.left(queue)) == ([], [b"1", b"2", b"3", b"4", b"5"])
    other = room.client()
    other.subscribe("/queue/work")
    assert [frame.headers.get("redelivered") for frame in await heard(other)] == ["true"] * 5


async def test_st_131_134_names_of_transactions_are_those_of_a_connection() -> None:
    room = Room()
    second = await room.queue("second")
    peer, other = room.client(), room.client()
    for each in (peer, other):
        each.send("BEGIN", ("transaction", "t"))
        each.send("SEND", ("destination", "/queue/second"), ("transaction", "t"), body=b"x")
    peer.send("COMMIT", ("transaction", "t"))
    assert await room.left(second) == [b"x"]
    peer.send("BEGIN", ("transaction", "t"))
    peer.send("ABORT", ("transaction", "t"))
    assert await heard(peer) == []
    peer.send("SEND", ("destination", "/queue/second"), ("transaction", "t"), body=b"y")
    (error,) = await heard(peer)
    assert error.headers["error"] == "ObjectNotFound"
    other.send("COMMIT", ("transaction", "t"))
    assert await room.left(second) == [b"x", b"x"]


async def test_st_118_what_a_dead_client_held_keeps_its_place() -> None:
    room = Room()
    peer, frames, queue = await room.taken("client-individual")
    room.messaging.open().send("/queue/work", message("6"))
    peer.send("ACK", ("id", frames[2].headers["ack"]))
    peer.session.close()
    assert await room.left(queue) == [b"1", b"2", b"4", b"5", b"6"]
