"""Whatever connections do, and whenever the daemon dies: what was stored and not settled comes again, in order, within credit.

The model knows what each message may be: surely there, surely gone, or (when the daemon died before anybody heard) either.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libvdsm.base.errors import ApiError
from libvdsm.broker.items import State
from libvdsm.broker.queue import Queue
from libvdsm.broker.session import BrokerSession
from libvdsm.interfaces.messaging import Ack, Delivery, Subscription, Verdict
from tests.fakes.messaging import FakeConsumer, Messaging, message, subscribe, turns

NAMES = ("durable", "durable-too", "fleeting")
MOST = 12
WINDOW = 3


@dataclass(eq=False)
class Told:
    """A message as the model knows it."""

    text: str
    queue: str
    is_durable: bool  # it and its queue
    state: str = "there"  # there | gone | either, as what is on disk says | leaving: gone, but not yet on disk
    was_delivered: bool = False
    place: int = 0  # in the order of sending, of all queues


@dataclass(eq=False)
class Watched(FakeConsumer):
    """A consumer whose deliveries the model looks at as they come."""

    machine: BrokerMachine | None = None
    connection: Connection | None = None
    ack: Ack = Ack.INDIVIDUAL
    queue: str = ""
    open: dict[int, Told] = field(default_factory=dict)
    newest: int = 0
    is_over: bool = False

    def deliver(self, delivery: Delivery) -> None:
        super().deliver(delivery)
        assert not self.is_over, "delivered to a subscription that ended"
        assert self.machine is not None
        told = self.machine.told[delivery.message.body.decode()]
        assert told.queue == self.queue
        assert told.state not in ("gone", "leaving"), f"{told.text} was settled, and came again"
        assert told not in self.machine.held(), f"{told.text} is with two consumers"
        assert delivery.redelivered or not told.was_delivered, f"{told.text} does not say that it came before"
        if not delivery.redelivered:
            assert told.place > self.newest, "out of order"
            self.newest = told.place
        told.was_delivered = True
        if self.ack is Ack.AUTO:
            told.state = "leaving" if told.is_durable else "gone"  # that it is gone has yet to be recorded
        else:
            self.open[delivery.tag] = told
            assert len(self.open) <= WINDOW, "beyond the credit"


@dataclass(eq=False)
class Connection:
    """A session and its subscriptions."""

    session: BrokerSession
    consumers: dict[str, tuple[Watched, Subscription]] = field(default_factory=dict)
    ended: list[Watched] = field(default_factory=list)
    transactions: dict[str, tuple[list[Told], list[tuple[Watched, int]]]] = field(default_factory=dict)

    def watched(self) -> list[Watched]:
        return [each for each, _ in self.consumers.values()] + self.ended

    def in_transactions(self) -> set[tuple[Watched, int]]:
        return {each for _, settles in self.transactions.values() for each in settles}


class BrokerMachine(RuleBasedStateMachine):
    """Connections that come, send, receive, settle and go; and a daemon that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.told: dict[str, Told] = {}
        self.numbers = itertools.count(1)
        self.names = itertools.count(1)
        self.places = itertools.count(1)
        self.connections: list[Connection] = []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.run(self._all_is_accounted_for())
        self.loop.close()

    def held(self) -> list[Told]:
        return [told for c in self.connections for watched in c.watched() for told in watched.open.values()]

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        self.world = Messaging()
        for name in NAMES:
            await self.world.queue(name, durable=name != "fleeting", max_messages=MOST)
        await self._connect()
        await self._connect()

    # --- what clients do

    @rule()
    @precondition(lambda self: len(self.connections) < 4)
    def connect(self) -> None:
        self.run(self._connect())

    async def _connect(self) -> None:
        self.connections.append(Connection(self.world.open()))

    @rule(data=st.data(), name=st.sampled_from(NAMES), kinds=st.lists(st.booleans(), min_size=1, max_size=4), waits=st.booleans())
    @precondition(lambda self: self.connections)
    def send(self, data: st.DataObject, name: str, kinds: list[bool], waits: bool) -> None:
        connection = data.draw(st.sampled_from(self.connections))
        transaction = data.draw(st.sampled_from([None, *connection.transactions]))
        for durable in kinds:
            self.run(self._send(connection, name, durable, waits, transaction))

    async def _send(self, connection: Connection, name: str, durable: bool, waits: bool, transaction: str | None) -> None:
        told = Told(str(next(self.numbers)), name, durable and name != "fleeting")
        self.told[told.text] = told
        if transaction is not None:
            told.state = "gone"
            connection.session.send(f"/queue/{name}", message(told.text, durable=durable), transaction=transaction)
            connection.transactions[transaction][0].append(told)
            return
        told.place = next(self.places)
        try:
            receipt = connection.session.send(f"/queue/{name}", message(told.text, durable=durable))
        except ApiError:
            told.state = "gone"
            return
        assert (receipt is not None) == told.is_durable
        if waits and receipt is not None:
            await receipt
        elif told.is_durable:
            told.state = "either"

    @rule(data=st.data(), name=st.sampled_from(NAMES), ack=st.sampled_from(list(Ack)), room=st.sampled_from((0, 2, 1_000_000)))
    @precondition(lambda self: self.connections)
    def receive(self, data: st.DataObject, name: str, ack: Ack, room: int) -> None:
        self.run(self._receive(data.draw(st.sampled_from(self.connections)), name, ack, room))

    async def _receive(self, connection: Connection, name: str, ack: Ack, room: int) -> None:
        if len(connection.consumers) >= 3:
            return
        id = str(next(self.names))
        watched = Watched(machine=self, connection=connection, ack=ack, queue=name, room=room)
        subscription = subscribe(connection.session, f"/queue/{name}", watched, ack, id=id, credit=WINDOW)
        connection.consumers[id] = (watched, subscription)

    @rule(data=st.data())
    @precondition(lambda self: any(c.consumers for c in self.connections))
    def stop_receiving(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from([c for c in self.connections if c.consumers]))
        id = data.draw(st.sampled_from(sorted(connection.consumers)))
        self.run(self._stop_receiving(connection, id))

    async def _stop_receiving(self, connection: Connection, id: str) -> None:
        watched, subscription = connection.consumers.pop(id)
        subscription.end()
        watched.is_over = True
        connection.ended.append(watched)

    @rule(data=st.data())
    @precondition(lambda self: any(c.consumers for c in self.connections))
    def read(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from([c for c in self.connections if c.consumers]))
        id = data.draw(st.sampled_from(sorted(connection.consumers)))

        async def act() -> None:
            connection.consumers[id][0].read(2)

        self.run(act())

    @rule(
        data=st.data(),
        verdict=st.sampled_from((Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.RELEASED, Verdict.REJECTED)),
        waits=st.booleans(),
    )
    def settle(self, data: st.DataObject, verdict: Verdict, waits: bool) -> None:
        choices = [
            (c, watched, tag)
            for c in self.connections
            for watched in c.watched()
            for tag in watched.open
            if (watched, tag) not in c.in_transactions()
        ]
        if not choices:
            return
        connection, watched, tag = data.draw(st.sampled_from(choices))
        transaction = data.draw(st.sampled_from([None, *connection.transactions]))
        self.run(self._settle(connection, watched, tag, verdict, waits, transaction))

    async def _settle(
        self, connection: Connection, watched: Watched, tag: int, verdict: Verdict, waits: bool, transaction: str | None
    ) -> None:
        cumulative = watched.ack is Ack.CLIENT
        busy = connection.in_transactions()
        tags = [each for each in sorted(watched.open) if each <= tag and (watched, each) not in busy] if cumulative else [tag]
        if transaction is not None:
            connection.session.settle(tag, Verdict.ACCEPTED, transaction=transaction)
            connection.transactions[transaction][1].extend((watched, each) for each in tags)
            return
        settled = [watched.open.pop(each) for each in tags]
        session = connection.session
        recorded = session.accept(tag) if verdict is Verdict.ACCEPTED and tag % 3 else session.settle(tag, verdict)
        if verdict is Verdict.RELEASED:
            return
        for told in settled:
            told.state = "gone"
        if recorded is not None and waits:
            await recorded
        elif recorded is not None:
            for told in settled:
                if told.is_durable:
                    told.state = "leaving"

    @rule(data=st.data())
    @precondition(lambda self: self.connections)
    def begin_transaction(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.connections))
        name = str(next(self.names))
        connection.session.begin(name)
        connection.transactions[name] = ([], [])

    @rule(data=st.data(), commits=st.booleans(), waits=st.booleans())
    @precondition(lambda self: any(c.transactions for c in self.connections))
    def end_transaction(self, data: st.DataObject, commits: bool, waits: bool) -> None:
        connection = data.draw(st.sampled_from([c for c in self.connections if c.transactions]))
        name = data.draw(st.sampled_from(sorted(connection.transactions)))
        self.run(self._end_transaction(connection, name, commits, waits))

    async def _end_transaction(self, connection: Connection, name: str, commits: bool, waits: bool) -> None:
        sends, settles = connection.transactions.pop(name)
        if not commits:
            connection.session.abort(name)
            return
        tolds = [watched.open[tag] for watched, tag in settles]
        try:
            for told in sends:
                told.state, told.place = "there", next(self.places)
            recorded = connection.session.commit(name)
        except ApiError:
            for told in sends:
                told.state = "gone"
            return
        for (watched, tag), told in zip(settles, tolds, strict=True):
            watched.open.pop(tag)
            told.state = "gone"
        if recorded is not None and waits:
            await recorded
        elif recorded is not None:
            for told in sends:
                told.state = "either" if told.state == "there" else told.state
            for told in tolds:
                told.state = "leaving" if told.is_durable else "gone"

    @rule(data=st.data())
    @precondition(lambda self: self.connections)
    def disconnect(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.connections))
        self.run(self._disconnect(connection))

    async def _disconnect(self, connection: Connection) -> None:
        self.connections.remove(connection)
        if not self.connections:
            await self._connect()
        for watched in connection.watched():
            watched.is_over = True
        connection.session.close()

    # --- what the daemon does

    @rule()
    def turn(self) -> None:
        """The loop goes round: what was asked for is recorded."""
        self.run(self._turn())

    async def _turn(self) -> None:
        await turns()
        for told in self.told.values():
            if told.state == "either":
                told.state = "there"
            elif told.state == "leaving":
                told.state = "gone"

    @rule(chance=st.integers(0, 7))
    def crash(self, chance: int) -> None:
        """The daemon dies between two turns of the loop, and begins again with what is on disk."""
        if chance == 7:
            self.run(self._crash())

    async def _crash(self) -> None:
        for connection in self.connections:
            for watched in connection.watched():
                watched.is_over = True
                watched.room = 0
        self.connections = []
        before = self.world
        self.world = before.again()
        await self.world.queue("fleeting", max_messages=MOST)
        there = {i.message.body.decode() for name in NAMES for i in self.world.queues.get(name)[1].items()}
        for told in self.told.values():
            if not told.is_durable:
                told.state = "gone"
            elif told.state == "there":
                assert told.text in there, f"{told.text} was stored, and is lost"
            elif told.state == "gone":
                assert told.text not in there, f"{told.text} was settled, and is back"
            else:
                told.state = "there" if told.text in there else "gone"
        # What the life before still does is of no consequence for the one after.
        before.messages.become("failed")
        before.state.become("failed")
        await self._connect()
        await self._connect()

    # --- what always holds

    @invariant()
    def accounts_are_exact(self) -> None:
        if not hasattr(self, "world"):
            return
        queues = [self.world.queues.get(name)[1] for name in NAMES]
        for queue in queues:
            self._account(queue)
        assert self.world.queues.octets == sum(queue.octets for queue in queues)

    def _account(self, queue: Queue) -> None:
        waiting = list(queue.items())
        held = [
            item
            for connection in self.connections
            for item in connection.session.unsettled.values()
            if item.queue is queue and item.state is State.HELD
        ]
        pending = queue.pending()
        assert queue.waiting == len(waiting)
        assert queue.unsettled == len(held)
        assert queue.messages == len(waiting) + len(held) + len(pending) <= MOST
        assert queue.octets == sum(item.octets for item in (*waiting, *held, *pending))
        assert [item.sequence for item in waiting] == sorted(item.sequence for item in waiting)

    async def _all_is_accounted_for(self) -> None:
        """At the end everybody goes, one comes and takes all there is: just what must be there, in order."""
        await self._turn()
        for connection in list(self.connections):
            await self._disconnect(connection)
        self.connections.clear()
        for name in NAMES:
            last = Watched(machine=self, queue=name, ack=Ack.AUTO)
            subscribe(self.world.open(), f"/queue/{name}", last, id=name)
            expected = [told for told in self.told.values() if told.queue == name and told.state == "there"]
            await turns()
            assert last.bodies() == [told.text for told in sorted(expected, key=lambda told: told.place)]
        assert self.world.messages.load("message") == {} or await self._emptied()

    async def _emptied(self) -> bool:
        await turns()
        return self.world.messages.load("message") == {}


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
