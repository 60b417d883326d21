"""Keeps the server's certificates: makes the first ones, renews ours before they end, takes what others put in their place.

``prepare`` is for the start; a ``Keeper`` looks every second, in a thread of the host's worker. A pair that does not fit
together (one of two files was written so far) is said in the log and left; what was served before is served on.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from libvdsm.base.clock import Clock
from libvdsm.base.tls import TlsError, TlsKeys, server_context
from libvdsm.subsystems.host.pki import plan
from libvdsm.subsystems.host.pki.config import PkiConfig
from libvdsm.subsystems.host.pki.files import check_key_file, make_folder, read_keys, read_pem, signature, split_pem, write_whole

if TYPE_CHECKING:
    from libvdsm.subsystems.host.pki.authority import Authority, Facts

_log = logging.getLogger(__name__)

#: How often ends are looked at.
_DAILY_LOOK_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNames:
    """What a host is called, for its certificate."""

    hostname: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Keys that were judged good, and what their certificates say: by kind ``server`` or ``ca``."""

    keys: TlsKeys
    ca: bytes  # our own, in PEM
    facts: tuple[tuple[str, Facts], ...]


def prepare(config: PkiConfig, names: HostNames, now: float) -> None:
    """Make what is missing, and judge what is there; raises ``TlsError`` for what cannot be served."""
    _make_missing(config, names, now)
    server_context(read_keys(config))


def is_complete(config: PkiConfig) -> bool:
    """Whether all files are there; costs nothing."""
    return all(path.exists() for path in (config.ca_file, config.ca_key_file, config.certificate_file, config.key_file))


def load_authority(config: PkiConfig) -> Authority:
    """Our own CA; raises ``TlsError``."""
    from libvdsm.subsystems.host.pki.authority import Authority

    check_key_file(config.ca_key_file)
    return Authority.load(read_pem(config.ca_file), read_pem(config.ca_key_file))


def prepare_authority(config: PkiConfig, hostname: str, now: float) -> None:
    """Make our own CA, if it is not there."""
    if config.ca_file.exists() and config.ca_key_file.exists():
        return
    from libvdsm.subsystems.host.pki.authority import Authority

    make_folder(config.folder)
    authority = Authority.create(f"libvdsm CA {hostname} {secrets.token_hex(4)}", now)
    write_whole(config.ca_key_file, authority.key)
    write_whole(config.ca_file, authority.certificate, 0o644)
    _log.info("made a CA of our own: %s", config.ca_file)


def _make_missing(config: PkiConfig, names: HostNames, now: float) -> None:
    if is_complete(config):
        return
    prepare_authority(config, names.hostname, now)
    if config.is_own and not (config.certificate_file.exists() and config.key_file.exists()):
        _make_server(config, load_authority(config), names, now)


def _make_server(config: PkiConfig, authority: Authority, names: HostNames, now: float) -> None:
    """A new pair for the server. Between the two files the pair does not match, which whoever reads it sees."""
    wanted = wanted_names(config, names)
    pair = authority.server(wanted, now)
    write_whole(config.key_file, pair.key)
    write_whole(config.certificate_file, pair.certificate, 0o644)
    _log.info("made a certificate for the server: %s, for %s", config.certificate_file, ", ".join(wanted))


def wanted_names(config: PkiConfig, names: HostNames) -> tuple[str, ...]:
    """What the server's certificate should be for."""
    return plan.server_names(names.hostname, (config.listens_on, *names.addresses), config.names)


class Keeper:
    """Looks at the files and the clock; ``tell`` hears of each generation. For one thread at a time."""

    def __init__(self, config: PkiConfig, names: Callable[[], HostNames], clock: Clock, tell: Callable[[Generation], None]) -> None:
        self._config = config
        self._names = names
        self._clock = clock
        self._tell = tell
        self._seen: tuple[object, ...] | None = None
        self._served: Generation | None = None
        self._looked_at = float("-inf")
        self._has_failed = False

    def look(self) -> None:
        """Look once; never raises."""
        now = self._clock.time()
        try:
            if abs(now - self._looked_at) >= _DAILY_LOOK_S:
                self._looked_at = now
                _make_missing(self._config, self._names(), now)
                self._renew(now)
            seen = signature(self._config.watched)
            if seen != self._seen:
                self._seen = seen
                self._take()
        except (TlsError, OSError) as failure:
            self._has_failed = True
            _log.error("%s; what was served before is served on", failure)

    def _take(self) -> None:
        """The files have changed: serve what they hold, if it fits together."""
        self._keep_former()
        keys = read_keys(self._config)
        if self._served is not None and keys.generation == self._served.keys.generation:
            return
        server_context(keys)
        is_first = self._served is None and not self._has_failed
        self._served = Generation(keys=keys, ca=read_pem(self._config.ca_file), facts=_facts(self._config, keys))
        if not is_first:
            _log.info("a new generation of certificates is served: %s", keys.generation)
        self._tell(self._served)

    def _keep_former(self) -> None:
        """What ``client_ca`` no longer names stays trusted until its end, or until it is taken out of our own file."""
        if self._config.client_ca is None:
            return
        given = split_pem(read_pem(self._config.client_ca))
        if not given:
            raise TlsError(f"{self._config.client_ca}: holds no certificate")
        known = split_pem(_optional(self._config.seen_file))
        if given == known:
            return
        write_whole(self._config.seen_file, b"".join(given), 0o644)
        gone = [each for each in known if each not in given]
        if not gone:
            return
        kept = split_pem(_optional(self._config.former_file))
        write_whole(self._config.former_file, b"".join(dict.fromkeys((*kept, *gone))), 0o644)
        self._seen = signature(self._config.watched)
        _log.warning(
            "%s names %d CA(s) no more, which are trusted on until they end; to end that now, remove them from %s",
            self._config.client_ca,
            len(gone),
            self._config.former_file,
        )

    def _renew(self, now: float) -> None:
        from libvdsm.subsystems.host.pki.authority import read_facts

        authority = load_authority(self._config)
        if plan.is_due(authority.not_after, now, plan.RENEW_CA_DAYS):
            authority = authority.renewed(now)
            write_whole(self._config.ca_file, authority.certificate, 0o644)
            _log.warning("our own CA was renewed, with the same key: give clients the new %s in time", self._config.ca_file)
        if not self._config.is_own:
            return
        names = self._names()
        found = read_facts(read_pem(self._config.certificate_file))
        known = {name.partition(":")[2] for name in found.names}
        if plan.is_due(found.not_after, now, plan.RENEW_SERVER_DAYS) or not known.issuperset(wanted_names(self._config, names)):
            _make_server(self._config, authority, names, now)


def _facts(config: PkiConfig, keys: TlsKeys) -> tuple[tuple[str, Facts], ...]:
    from libvdsm.subsystems.host.pki.authority import read_facts

    own = read_pem(config.ca_file)
    cas = [own, *(each for each in split_pem(keys.client_cas) if each not in split_pem(own))]
    return (("server", read_facts(keys.certificate)), *(("ca", read_facts(each)) for each in cas))


def _optional(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
