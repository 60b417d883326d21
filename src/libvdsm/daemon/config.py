"""What ``vdsmd`` can be told, as frozen values; ``config_reader`` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libvdsm.daemon.addresses import PROTOCOLS, Listen, UnixAddress

DEFAULT_FILE = Path("/etc/libvdsm/vdsmd.toml")


class ConfigError(Exception):
    """A wrong word in the file or on the command line; ``str()`` says where."""


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """What is managed."""

    uri: str = "qemu:///system"  # any libvirt URI, or "simulator"
    simulated_vms: int = 0  # how many the simulator's world begins with

    @property
    def is_simulator(self) -> bool:
        """Whether it is the simulator, which needs no hypervisor."""
        return self.uri == "simulator"

    @property
    def is_real(self) -> bool:
        """Whether calls to it can hang: neither the simulator nor libvirt's test driver."""
        return not (self.is_simulator or self.uri.startswith("test:///"))


@dataclass(frozen=True, slots=True)
class FrontConfig:
    """Table ``[front]``: as whom the front runs when started as root."""

    user: str = "vdsm"  # taken if the host has it
    uid: int = 54321  # else this user and group, which need no entry anywhere


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Table ``[log]``: records on stderr."""

    level: str = "info"  # debug | info | warning | error


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Table ``[http]``: who may call from a browser, beside loopback names."""

    hosts: tuple[str, ...] = ()  # further values of the Host header
    origins: tuple[str, ...] = ()  # further values of the Origin header
    ui: Path | None = None  # the folder of a web console, served at /ui/ to whoever may connect


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Table ``[tls]``: with what the TCP address is served; without a word, keys are made at the first start."""

    certificate: Path | None = None  # PEM: the server's, then those that lead to its CA
    key: Path | None = None  # PEM, mode 0600
    client_ca: Path | None = None  # PEM: CAs of clients beside our own
    names: tuple[str, ...] = ()  # further names and addresses in the certificate that we make
    minimum: str = "1.3"  # 1.3 | 1.2
    identities: Mapping[str, str] = field(default_factory=dict)  # whom certificates of others speak for, by fingerprint or SAN
    client_certificates: str = "optional"  # optional | required: without one, nothing but Certificate.enrol can be called


@dataclass(frozen=True, slots=True)
class BindingsConfig:
    """Table ``[bindings]``: which protocols are spoken at all."""

    enabled: tuple[str, ...] = PROTOCOLS


@dataclass(frozen=True, slots=True)
class StateConfig:
    """Table ``[state]``: how much is kept."""

    reserve_octets: int = 4 * 1024 * 1024  # kept free for deletions when the disk is full
    journal_records: int = 200_000  # of the event journal, at most; who stays away longer is told of a gap
    journal_octets: int = 128 * 1024 * 1024
    journal_days: int = 30


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """Table ``[limits]``: what strangers, identities and writes may use (docs/guide/limits.md)."""

    connections: int = 10_000  # of one listening socket
    strangers_per_address: int = 1_024  # connections of one address that have not yet said who they are
    stranger_seconds: int = 9  # in which they must; the clock is looked at once a second
    dead_peer_seconds: int = 60  # after which a TCP peer that acknowledges nothing is gone
    message_octets: int = 1024 * 1024
    unsent_octets: int = 512 * 1024 * 1024  # of all connections of one listening socket together
    connections_per_identity: int = 1_000
    requests_per_second: int = 100_000  # of one identity; 0: no bound
    requests_burst: int = 200_000
    requests_in_flight: int = 4_000  # of one identity
    subscriptions: int = 1_000  # of one identity
    tasks: int = 500  # of one identity, under way
    tokens: int = 1_000  # of one identity
    upload_octets: int = 64 * 1024**3  # of one identity, under way
    writes_in_flight: int = 16  # of one subsystem
    writes_per_identity: int = 12  # of one subsystem, in flight
    writes_waiting: int = 4_000

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.writes_per_identity > self.writes_in_flight:
            raise ConfigError("limits.writes_per_identity: is more than limits.writes_in_flight")


@dataclass(frozen=True, slots=True)
class MessagesConfig:
    """Table ``[messages]``: what queues, and each connection that speaks STOMP or AMQP, may use (docs/guide/messages.md)."""

    octets: int = 256 * 1024 * 1024  # in all queues together
    queues: int = 10_000
    window: int = 256  # unsettled deliveries of a subscription that says nothing else
    subscriptions_per_connection: int = 1_000
    transactions: int = 64  # open ones, of one connection
    transaction_steps: int = 10_000
    transaction_octets: int = 16 * 1024 * 1024
    temporary_queues: int = 100  # of one connection
    temporary_messages: int = 10_000  # in each
    temporary_octets: int = 16 * 1024 * 1024  # in each


@dataclass(frozen=True, slots=True)
class StompConfig:
    """Table ``[stomp]``: what one frame, and one subscription, may be."""

    body_octets: int = 1024 * 1024
    prefetch: int = 1_000  # the largest prefetch-count


@dataclass(frozen=True, slots=True)
class AmqpConfig:
    """Table ``[amqp]``: what one connection may be."""

    transfer_octets: int = 16 * 1024 * 1024  # of one message
    sessions: int = 64
    links: int = 256  # of one session


@dataclass(frozen=True, slots=True)
class ConnectorsConfig:
    """Table ``[connectors]``: programs of others that use the bridge; each may have a table ``[connectors.NAME]``."""

    enabled: tuple[str, ...] = ()  # names in the entry point group libvdsm.connectors
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    state_dir: Path = Path("/var/lib/libvdsm")
    socket: Path = Path("/run/libvdsm/vdsmd.sock")
    listen: tuple[Listen, ...] = ()
    hypervisor: Hypervisor = Hypervisor()
    insecure: bool = False
    in_process: bool = False
    verify_results: bool = False
    ready_file: Path | None = None
    check_state: bool = False  # instead of serving
    repair: bool = False
    state: StateConfig = StateConfig()
    front: FrontConfig = FrontConfig()
    log: LogConfig = LogConfig()
    http: HttpConfig = HttpConfig()
    tls: TlsConfig = TlsConfig()
    bindings: BindingsConfig = BindingsConfig()
    limits: LimitsConfig = LimitsConfig()
    messages: MessagesConfig = MessagesConfig()
    stomp: StompConfig = StompConfig()
    amqp: AmqpConfig = AmqpConfig()
    connectors: ConnectorsConfig = ConnectorsConfig()

    @property
    def pki_dir(self) -> Path:
        """Where our own certificates and keys are."""
        return self.state_dir / "pki"

    @property
    def serves_tls(self) -> bool:
        """Whether TLS is spoken anywhere."""
        return any(self.speaks_tls(each) for each in self.listen)

    def speaks_tls(self, listen: Listen) -> bool:
        """Whether a place speaks TLS: always if it can be from another host, and beside plain if there are keys already.

        For whoever may read the folder of the keys; the front is told by the keys that it is given.
        """
        if not self.may_speak_tls(listen):
            return False
        return not self.takes_plain(listen) or self.tls.certificate is not None or (self.pki_dir / "server.crt").exists()

    def may_speak_tls(self, listen: Listen) -> bool:
        """Whether a place speaks TLS as soon as there are keys."""
        return not isinstance(listen.address, UnixAddress) and listen.tls is not False

    def takes_plain(self, listen: Listen) -> bool:
        """Whether everybody is served at a TCP place, in plain and as administrator."""
        return self.insecure and not listen.tls and not isinstance(listen.address, UnixAddress)

    def protocols(self, listen: Listen) -> frozenset[str]:
        """What is spoken at a place."""
        return frozenset(listen.protocols or self.bindings.enabled)

    @property
    def front_dir(self) -> Path:
        """The part of the state that is the front's."""
        return self.state_dir / "front"
