"""The composition root: every room of the front, and of each worker, is put together here, in reading order."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self

import msgspec

from libvdsm import schema
from libvdsm.access.access import Access
from libvdsm.access.certificates import Certificates, signer
from libvdsm.access.checks import AccessChecks, CertificateChecks
from libvdsm.access.guards import Guards
from libvdsm.access.identities import IdentityService
from libvdsm.access.service import AccessService
from libvdsm.audit.service import AuditService
from libvdsm.audit.trail import AuditTrail
from libvdsm.base.clock import Clock, SystemClock, timestamp
from libvdsm.base.tls import TlsError, TlsKeys, server_context
from libvdsm.bindings.amqp.config import ConversationLimits
from libvdsm.bindings.amqp.endpoint import AmqpEndpoint
from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
from libvdsm.bindings.jsonrpc.http import JsonRpcHttpEndpoint
from libvdsm.bindings.jsonrpc.messaging import JsonRpcRequests
from libvdsm.bindings.stomp.config import SessionLimits
from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.bridge import FrontBridge
from libvdsm.bridge.connections import ConnectionService
from libvdsm.bridge.deeds import MOST_TASKS, Deeds, Handler, makes_room
from libvdsm.bridge.diagnosis import DiagnosisService
from libvdsm.bridge.fairness import FairQueue, QueueLimits
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intents
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.bridge.own import OwnService
from libvdsm.bridge.places import ObjectPlaces
from libvdsm.bridge.planning import Check, Planner, store_gate, task_gate
from libvdsm.bridge.recovery import Recovery
from libvdsm.bridge.reports import Reports
from libvdsm.bridge.snapshots import ObjectSnapshots
from libvdsm.bridge.tickets import Tickets
from libvdsm.bridge.work import Work
from libvdsm.broker.broker import Broker
from libvdsm.broker.exchange import ExchangeLimits, MessageExchange
from libvdsm.broker.queues import Queues
from libvdsm.broker.service import QueueService
from libvdsm.broker.visibility import Visibility
from libvdsm.daemon.addresses import Listen, UnixAddress
from libvdsm.daemon.condition import looks
from libvdsm.daemon.config import Config, LimitsConfig, MessagesConfig
from libvdsm.daemon.ports import IpcPort, LocalPort
from libvdsm.daemon.subsystems import SUBSYSTEMS, build_subsystem
from libvdsm.daemon.version import VERSION
from libvdsm.daemon.web import Web, WebFiles
from libvdsm.interfaces.audit import Actor, Deed
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.endpoint import Endpoints, PeerCertificate
from libvdsm.interfaces.generated.errors import PermissionDenied
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.messages import ReportTls
from libvdsm.interfaces.store import Store
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.service import InventoryService
from libvdsm.journal.recorder import Recorder
from libvdsm.journal.stored import StoredDocuments, StoredJournal
from libvdsm.tasks.service import TaskService
from libvdsm.tasks.tasks import Tasks
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.transports.listener import Listener
from libvdsm.transports.registry import Registry
from libvdsm.transports.turns import Turns
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.http.connection import HttpLimits
from libvdsm.wire.stomp.events import StompLimits

_log = logging.getLogger(__name__)

#: Seconds that the host's worker has to sign a certificate.
_SIGN_S: Final = 10.0
#: What can be called without a certificate where one is required.
ENROLMENT: Final = frozenset({"Certificate.enrol"})
#: More are not made, so that the numbers of connections of one life are none of another's.
_CONNECTIONS_A_SECOND: Final = 10_000
#: Where the roads over HTTP are that can be switched off; that of WebSockets is known to whoever upgrades them.
_PATHS: Final = {"sse": "/events", "metrics": "/metrics"}
#: What the wheel carries of the schema; its own reader (``libvdsm.schema.compiled``) is too slow for every start.
_COMPILED: Final = Path(schema.__file__).parent / "compiled"


@dataclass(frozen=True, slots=True)
class FrontCore:
    """What the front serves, before anybody listens."""

    bridge: FrontBridge
    access: Access
    reports: Reports
    deeds: Deeds
    trail: AuditTrail
    tickets: Tickets
    accounts: Accounts
    exchange: MessageExchange
    registry: Registry
    web: Web
    ports: Mapping[str, IpcPort]
    local: tuple[LocalPort, ...]  # with --in-process, instead of the ports

    async def start(self) -> None:
        """Begin what runs in the front itself, and to find out what became of what the life before did not finish."""
        self.deeds.recover()
        for port in self.local:
            await port.start()

    async def close(self) -> None:
        """Take no more work, let the workers go; what runs is found out by the next life."""
        await self.deeds.close()
        self.trail.close()
        for port in self.local:
            await port.stop()
        for ipc in self.ports.values():
            ipc.close()
        self.tickets.close()


@dataclass(frozen=True, slots=True)
class Description:
    """What the package says of the API; read while its files still can be."""

    digest: str
    version: str
    openrpc: bytes
    web: WebFiles

    @classmethod
    def read(cls, console: Path | None = None) -> Self:
        """The package's own files, and those of a web console."""
        compiled = _COMPILED.joinpath("native.json").read_bytes()
        openrpc = _COMPILED.joinpath("openrpc.json").read_bytes().rstrip()
        head = msgspec.json.decode(compiled, type=_CompiledHead)
        return cls(head.digest, head.version, openrpc, WebFiles.read(compiled, openrpc, console))


def build_front(config: Config, administrators: frozenset[int], description: Description, store: Store, messages: Store) -> FrontCore:
    """The front's rooms; called in the thread of the running loop. ``messages`` keeps what is in queues, ``store`` all else."""
    loop = asyncio.get_running_loop()
    clock = SystemClock()
    journal = StoredJournal(store, clock)
    documents = StoredDocuments(store)
    recorder = Recorder(journal, clock)
    inventory = Inventory(recorder=recorder, documents=documents, clock=clock, host=_own_host_members(clock, description), store=store)
    tasks = Tasks(recorder=recorder, clock=clock, store=store)
    tickets = Tickets(clock, later=loop.call_later)
    reached: dict[str, WorkerPort] = {}
    sign = signer(lambda params: reached["host"].call("pki.issue", params, b"{}", _SIGN_S))
    certificates = Certificates(store=store, recorder=recorder, clock=clock, sign=sign, later=loop.call_later)
    accounts = Accounts(_identity_limits(config.limits), clock.monotonic)
    queues = Queues(
        store=store,
        messages=messages,
        recorder=recorder,
        clock=clock,
        schedule=loop.call_soon,
        later=loop.call_later,
        most_queues=config.messages.queues,
        most_octets=config.messages.octets,
    )
    places = ObjectPlaces(inventory, tasks, certificates, queues)
    broker = Broker(
        journal=journal,
        visibility=Visibility(places),
        snapshots=ObjectSnapshots(inventory=inventory, tasks=tasks, journal=journal, clock=clock, certificates=certificates, queues=queues),
        schedule=loop.call_soon,
        later=loop.call_later,
        quota=accounts.subscribe,
    )
    trail = AuditTrail(store, clock, later=loop.call_later)
    access = Access(
        administrators=administrators,
        allow_anonymous=config.insecure,
        store=store,
        clock=clock,
        certificates=certificates,
        mapping=config.tls.identities,
        later=loop.call_later,
        trail=trail,
        most_tokens=config.limits.tokens,
    )
    inventory.on_new("vm", access.object_added)
    inventory.vms.on_removed.append(access.object_removed)
    reports = Reports(inventory=inventory, tasks=tasks, tickets=tickets, later=loop.call_later)
    ports, local = _ports(config, reports)
    reports.on_tls.append(certificates.seen)
    reached |= {**ports, **{port.name: port for port in local}}
    work = Work(ports=reached, inventory=inventory, documents=documents)
    authority = Authority(places, access)
    deeds = Deeds(
        store=store,
        intents=Intents(store),
        work=work,
        tasks=tasks,
        answers=Answers(clock, store, tasks.shown),
        recovery=Recovery(methods=METHODS, ports=reached, ready=reports.ready, meta=work.meta),
        authority=authority,
        trail=trail,
        queue=FairQueue(_queue_limits(config.limits), now=loop.time, later=loop.call_later),
        accounts=accounts,
        clock=clock,
    )
    registry = Registry(int(clock.time()) * _CONNECTIONS_A_SECOND)
    guards = Guards(access, clock=clock, places=places)
    services: tuple[object, ...] = (
        OwnService(description.openrpc),
        InventoryService(inventory),
        TaskService(tasks),
        broker,
        QueueService(queues),
        ConnectionService(registry, behind=broker.behind, soon=loop.call_soon),
        AccessService(access, guards, store=store, clock=clock),
        IdentityService(access, guards, store=store, clock=clock),
        certificates,
        AuditService(store=store, trail=trail, journal=journal, clock=clock, objects=OBJECTS),
    )
    diagnosis = DiagnosisService(inventory=inventory, ports=reached, store=store, clock=clock, looks=looks(config))
    reports.on_tls.append(diagnosis.keys_seen)
    planner = Planner(
        methods=METHODS,
        inventory=inventory,
        places=places,
        documents=documents,
        ports=reached,
        authorise=authority.require,
        gates=(store_gate(store, makes_room), task_gate(tasks, accounts, MOST_TASKS)),
        checks=_checks((*services, AccessChecks(access, guards), CertificateChecks(certificates, lambda: reached["host"]))),
    )
    bridge = FrontBridge(
        methods=METHODS,
        handlers=_handlers((*services, planner, diagnosis)),
        work=work,
        tasks=tasks,
        broker=broker,
        tickets=tickets,
        deeds=deeds,
        authority=authority,
        trail=trail,
        clock=clock,
        verify_results=config.verify_results,
    )
    inventory.vms.on_moved.append(bridge.moved)
    exchange = MessageExchange(
        broker=broker,
        queues=queues,
        schedule=loop.call_soon,
        limits=_exchange_limits(config.messages),
        quota=accounts.subscribe,
        refused=partial(_message_refused, trail),
    )
    return FrontCore(
        bridge=bridge,
        access=access,
        reports=reports,
        deeds=deeds,
        trail=trail,
        tickets=tickets,
        accounts=accounts,
        exchange=exchange,
        registry=registry,
        web=Web(
            files=description.web,
            inventory=inventory,
            broker=broker,
            journal=journal,
            queues=queues,
            exchange=exchange,
            registry=registry,
            trail=trail,
        ),
        ports=ports,
        local=local,
    )


def build_listeners(core: FrontCore, config: Config, sockets: Sequence[socket.socket], keys: TlsKeys | None = None) -> list[Listener]:
    """What accepts callers on the sockets that the supervisor bound: the local one, then one for each place of ``config.listen``.

    TLS is spoken with ``keys``, and with newer ones as they are reported.
    """
    listeners: list[Listener] = []
    stream = JsonRpcEndpoint(core.bridge, accounts=core.accounts)
    core.exchange.requests = JsonRpcRequests(stream)
    stomp = StompEndpoint(exchange=core.exchange, rpc=stream, login=core.access.login, limits=_stomp_limits(config))
    amqp = AmqpEndpoint(exchange=core.exchange, login=core.access.login, limits=_amqp_limits(config), version=VERSION)
    paths = core.web.endpoints(stream, listeners, stomp.counters, amqp.counters)
    endpoints = Endpoints(stream=stream, http={"/rpc": JsonRpcHttpEndpoint(stream), **paths}, stomp=stomp, amqp=amqp)
    turns = Turns()
    places = (Listen(address=UnixAddress(config.socket), name="local"), *config.listen)
    listeners += (
        Listener(
            sock,
            bridge=core.bridge,
            authenticator=_Authenticator(
                core.access, needs_certificate=_needs_certificate(config, place), takes_plain=config.takes_plain(place)
            ),
            endpoints=_spoken(endpoints, config.protocols(place)),
            policy=_policy(config, place, has_keys=keys is not None),
            limits=_listener_limits(config.limits, place),
            tls=server_context(keys, config.tls.minimum, config.protocols(place))
            if keys is not None and config.may_speak_tls(place)
            else None,
            turns=turns,
            accounts=core.accounts,
            registry=core.registry,
        )
        for place, sock in zip(places, sockets, strict=True)
    )
    speaking = [listener for listener, place in zip(listeners, places, strict=True) if place.tls is not False]
    core.reports.on_tls.append(partial(_renew, speaking, config.tls.minimum))
    return listeners


def _spoken(endpoints: Endpoints, protocols: frozenset[str]) -> Endpoints:
    """What is served at a place, less the paths of roads over HTTP that are switched off there."""
    off = {path for road, path in _PATHS.items() if road not in protocols}
    return replace(endpoints, http={path: endpoint for path, endpoint in endpoints.http.items() if path not in off})


def _policy(config: Config, place: Listen, *, has_keys: bool) -> ListenerPolicy:
    takes_plain = config.takes_plain(place)
    return ListenerPolicy(
        name=place.called,
        anonymous=takes_plain,
        tls=not takes_plain or (has_keys and config.may_speak_tls(place)),
        hosts=config.http.hosts,
        origins=config.http.origins,
        protocols=config.protocols(place),
        strict_stomp=place.strict_stomp,
    )


def _needs_certificate(config: Config, place: Listen) -> bool:
    return not config.takes_plain(place) and (place.client_certificates or config.tls.client_certificates) == "required"


def _identity_limits(limits: LimitsConfig) -> IdentityLimits:
    return IdentityLimits(
        connections=limits.connections_per_identity,
        requests_per_s=limits.requests_per_second,
        requests_burst=limits.requests_burst,
        requests_in_flight=limits.requests_in_flight,
        subscriptions=limits.subscriptions,
        tasks=limits.tasks,
        upload_octets=limits.upload_octets,
    )


def _queue_limits(limits: LimitsConfig) -> QueueLimits:
    return QueueLimits(in_flight=limits.writes_in_flight, in_flight_per_identity=limits.writes_per_identity, waiting=limits.writes_waiting)


def _exchange_limits(messages: MessagesConfig) -> ExchangeLimits:
    return ExchangeLimits(
        subscriptions=messages.subscriptions_per_connection,
        window=messages.window,
        transactions=messages.transactions,
        transaction_steps=messages.transaction_steps,
        transaction_octets=messages.transaction_octets,
        temporary_queues=messages.temporary_queues,
        temporary_messages=messages.temporary_messages,
        temporary_octets=messages.temporary_octets,
    )


def _stomp_limits(config: Config) -> SessionLimits:
    """The broker's own bounds are told by STOMP as well: nothing is read that it would refuse."""
    messages = config.messages
    return SessionLimits(
        frame=StompLimits(body_octets=config.stomp.body_octets),
        login_s=config.limits.stranger_seconds,
        subscriptions=messages.subscriptions_per_connection,
        transactions=messages.transactions,
        transaction_frames=messages.transaction_steps,
        transaction_octets=messages.transaction_octets,
        prefetch=config.stomp.prefetch,
    )


def _amqp_limits(config: Config) -> ConversationLimits:
    octets = config.amqp.transfer_octets
    wire = AmqpLimits(message_octets=octets, partial_octets=2 * octets, sessions=config.amqp.sessions, links=config.amqp.links)
    return ConversationLimits(wire=wire, login_s=config.limits.stranger_seconds)


def _listener_limits(limits: LimitsConfig, place: Listen) -> Limits:
    return Limits(
        keep_alive_s=Limits().keep_alive_s if place.idle_seconds is None else place.idle_seconds,
        dead_peer_s=limits.dead_peer_seconds,
        all_write_octets=limits.unsent_octets,
        connections=limits.connections,
        strangers_per_address=limits.strangers_per_address,
        detect_s=limits.stranger_seconds,
        login_s=limits.stranger_seconds,
        message_octets=limits.message_octets,
        http=HttpLimits(body_octets=limits.message_octets),
    )


def _renew(listeners: Iterable[Listener], minimum: str, told: ReportTls) -> None:
    """Serve new connections with the keys that the host's worker found good."""
    keys = TlsKeys(certificate=told.certificate.encode(), key=told.key.encode(), client_cas=told.clientCas.encode())
    for listener in listeners:
        try:
            listener.renew(server_context(keys, minimum, listener.policy.protocols))
        except TlsError as failure:
            _log.error("the certificates that were reported cannot be served: %s", failure)
            return


class _Authenticator:
    """``Access`` as listeners ask it."""

    def __init__(self, access: Access, *, needs_certificate: bool, takes_plain: bool) -> None:
        """``takes_plain``: the place is loopback's alone, and anybody may do there what ``insecure`` lets him."""
        self._access = access
        self._takes_plain = takes_plain
        self._only = ENROLMENT if needs_certificate else None

    def unix(self, *, uid: int, gid: int, pid: int, address: str, sink: Sink | None) -> Caller:
        return self._access.unix(uid, gid, pid, address, sink)

    def anonymous(self, *, address: str, sink: Sink | None) -> Caller:
        caller = self._access.anonymous(address, sink, is_local=self._takes_plain)
        caller.only = self._only
        return caller

    def certificate(self, *, certificate: PeerCertificate, address: str, sink: Sink | None) -> Caller:
        return self._access.certificate(certificate=certificate, address=address, sink=sink)

    def bearer(self, *, token: str, address: str, own: Caller) -> Caller:
        return self._access.bearer(token, address, own=own)


def _message_refused(trail: AuditTrail, caller: Caller, permission: str, object: tuple[str, str] | None, project: str | None) -> None:
    """What the broker refuses is no call of a verb: the permission stands for it in the audit trail."""
    actor = Actor(caller.identity, caller.source, caller.address)
    trail.refusal(Deed(actor=actor, method=permission, outcome="refused", object=object, project=project, error=PermissionDenied.name))


def _ports(config: Config, reports: Reports) -> tuple[dict[str, IpcPort], tuple[LocalPort, ...]]:
    """Every subsystem over ipc, or in the front itself."""
    if not config.in_process:
        return {name: IpcPort(name, reports) for name in SUBSYSTEMS}, ()
    return {}, tuple(LocalPort(name, METHODS, partial(build_subsystem, name, config), reports) for name in SUBSYSTEMS)


def _handlers(services: Iterable[object]) -> dict[str, Handler]:
    """Who of ``services`` answers each verb of the front: whoever has its method."""
    return {
        name: getattr(service, entry.attribute)
        for name, entry in METHODS.items()
        if entry.subsystem == "front"
        for service in services
        if hasattr(service, entry.attribute)
    }


def _checks(services: Iterable[object]) -> dict[str, Check]:
    """Who of ``services`` knows what speaks against a verb of the front: whoever has a check of its name."""
    return {
        name: getattr(service, f"check_{entry.attribute}")
        for name, entry in METHODS.items()
        for service in services
        if entry.subsystem == "front" and hasattr(service, f"check_{entry.attribute}")
    }


class _CompiledHead(msgspec.Struct):
    digest: str
    version: str


def _own_host_members(clock: Clock, description: Description) -> dict[str, object]:
    """The members of ``HostInfo`` that the daemon itself knows."""
    return {
        "daemonVersion": VERSION,
        "apiVersion": description.version,
        "schemaDigest": description.digest,
        "startedAt": timestamp(clock.time()),
    }
