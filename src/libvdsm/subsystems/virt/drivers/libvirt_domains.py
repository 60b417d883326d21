"""What libvirt's handles say of its domains: which there are, how they are defined, how they run."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from libvdsm.interfaces.generated.errors import AlreadyExists, HypervisorUnavailable, ObjectNotFound
from libvdsm.interfaces.generated.types import VmStats
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.drivers import libvirt_api as api
from libvdsm.subsystems.virt.drivers import libvirt_reader, libvirt_state, libvirt_stats, libvirt_xml
from libvdsm.subsystems.virt.drivers.libvirt_errors import is_unsupported, translate, translated
from libvdsm.subsystems.virt.drivers.libvirt_process import started_at

_log = logging.getLogger(__name__)
_flag = api.flag


class Domains:
    """Reads them. Everything here may block for ever, as in the driver."""

    def __init__(self, uri: str) -> None:
        self._devices: dict[str, tuple[int, libvirt_reader.Parsed]] = {}  # of running domains, by their number of this run
        self._run_folder = _run_folder(uri)

    def sample(self, handle: api.Domain, record: dict[str, object], sampled_at: str) -> VmStats | None:
        """The figures of a running domain, if it runs still. ``record`` is libvirt's."""
        id = handle.UUIDString()
        try:
            live = self.live(handle, id)
        except (api.Error, libvirt_xml.XmlError):
            return None  # it has ended meanwhile
        state, reason = record.get("state.state", 0), record.get("state.reason", 0)
        word = libvirt_state.state_of(_integer(state), _integer(reason), has_saved_state=False).state
        return libvirt_stats.vm_stats(word, record, sampled_at, live)

    def live(self, handle: api.Domain, id: str) -> libvirt_reader.Parsed:
        """The running definition, read once in each life of the domain."""
        number = handle.ID()
        known = self._devices.get(id)
        if known is None or known[0] != number:
            known = self._devices[id] = (number, libvirt_reader.from_xml(handle.XMLDesc(0)))
        return known[1]

    def read_listed(self, handle: api.Domain) -> Domain | None:
        """One of a list: if it cannot be read it is left out."""
        try:
            return self.read(handle)
        except libvirt_xml.XmlError as error:
            _log.warning("domain %s is left out: %s", handle.name(), error)
        except api.Error as error:
            failure = translate(error, "virDomainGetXMLDesc", handle.UUIDString())
            if isinstance(failure, HypervisorUnavailable):
                raise failure from error
            if not isinstance(failure, ObjectNotFound):
                _log.warning("domain %s is left out: %s", handle.name(), failure.message)
        return None

    def read(self, handle: api.Domain) -> Domain:
        """One domain; raises ``XmlError`` if its definition is none that we read."""
        wanted = libvirt_reader.from_xml(handle.XMLDesc(_flag("VIR_DOMAIN_XML_INACTIVE")), autostart=is_autostarted(handle))
        number, reason = handle.state(0)
        seen = libvirt_state.state_of(number, reason, has_saved_state=has_saved_state(handle))
        live = None
        if handle.isActive():
            live = libvirt_reader.from_xml(handle.XMLDesc(0), autostart=wanted.config.autostart, like=wanted.config).config
        return Domain(
            id=wanted.id,
            name=wanted.title or wanted.libvirt_name,
            state=seen.state,
            state_reason=seen.reason,
            config=wanted.config,
            live_config=live,
            generation=wanted.generation,
            operation_id=wanted.operation_id,
            digest=wanted.digest,
            started_at=started_at(self._run_folder, wanted.libvirt_name) if live is not None else None,
            is_foreign=not wanted.is_ours,
        )


def look_up(connection: api.Connect, id: str) -> api.Domain:
    """The handle of a domain; raises ``ObjectNotFound``."""
    with translated("virDomainLookupByUUIDString", id):
        return connection.lookupByUUIDString(id)


def present(connection: api.Connect, id: str) -> libvirt_reader.Parsed | None:
    """The definition that is there, if any."""
    try:
        handle = look_up(connection, id)
        with translated("virDomainGetXMLDesc", id):
            return libvirt_reader.from_xml(handle.XMLDesc(_flag("VIR_DOMAIN_XML_INACTIVE")))
    except ObjectNotFound:
        return None
    except libvirt_xml.XmlError as error:
        raise AlreadyExists(type="vm", id=id) from error


def is_autostarted(handle: api.Domain) -> bool:
    """Whether it starts with the host."""
    try:
        return bool(handle.autostart())
    except api.Error as error:
        if isinstance(translate(error, "virDomainGetAutostart"), HypervisorUnavailable):
            raise
        return False  # a transient one


def has_saved_state(handle: api.Domain) -> bool:
    """Whether it is hibernated."""
    try:
        return bool(handle.hasManagedSaveImage(0))
    except api.Error as error:
        if is_unsupported(error):
            return False
        raise


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _run_folder(uri: str) -> Path | None:
    """Where libvirt keeps the pid files of its guests, if it runs here and as root."""
    parts = urlsplit(uri)
    if parts.netloc or parts.path != "/system" or not parts.scheme.startswith("qemu"):
        return None
    sockets = parse_qs(parts.query).get("socket")
    return Path(sockets[0]).parent / "qemu" if sockets else Path("/run/libvirt/qemu")
