"""Reads what ``vdsmd`` is told: a TOML file, and the command line over it.

Standard library only: the supervisor reads it. A wrong word is a ``ConfigError`` that names file and key.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from libvdsm.daemon.addresses import OVER_HTTP, PROTOCOLS, SOCKET_PATH_LIMIT, Address, Listen, Place, UnixAddress, parse_place
from libvdsm.daemon.config import (
    DEFAULT_FILE,
    AmqpConfig,
    BindingsConfig,
    Config,
    ConfigError,
    ConnectorsConfig,
    FrontConfig,
    HttpConfig,
    Hypervisor,
    LimitsConfig,
    LogConfig,
    MessagesConfig,
    StateConfig,
    StompConfig,
    TlsConfig,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_PORT = 54321
SIMULATED_VMS_LIMIT = 100_000


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
