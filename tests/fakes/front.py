"""The front core with a recorded worker: for tests of the bridge and of the rooms behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from libvdsm.access.access import Access
from libvdsm.access.guards import Guards
from libvdsm.access.identities import IdentityService
from libvdsm.access.service import AccessService
from libvdsm.base.clock import ManualClock
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.bridge import FrontBridge
from libvdsm.bridge.deeds import Deeds, Handler
from libvdsm.bridge.fairness import FairQueue, QueueLimits
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intents
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.bridge.own import OwnService
from libvdsm.bridge.places import ObjectPlaces
from libvdsm.bridge.recovery import Recovery
from libvdsm.bridge.reports import Reports
from libvdsm.bridge.snapshots import ObjectSnapshots
from libvdsm.bridge.tickets import Tickets
from libvdsm.bridge.work import Work
from libvdsm.broker.broker import Broker
from libvdsm.broker.exchange import MessageExchange
from libvdsm.broker.queues import Queues
from libvdsm.broker.service import QueueService
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.audit import Deed
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import Unsupported
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.messages import Cause, Observed
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.service import InventoryService
from libvdsm.journal.memory import MemoryDocuments, MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder
from libvdsm.journal.stored import StoredJournal
from libvdsm.tasks.service import TaskService
from libvdsm.tasks.tasks import Tasks

VM_1 = "11111111-1111-4111-8111-111111111111"
VM_2 = "22222222-2222-4222-8222-222222222222"
HOST = "00000000-0000-4000-8000-000000000000"
DAEMON = Cause(kind="daemon")
RESYNC = Cause(kind="resync")


@dataclass
class FakeSink:
    """Keeps what is delivered; full when told."""

    deliveries: list[dict[str, object]] = field(default_factory=list)
    room: int = 1_000_000
    waiting: list[Callable[[], None]] = field(default_factory=list)

    __hash__ = object.__hash__

    def deliver(self, delivery: bytes) -> None:
        self.deliveries.append(json.loads(delivery))
        self.room -= 1

    def is_full(self) -> bool:
        return self.room <= 0

    def when_drained(self, resume: Callable[[], None]) -> None:
        self.waiting.append(resume)

    def drain(self, room: int = 1_000_000) -> None:
        self.room = room
        waiting, self.waiting = self.waiting, []
        for resume in waiting:
            resume()


@dataclass
class RecordedCall:
    """A call that reached the worker; answered by the test."""

    method: str
    params: dict[str, object]
    meta: dict[str, object]
    timeout_s: float
    future: asyncio.Future[bytes]


@dataclass
class FakePort:
    """A worker that records."""

    name: str = "virt"
    calls: list[RecordedCall] = field(default_factory=list)
    up: bool = True

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> asyncio.Future[bytes]:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.calls.append(RecordedCall(method, json.loads(params), json.loads(meta), timeout_s, future))
        return future

    def is_up(self) -> bool:
        return self.up

    def reason(self) -> str:
        return "" if self.up else "it was killed"


def document(name: str = "web", state: str = "stopped", **more: object) -> Raw:
    """What a subsystem knows of a virtual machine."""
    config = {"memory": 268435456, "vcpus": 1, "metadata": {}}
    return Raw(msgspec.json.encode({"name": name, "state": state, "config": config, "restartNeeded": []} | more))


@dataclass
class RecordedTrail:
    """Keeps what the bridge tells of deeds."""

    deeds: list[Deed] = field(default_factory=list)
    refusals: list[Deed] = field(default_factory=list)

    def deed(self, deed: Deed) -> None:
        self.deeds.append(deed)

    def refusal(self, deed: Deed) -> None:
        self.refusals.append(deed)


class _NoTimer:
    def cancel(self) -> None:
        """There is nothing to cancel."""


def _unfinished(_caller: Caller, _params: object) -> bytes:
    raise Unsupported(feature="it", reason="not here")


class Front:
    """All rooms of the front core, wired as the daemon wires them."""

    def __init__(
        self,
        *,
        verify: bool = False,
        journal: MemoryJournal | StoredJournal | None = None,
        store: MemoryStore | None = None,
        port: FakePort | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.journal = journal or MemoryJournal()
        self.documents = MemoryDocuments()
        recorder = Recorder(self.journal, self.clock)
        self.inventory = Inventory(recorder=recorder, documents=self.documents, clock=self.clock, host={"daemonVersion": "1"})
        self.store = store or MemoryStore()
        self.tasks = Tasks(recorder=recorder, clock=self.clock, store=store)  # in memory, unless the test brings a store
        self.port = port or FakePort()
        self.scheduled: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.queues = Queues(store=self.store, messages=MemoryStore(), recorder=recorder, clock=self.clock, schedule=self.scheduled.append)
        self.places = ObjectPlaces(self.inventory, self.tasks, queues=self.queues)
        self.broker = Broker(
            journal=self.journal,
            visibility=Visibility(self.places),
            snapshots=ObjectSnapshots(
                inventory=self.inventory, tasks=self.tasks, journal=self.journal, clock=self.clock, queues=self.queues
            ),
            schedule=self.scheduled.append,
            later=lambda s, f: self.later.append((s, f)),
        )
        self.exchange = MessageExchange(broker=self.broker, queues=self.queues, schedule=self.scheduled.append)
        self.tickets = Tickets(self.clock, later=lambda s, f: self.later.append((s, f)))
        self.trail = RecordedTrail()
        self.access = Access(administrators=[0], allow_anonymous=False, store=self.store, clock=self.clock, trail=self.trail)
        self.guards = Guards(self.access, clock=self.clock, places=self.places)
        self.inventory.on_new("vm", self.access.object_added)
        self.inventory.vms.on_removed.append(self.access.object_removed)
        self.work = Work(ports={"virt": self.port}, inventory=self.inventory, documents=self.documents)
        self.authority = Authority(self.places, self.access)
        self.reports = Reports(
            inventory=self.inventory, tasks=self.tasks, tickets=self.tickets, later=lambda s, f: self.later.append((s, f))
        )
        self.deeds = Deeds(
            store=self.store,
            intents=Intents(self.store),
            work=self.work,
            tasks=self.tasks,
            answers=Answers(self.clock, self.store, self.tasks.shown),
            recovery=Recovery(methods=METHODS, ports=self.work.ports, ready=self.reports.ready, meta=self.work.meta),
            authority=self.authority,
            trail=self.trail,
            queue=FairQueue(QueueLimits(), now=self.clock.monotonic, later=lambda _s, _f: _NoTimer()),
            accounts=Accounts(IdentityLimits(), self.clock.monotonic),
            clock=self.clock,
        )
        self.bridge = FrontBridge(
            methods=METHODS,
            handlers=self._handlers(),
            work=self.work,
            tasks=self.tasks,
            broker=self.broker,
            tickets=self.tickets,
            deeds=self.deeds,
            authority=self.authority,
            trail=self.trail,
            clock=self.clock,
            verify_results=verify,
        )
        self.inventory.vms.on_moved.append(self.bridge.moved)
        self.admin = self.access.unix(0, 0, 1)

    def _handlers(self) -> dict[str, Handler]:
        services = (
            OwnService(b'{"openrpc":"1.3.2","info":{},"methods":[]}'),
            InventoryService(self.inventory),
            TaskService(self.tasks),
            self.broker,
            QueueService(self.queues),
            AccessService(self.access, self.guards, store=self.store, clock=self.clock),
            IdentityService(self.access, self.guards, store=self.store, clock=self.clock),
        )
        front = {name: entry for name, entry in METHODS.items() if entry.subsystem == "front"}
        found: dict[str, Handler] = dict.fromkeys(front, _unfinished)
        for name, entry in front.items():
            for service in services:
                if hasattr(service, entry.attribute):
                    found[name] = getattr(service, entry.attribute)
        self.unfinished = frozenset(name for name, handler in found.items() if handler is _unfinished)
        return found

    def observe(self, id: str = VM_1, name: str = "web", state: str = "stopped", cause: Cause = DAEMON, **more: object) -> None:
        """A virtual machine is seen."""
        self.inventory.changed("vm", Observed(id=id, document=document(name, state, **more)), cause)

    def seen(self) -> None:
        """The first snapshot: nothing but what is known."""
        known = [Observed(id=item.id, document=Raw(_bare(item.document()))) for item in self.inventory.vms]
        self.inventory.snapshot("vm", known, DAEMON)

    def run_scheduled(self) -> None:
        """What the loop would do until nothing is left."""
        while self.scheduled:
            self.scheduled.pop(0)()

    @staticmethod
    async def turns(count: int = 12) -> None:
        """Let the loop go on until whatever was begun waits for something outside."""
        for _ in range(count):
            await asyncio.sleep(0)

    def now(self, method: str, params: dict[str, object] | None = None, caller: Caller | None = None) -> dict[str, object]:
        """The answer of a call that is answered at once."""
        answer = self.bridge.call(caller or self.admin, method, json.dumps(params or {}).encode())
        assert isinstance(answer, bytes)
        found = json.loads(answer)
        assert isinstance(found, dict)
        return found

    async def later_answer(
        self,
        method: str,
        params: dict[str, object] | None = None,
        options: Mapping[str, object] | None = None,
        *,
        caller: Caller | None = None,
    ) -> dict[str, object]:
        """The answer of a call that is answered later."""
        raw = None if options is None else json.dumps(options).encode()
        answer = self.bridge.call(caller or self.admin, method, json.dumps(params or {}).encode(), raw)
        found = json.loads(answer if isinstance(answer, bytes) else await answer)
        assert isinstance(found, dict)
        return found


def _bare(document: dict[str, object]) -> bytes:
    return msgspec.json.encode({k: v for k, v in document.items() if k not in ("id", "generation", "revision", "desired")})
