"""TLS at the daemon's start: keys are looked at, made if there are none, and read while whoever serves still may.

Standard library only. Making keys needs more, and judging them needs ``ssl``: a child does both and ends.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from libvdsm.daemon.addresses import Address
from libvdsm.daemon.config import Config, ConfigError
from libvdsm.subsystems.host.pki.config import PkiConfig

if TYPE_CHECKING:
    from libvdsm.base.tls import TlsKeys

_log = logging.getLogger(__name__)


def pki_config(config: Config) -> PkiConfig:
    """The settings of the room of certificates."""
    return PkiConfig(
        folder=config.pki_dir,
        certificate=config.tls.certificate,
        key=config.tls.key,
        client_ca=config.tls.client_ca,
        names=config.tls.names,
        listens_on=next((each.address.host for each in config.listen if isinstance(each.address, Address)), ""),
        serves=config.serves_tls,
    )


def prepare_keys(config: Config) -> None:
    """Make sure that there are keys that can be served; raises ``ConfigError``."""
    if not config.serves_tls:
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_prepare(config, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        reason = pipe.read().decode("utf-8", "replace")
    _pid, status = os.waitpid(child, 0)
    if status != 0:
        raise ConfigError(f"tls: {reason or 'the keys could not be made'}")


def _prepare(config: Config, writing: int) -> int:
    """In the child: its exit status. What is wrong is written for the parent."""
    from libvdsm.base.tls import TlsError
    from libvdsm.subsystems.host.pki.keeper import prepare
    from libvdsm.subsystems.host.pki.names import host_names

    reason = ""
    try:
        prepare(pki_config(config), host_names(), time.time())
    except (TlsError, OSError) as failure:
        reason = str(failure)
    except BaseException as failure:  # noqa: BLE001 - a process's top
        _log.exception("keys could not be prepared")
        reason = str(failure) or type(failure).__name__
    else:
        return 0
    with suppress(OSError):
        os.write(writing, reason.encode()[:4096])
    return 1


def read_served_keys(config: Config) -> TlsKeys | None:
    """What to serve TLS with now. ``None``: nothing yet, which the log tells; the host's worker will report it."""
    if not config.serves_tls:
        return None
    from libvdsm.base.tls import TlsError, server_context
    from libvdsm.subsystems.host.pki.files import read_keys

    try:
        keys = read_keys(pki_config(config))
        server_context(keys, config.tls.minimum)
    except TlsError as failure:
        _log.error("nobody is served with TLS until this is mended: %s", failure)
        return None
    return keys
