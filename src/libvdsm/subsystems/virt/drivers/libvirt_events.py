"""libvirt's events: its loop in a thread of its own, and its numbers as words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from libvdsm.subsystems.virt.driver import DomainEvent
from libvdsm.subsystems.virt.drivers import libvirt_api as api

_log = logging.getLogger(__name__)
_flag = api.flag

_LIFECYCLE: Final = {
    _flag("VIR_DOMAIN_EVENT_DEFINED"): ("defined", ("added", "updated", "renamed", "from-snapshot")),
    _flag("VIR_DOMAIN_EVENT_UNDEFINED"): ("undefined", ("removed", "renamed")),
    _flag("VIR_DOMAIN_EVENT_STARTED"): ("started", ("booted", "migrated", "restored", "from-snapshot", "wakeup")),
    _flag("VIR_DOMAIN_EVENT_SUSPENDED"): (
        "suspended",
        ("paused", "migrated", "ioerror", "watchdog", "restored", "from-snapshot", "api-error", "postcopy", "postcopy-failed"),
    ),
    _flag("VIR_DOMAIN_EVENT_RESUMED"): ("resumed", ("unpaused", "migrated", "from-snapshot", "postcopy")),
    _flag("VIR_DOMAIN_EVENT_STOPPED"): ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot")),
    _flag("VIR_DOMAIN_EVENT_SHUTDOWN"): ("shutdown", ("finished", "guest", "host")),
    _flag("VIR_DOMAIN_EVENT_PMSUSPENDED"): ("pmsuspended", ("memory", "disk")),
    _flag("VIR_DOMAIN_EVENT_CRASHED"): ("crashed", ("panicked", "crashloaded")),
}
_CLOSE_REASONS: Final = {
    0: "an error on the connection",
    1: "the connection was closed by libvirtd",
    2: "libvirtd does not answer (keepalive)",
}
CLOSED_BY_US: Final = 3

_lock = threading.Lock()
_loop: list[threading.Thread] = []  # libvirt has one event loop in a process, and it cannot be replaced


def ensure_event_loop() -> None:
    """Have libvirt's event loop run; to be called before the first connection is opened."""
    with _lock:
        if _loop:
            return
        api.silence_default_error_handler()
        api.register_default_event_loop()
        thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _loop.append(thread)
        thread.start()


def _run() -> None:
    while True:
        try:
            api.run_default_event_loop_once()
        except api.Error:
            _log.warning("libvirt's event loop stumbled", exc_info=True)


def close_reason(number: int) -> str:
    """Why a connection was closed, in words."""
    return _CLOSE_REASONS.get(number, f"the connection was closed ({number})")


def register(connection: api.Connect, tell: Callable[[DomainEvent], None]) -> None:
    """Have every event of a domain told; from libvirt's thread."""

    def lifecycle(_connection: object, domain: api.Domain, event: int, detail: int, _opaque: object) -> None:
        word, details = _LIFECYCLE.get(event, (f"event-{event}", ()))
        text = f"{word} {details[detail]}" if detail < len(details) else word
        is_gone = event == _flag("VIR_DOMAIN_EVENT_UNDEFINED")
        tell(DomainEvent(id=domain.UUIDString(), detail=text, gone=is_gone))

    def plain(word: str) -> Callable[..., None]:
        return lambda _connection, domain, *_rest: tell(DomainEvent(id=domain.UUIDString(), detail=word))

    connection.domainEventRegisterAny(None, _flag("VIR_DOMAIN_EVENT_ID_LIFECYCLE"), lifecycle, None)
    for name, word in _PLAIN:
        _register_plain(connection, _flag(name), plain(word))


_PLAIN: Final = (
    ("VIR_DOMAIN_EVENT_ID_REBOOT", "reboot"),
    ("VIR_DOMAIN_EVENT_ID_WATCHDOG", "watchdog"),
    ("VIR_DOMAIN_EVENT_ID_IO_ERROR", "io-error"),
    ("VIR_DOMAIN_EVENT_ID_DEVICE_ADDED", "device-added"),
    ("VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED", "device-removed"),
    ("VIR_DOMAIN_EVENT_ID_METADATA_CHANGE", "metadata-change"),
)


def _register_plain(connection: api.Connect, number: int, callback: Callable[..., None]) -> None:
    try:
        connection.domainEventRegisterAny(None, number, callback, None)
    except api.Error:
        _log.debug("event %d is not known to this hypervisor", number)
