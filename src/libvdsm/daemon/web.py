"""What the front serves over HTTP beside calls: events, figures, pages. Put together here, in reading order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from libvdsm.bindings.metrics.endpoint import MetricsEndpoint
from libvdsm.bindings.metrics.machines import Machine, Machines
from libvdsm.bindings.metrics.names import SchemaType, find_groups
from libvdsm.bindings.metrics.sources import (
    CallFigures,
    ConnectionFigures,
    Depth,
    EventFigures,
    HostFigures,
    MessagingFigures,
    ProcessFigures,
    QueueFigures,
)
from libvdsm.bindings.sse.endpoint import EventEndpoint
from libvdsm.bindings.static.endpoint import StaticEndpoint
from libvdsm.bindings.static.files import File, NotServableError, read_folder
from libvdsm.bindings.static.pages import make_pages
from libvdsm.daemon.subsystems import SUBSYSTEMS
from libvdsm.daemon.version import VERSION
from libvdsm.interfaces.audit import Actor, Deed
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.place import Place, may_see

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.bindings.amqp.config import AmqpCounters
    from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
    from libvdsm.bindings.stomp.config import StompCounters
    from libvdsm.broker.broker import Broker
    from libvdsm.broker.exchange import MessageExchange
    from libvdsm.broker.queues import Queues
    from libvdsm.interfaces.audit import Trail
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import HttpEndpoint
    from libvdsm.interfaces.journal import Journal
    from libvdsm.inventory.inventory import Inventory
    from libvdsm.transports.listener import Listener
    from libvdsm.transports.registry import Registry


class _Compiled(msgspec.Struct):
    version: str
    types: Mapping[str, SchemaType]


@dataclass(frozen=True, slots=True)
class WebFiles:
    """What the pages and the names of the figures are made of; read while files still can be."""

    version: str
    types: Mapping[str, SchemaType]
    pages: Mapping[str, File]
    console: Mapping[str, File]

    @classmethod
    def read(cls, schema: bytes, openrpc: bytes, console: Path | None) -> Self:
        """``schema``: compiled. ``console``: the folder of a web console, if there is one; without its files calls are served all the same."""
        compiled = msgspec.json.decode(schema, type=_Compiled)
        files: Mapping[str, File] = {}
        try:
            files = {} if console is None else read_folder(console)
        except NotServableError as failure:
            _log.error("there is no web console: %s", failure)
        return cls(compiled.version, compiled.types, make_pages(openrpc), files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """All paths but those of calls."""

    files: WebFiles
    inventory: Inventory
    broker: Broker
    journal: Journal
    queues: Queues
    exchange: MessageExchange
    registry: Registry
    trail: Trail

    def endpoints(
        self, stream: JsonRpcEndpoint, listeners: Sequence[Listener], stomp: StompCounters, amqp: AmqpCounters
    ) -> dict[str, HttpEndpoint]:
        """By path. ``listeners``: those that serve them, as soon as there are any."""
        events = EventEndpoint(stream.bridge, stream.accounts)
        messaging = MessagingFigures(
            lambda: (("stomp", asdict(stomp)), ("amqp", asdict(amqp)), ("messages", asdict(self.exchange.counters)))
        )
        endpoints: dict[str, HttpEndpoint] = {"/events": events, "/metrics": self._metrics(stream, events, listeners, messaging)}
        for prefix, files in (("/docs/", self.files.pages), ("/ui/", self.files.console)):
            if files:
                endpoints[prefix] = endpoints[prefix.rstrip("/")] = StaticEndpoint(prefix, files)
        return endpoints

    def _metrics(
        self, stream: JsonRpcEndpoint, events: EventEndpoint, listeners: Sequence[Listener], messaging: MessagingFigures
    ) -> MetricsEndpoint:
        delivered: dict[str, Callable[[], int]] = {
            "stream": lambda: sum(each.counters.events for each in listeners),
            "sse": lambda: events.delivered,
            "messages": lambda: self.exchange.counters.events,
        }
        sources = (
            ProcessFigures(version=VERSION, api_version=self.files.version),
            CallFigures(stream.counters),
            ConnectionFigures(lambda: self.registry.after(0), lambda: _counted(listeners), self.broker.slowest),
            messaging,
            EventFigures(self.journal, self.broker.subscriptions, delivered),
            QueueFigures(self._depths),
            HostFigures(
                conditions=lambda: map(self.inventory.condition_of, SUBSYSTEMS),
                machines=lambda: self.inventory.vms,
                groups=find_groups(self.files.types, "HostStats"),
                stats=lambda: {name: bytes(raw) for name, raw in self.inventory.host_stats.items()},
            ),
        )
        machines = Machines(find_groups(self.files.types, "VmStats"), lambda: self.inventory.vms, _sees_machine)
        return MetricsEndpoint(sources, machines, self._refused)

    def _depths(self, caller: Caller) -> Iterator[Depth]:
        permission = OBJECTS["queue"].permission
        for kept in self.queues:
            place = Place("queue", kept.queue.id, kept.queue.project)
            queue = self.queues.queue(kept.queue.id)
            if queue is not None and may_see(caller, permission, place):
                yield Depth(kept.queue.id, kept.queue.project, queue.waiting, queue.unsettled, queue.octets)

    def _refused(self, caller: Caller, refusal: ApiError) -> None:
        actor = Actor(caller.identity, caller.source, caller.address)
        self.trail.refusal(Deed(actor=actor, method="GET /metrics", outcome="refused", error=refusal.name))


def _sees_machine(caller: Caller) -> Callable[[Machine], bool]:
    permission = OBJECTS["vm"].permission
    if permission in caller.permissions:
        return lambda _machine: True
    return lambda machine: may_see(caller, permission, Place("vm", machine.id, machine.project))


def _counted(listeners: Iterable[Listener]) -> Iterator[tuple[str, Mapping[str, int]]]:
    for each in listeners:
        yield each.policy.name, {name: count for name, count in asdict(each.counters).items() if isinstance(count, int)}
