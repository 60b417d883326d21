"""What ``vdsmd`` is told: a TOML file, and the command line over it, read once into frozen values.

Standard library only: the supervisor reads it. A wrong word is a ``ConfigError`` that names file and key.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from libvdsm.daemon.addresses import OVER_HTTP, PROTOCOLS, SOCKET_PATH_LIMIT, Address, Listen, Place, UnixAddress, parse_place

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_FILE = Path("/etc/libvdsm/vdsmd.toml")
DEFAULT_PORT = 54321
SIMULATED_VMS_LIMIT = 100_000


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
    stranger_seconds: int = 10  # in which they must
    dead_peer_seconds: int = 60  # after which a TCP peer that acknowledges nothing is gone
    message_octets: int = 1024 * 1024
    unsent_octets: int = 512 * 1024 * 1024  # of all connections of one listening socket together
    connections_per_identity: int = 1_000
    requests_per_second: int = 100_000  # of one identity; 0: no bound
    requests_burst: int = 200_000
    requests_in_flight: int = 4_000  # of one identity
    subscriptions: int = 1_000  # of one identity
    tasks: int = 500  # of one identity, under way
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
        """Whether a place speaks TLS: always if it can be from another host, and beside plain if there are keys already."""
        if isinstance(listen.address, UnixAddress) or listen.tls is False:
            return False
        return not self.takes_plain(listen) or self.tls.certificate is not None or (self.pki_dir / "server.crt").exists()

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


def read_config(arguments: Sequence[str]) -> Config:
    """The configuration by the command line and the file that it names (or the default one, if it is there)."""
    given = vars(_parser().parse_args(arguments))
    file: Path | None = given.pop("config")
    config = _Reader(str(file or DEFAULT_FILE)).read(_load(file))
    line = _Reader("command line")
    words = {key: line.value("--" + key.replace("_", "-"), key, value) for key, value in given.items() if value is not None}
    return _checked(replace(config, **words))


def parse_hypervisor(text: str) -> Hypervisor:
    """A libvirt URI, ``simulator`` or ``simulator:N``; raises ``ValueError``."""
    if text == "simulator":
        return Hypervisor("simulator")
    if text.startswith("simulator:"):
        number = text.removeprefix("simulator:")
        if not (number.isascii() and number.isdigit() and int(number) <= SIMULATED_VMS_LIMIT):
            raise ValueError(f"must be simulator:N with N up to {SIMULATED_VMS_LIMIT}, not {text!r}")
        return Hypervisor("simulator", int(number))
    scheme, sign, _rest = text.partition("://")
    if not (sign and scheme and text.isprintable()):
        raise ValueError(f"must be a libvirt URI or simulator[:N], not {text!r}")
    return Hypervisor(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vdsmd",
        description="The daemon of libvdsm: one virtualization host through one API.",
        epilog="exit status: 0 stopped as asked; 1 failed; 2 wrong command line or configuration; 3 an address cannot be listened on",
        argument_default=None,
        allow_abbrev=False,
    )
    path = {"type": Path, "metavar": "PATH"}
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"configuration (default: {DEFAULT_FILE}, if it is there)")
    parser.add_argument("--state-dir", **path, help="where state is kept (default: /var/lib/libvdsm)")  # type: ignore[arg-type]
    parser.add_argument(
        "--listen",
        action="append",
        metavar="HOST:PORT",
        help="a TCP address to listen on with TLS, unix:/PATH, or systemd:NAME; may be said several times",
    )
    parser.add_argument("--socket", **path, help="the unix socket (default: /run/libvdsm/vdsmd.sock)")  # type: ignore[arg-type]
    parser.add_argument("--hypervisor", metavar="URI|simulator[:N]", help="what is managed (default: qemu:///system)")
    flag = {"action": "store_const", "const": True}
    parser.add_argument("--insecure", **flag, help="plain TCP, everybody is administrator; only on loopback")  # type: ignore[arg-type]
    parser.add_argument("--in-process", **flag, help="subsystems inside the front; only simulator and test:///")  # type: ignore[arg-type]
    parser.add_argument("--verify-results", **flag, help="check every answer and event against the schema")  # type: ignore[arg-type]
    parser.add_argument("--ready-file", **path, help="written as soon as calls are answered")  # type: ignore[arg-type]
    parser.add_argument("--check-state", **flag, help="instead of serving: say whether the state of a stopped daemon is sound")  # type: ignore[arg-type]
    parser.add_argument("--repair", **flag, help="with --check-state: make it sound, and keep the damaged files beside")  # type: ignore[arg-type]
    return parser


def _load(file: Path | None) -> dict[str, Any]:
    try:
        with (file or DEFAULT_FILE).open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        if file is None:
            return {}
        raise ConfigError(f"{file}: there is no such file") from None
    except OSError as failure:
        raise ConfigError(f"{file or DEFAULT_FILE}: cannot be read: {failure.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigError(f"{file or DEFAULT_FILE}: is not TOML: {failure}") from None


def _checked(config: Config) -> Config:
    if config.repair and not config.check_state:
        raise ConfigError("--repair: goes with --check-state")
    if not config.listen and config.insecure:
        config = replace(config, listen=(Listen(address=Address("127.0.0.1", DEFAULT_PORT)),))
    _check_listening(config)
    if (config.tls.certificate is None) != (config.tls.key is None):
        raise ConfigError("tls: certificate and key go together; one of them is missing")
    if config.in_process and config.hypervisor.is_real:
        raise ConfigError(f"--in-process: serves simulator and test:/// only; calls to {config.hypervisor.uri} can hang for ever")
    if len(str(config.socket).encode()) > SOCKET_PATH_LIMIT:
        raise ConfigError(f"--socket: a path of a unix socket has at most {SOCKET_PATH_LIMIT} octets: {config.socket}")
    return config


def _check_listening(config: Config) -> None:
    lost = _lost_roads(config.bindings.enabled)
    if lost:
        raise ConfigError(f"bindings.enabled: {lost[0]} is a road over http, which is not enabled")
    seen: set[str] = set()
    for each in config.listen:
        if each.called in seen and not (isinstance(each.address, Address) and each.address.port == 0):
            raise ConfigError(f"listen: there are two of the name {each.called}")
        seen.add(each.called)
        if each.tls is False and not config.insecure and not isinstance(each.address, UnixAddress):
            raise ConfigError(f"listen {each.called}: plain TCP makes everybody administrator; it needs insecure = true")
        if each.tls and isinstance(each.address, UnixAddress):
            raise ConfigError(f"listen {each.called}: a unix socket knows its peers and speaks no TLS")
        if config.takes_plain(each) and isinstance(each.address, Address) and not each.address.is_loopback:
            raise ConfigError(f"--insecure: serves loopback addresses only, not {each.address}")
        missing = sorted(set(each.protocols) - set(config.bindings.enabled))
        if missing:
            raise ConfigError(f"listen {each.called}: {', '.join(missing)} is not among bindings.enabled")
        lost = _lost_roads(each.protocols)
        if lost:
            raise ConfigError(f"listen {each.called}: {lost[0]} is a road over http, which is not among its protocols")


def _lost_roads(protocols: Sequence[str]) -> list[str]:
    return [] if "http" in protocols else [name for name in protocols if name in OVER_HTTP]


_T = TypeVar("_T", bound="DataclassInstance")
_VERSIONS = ("1.3", "1.2")
_DEMANDS = ("optional", "required")
_LEVELS = ("debug", "info", "warning", "error")


class _Reader:
    """Values of one source, checked key by key."""

    def __init__(self, source: str) -> None:
        self._source = source

    def read(self, document: Mapping[str, object]) -> Config:
        return self._table(Config, "", document)

    def value(self, where: str, key: str, value: object, kinds: Mapping[str, _Kind] | None = None) -> Any:  # noqa: ANN401 - the field's own type
        """``value`` as the field ``key`` wants it; ``where`` is how the source calls it."""
        return (_KINDS if kinds is None else kinds)[key](self, where, value)

    def fail(self, where: str, complaint: str) -> NoReturn:
        raise ConfigError(f"{self._source}: {where}: {complaint}")

    def _table(self, kind: type[_T], where: str, document: object, kinds: Mapping[str, _Kind] | None = None) -> _T:
        known = {each.name for each in fields(kind)}
        values = {}
        for key, value in self._mapping(where, document).items():
            place = f"{where}.{key}" if where else key
            if key not in known:
                self.fail(place, f"is not known; here may stand {', '.join(sorted(known))}")
            values[key] = self.value(place, key, value, kinds)
        for each in fields(kind):
            if each.default is MISSING and each.default_factory is MISSING and each.name not in values:
                self.fail(f"{where}.{each.name}", "must be there")
        return kind(**values)

    def _mapping(self, where: str, value: object) -> Mapping[str, object]:
        return value if isinstance(value, dict) else self._refuse(where, "a table", value)

    def _refuse(self, where: str, wanted: str, value: object) -> NoReturn:
        self.fail(where, f"must be {wanted}, not {value!r}")

    def boolean(self, where: str, value: object) -> bool:
        return value if isinstance(value, bool) else self._refuse(where, "true or false", value)

    def string(self, where: str, value: object) -> str:
        return value if isinstance(value, str) and value else self._refuse(where, "a string with something in it", value)

    def strings(self, where: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            self._refuse(where, "an array of strings", value)
        return tuple(self.string(f"{where}[{number}]", each) for number, each in enumerate(value))

    def path(self, where: str, value: object) -> Path:
        path = Path(self.string(where, str(value) if isinstance(value, Path) else value))
        if "\0" in str(path):
            self._refuse(where, "a path", value)
        return path.absolute()

    def uid(self, where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**32 - 1:
            self._refuse(where, "the number of a user other than root", value)
        return value

    def octets(self, where: str, value: object) -> int:
        return self._number(where, value, 0, 2**40, "octets, up to a tebibyte")

    def records(self, where: str, value: object) -> int:
        return self._number(where, value, 1000, 10**9, "a number of records, from 1000")

    def days(self, where: str, value: object) -> int:
        return self._number(where, value, 1, 36_500, "days, from 1 to 36500")

    def _number(self, where: str, value: object, least: int, most: int, wanted: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(where, wanted, value)
        return value

    def state(self, where: str, value: object) -> StateConfig:
        return self._table(StateConfig, where, value)

    def level(self, where: str, value: object) -> str:
        return str(value) if value in _LEVELS else self._refuse(where, f"one of {', '.join(_LEVELS)}", value)

    def place(self, where: str, value: object) -> Place:
        return self._parsed(where, parse_place, value)

    def listen(self, where: str, value: object) -> tuple[Listen, ...]:
        """One address, several, or tables."""
        several = value if isinstance(value, list) else [value]
        wheres = [f"{where}[{number}]" for number in range(len(several))] if len(several) > 1 else [where]
        return tuple(self._listen(*each) for each in zip(wheres, several, strict=False))

    def _listen(self, where: str, value: object) -> Listen:
        if isinstance(value, dict):
            return self._table(Listen, where, value, _LISTEN_KINDS)
        return Listen(address=self.place(where, value))

    def bindings(self, where: str, value: object) -> BindingsConfig:
        return self._table(BindingsConfig, where, value, _BINDINGS_KINDS)

    def protocols(self, where: str, value: object) -> tuple[str, ...]:
        names = self.strings(where, value)
        unknown = [name for name in names if name not in PROTOCOLS]
        if unknown:
            self.fail(where, f"{unknown[0]!r} is no protocol of ours; there are {', '.join(PROTOCOLS)}")
        if not names:
            self.fail(where, "one protocol at least must be spoken")
        return names

    def hypervisor(self, where: str, value: object) -> Hypervisor:
        return self._parsed(where, parse_hypervisor, value)

    def front(self, where: str, value: object) -> FrontConfig:
        return self._table(FrontConfig, where, value)

    def log(self, where: str, value: object) -> LogConfig:
        return self._table(LogConfig, where, value)

    def http(self, where: str, value: object) -> HttpConfig:
        return self._table(HttpConfig, where, value)

    def tls(self, where: str, value: object) -> TlsConfig:
        return self._table(TlsConfig, where, value)

    def limits(self, where: str, value: object) -> LimitsConfig:
        return self._table(LimitsConfig, where, value)

    def messages(self, where: str, value: object) -> MessagesConfig:
        return self._table(MessagesConfig, where, value)

    def stomp(self, where: str, value: object) -> StompConfig:
        return self._table(StompConfig, where, value)

    def amqp(self, where: str, value: object) -> AmqpConfig:
        return self._table(AmqpConfig, where, value)

    def count(self, where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**53:
            self._refuse(where, "a number above 0", value)
        return value

    def rate(self, where: str, value: object) -> int:
        return 0 if value == 0 and not isinstance(value, bool) else self.count(where, value)

    def words(self, where: str, value: object) -> Mapping[str, str]:
        return {key: self.string(f"{where}.{key}", each) for key, each in self._mapping(where, value).items()}

    def minimum(self, where: str, value: object) -> str:
        return str(value) if value in _VERSIONS else self._refuse(where, f"one of {', '.join(_VERSIONS)}, in quotes", value)

    def demand(self, where: str, value: object) -> str:
        return str(value) if value in _DEMANDS else self._refuse(where, f"one of {', '.join(_DEMANDS)}", value)

    def connectors(self, where: str, value: object) -> ConnectorsConfig:
        document = dict(self._mapping(where, value))
        enabled = self.strings(f"{where}.enabled", document.pop("enabled", []))
        settings = {key: self._mapping(f"{where}.{key}", each) for key, each in document.items()}
        return ConnectorsConfig(enabled, settings)

    def _parsed(self, where: str, parse: Callable[[str], _P], value: object) -> _P:
        text = self.string(where, value)
        try:
            return parse(text)
        except ValueError as failure:
            self.fail(where, str(failure))


_P = TypeVar("_P")
_Kind = Callable[[_Reader, str, object], object]

#: How each key of any table is read; a key means the same in every table.
_KINDS: Mapping[str, _Kind] = {
    "state_dir": _Reader.path,
    "socket": _Reader.path,
    "listen": _Reader.listen,
    "bindings": _Reader.bindings,
    "hypervisor": _Reader.hypervisor,
    "insecure": _Reader.boolean,
    "in_process": _Reader.boolean,
    "verify_results": _Reader.boolean,
    "ready_file": _Reader.path,
    "check_state": _Reader.boolean,
    "repair": _Reader.boolean,
    "state": _Reader.state,
    "reserve_octets": _Reader.octets,
    "journal_records": _Reader.records,
    "journal_octets": _Reader.octets,
    "journal_days": _Reader.days,
    "front": _Reader.front,
    "log": _Reader.log,
    "http": _Reader.http,
    "tls": _Reader.tls,
    "certificate": _Reader.path,
    "key": _Reader.path,
    "client_ca": _Reader.path,
    "names": _Reader.strings,
    "minimum": _Reader.minimum,
    "client_certificates": _Reader.demand,
    "identities": _Reader.words,
    "connectors": _Reader.connectors,
    "user": _Reader.string,
    "uid": _Reader.uid,
    "level": _Reader.level,
    "limits": _Reader.limits,
    "messages": _Reader.messages,
    "stomp": _Reader.stomp,
    "amqp": _Reader.amqp,
    **{each.name: _Reader.count for kind in (LimitsConfig, MessagesConfig, StompConfig, AmqpConfig) for each in fields(kind)},
    "requests_per_second": _Reader.rate,
    "hosts": _Reader.strings,
    "origins": _Reader.strings,
    "ui": _Reader.path,
}

#: In the table of one place the words mean something of their own.
_LISTEN_KINDS: Mapping[str, _Kind] = {
    "address": _Reader.place,
    "name": _Reader.string,
    "tls": _Reader.boolean,
    "protocols": _Reader.protocols,
    "client_certificates": _Reader.demand,
    "strict_stomp": _Reader.boolean,
    "idle_seconds": _Reader.count,
}
_BINDINGS_KINDS: Mapping[str, _Kind] = {"enabled": _Reader.protocols}
