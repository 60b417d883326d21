"""The driver of libvirt: QEMU of the system or of a session, and libvirt's own test driver.

Everything here may block for ever; the lanes know.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import HypervisorUnavailable, ObjectNotFound, Unsupported, WrongState
from libvdsm.interfaces.generated.types import HostCapabilities, ShutdownWay, VideoModel, VmState, VmStats
from libvdsm.subsystems.virt.driver import Definition, Domain, Listener, Road
from libvdsm.subsystems.virt.drivers import libvirt_api as api
from libvdsm.subsystems.virt.drivers import (
    libvirt_capabilities,
    libvirt_reader,
    libvirt_state,
    libvirt_writer,
    libvirt_xml,
)
from libvdsm.subsystems.virt.drivers.libvirt_connections import Connections, close, keep_alive, unless_unsupported
from libvdsm.subsystems.virt.drivers.libvirt_console import SerialPump, as_png, receive_all
from libvdsm.subsystems.virt.drivers.libvirt_domains import Domains, has_saved_state, is_autostarted, look_up, present
from libvdsm.subsystems.virt.drivers.libvirt_errors import is_unsupported, translate, translated
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe

_log = logging.getLogger(__name__)
_flag = api.flag

_TITLE: Final = _flag("VIR_DOMAIN_METADATA_TITLE")
_AGENT_TIMEOUT_S: Final = 5
_KVM_PATIENCE_S: Final = 6.0
_INACTIVE: Final = "stopped, hibernated"
_ACTIVE: Final = "running, paused, stopping, crashed"
_STATS: Final = (
    _flag("VIR_DOMAIN_STATS_STATE")
    | _flag("VIR_DOMAIN_STATS_CPU_TOTAL")
    | _flag("VIR_DOMAIN_STATS_BALLOON")
    | _flag("VIR_DOMAIN_STATS_VCPU")
    | _flag("VIR_DOMAIN_STATS_INTERFACE")
    | _flag("VIR_DOMAIN_STATS_BLOCK")
)
_STATS_FLAGS: Final = _flag("VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE") | _flag("VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT")
_UNDEFINE_ALL: Final = (
    _flag("VIR_DOMAIN_UNDEFINE_MANAGED_SAVE")
    | _flag("VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA")
    | _flag("VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA")
    | _flag("VIR_DOMAIN_UNDEFINE_NVRAM")
)
_SHUTDOWN_FLAGS: Final = {
    ShutdownWay.AGENT: _flag("VIR_DOMAIN_SHUTDOWN_GUEST_AGENT"),
    ShutdownWay.ACPI: _flag("VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN"),
}
_REBOOT_FLAGS: Final = {
    ShutdownWay.AGENT: _flag("VIR_DOMAIN_REBOOT_GUEST_AGENT"),
    ShutdownWay.ACPI: _flag("VIR_DOMAIN_REBOOT_ACPI_POWER_BTN"),
}


class LibvirtDriver:
    """See ``Driver``."""

    def __init__(self, uri: str, clock: Clock, *, kvm: KvmProbe | None = None) -> None:
        self._uri = uri
        self._clock = clock
        self._kvm = kvm or KvmProbe()
        self._connections = Connections(uri)
        self._road = self._connections.on
        self._kind = ""  # libvirt's name of its driver: QEMU, TEST
        self._domains = Domains(uri)

    # connections

    def open(self, listener: Listener) -> None:
        """See ``Driver``."""
        self._kind = self._connections.open(listener)
        self._begin_kvm_probe()

    def close(self) -> None:
        """See ``Driver``."""
        self._connections.close()

    def replace(self, road: Road) -> None:
        """See ``Driver``. A connection lives as long as a call hangs on it."""
        self._connections.replace(road)

    @contextlib.contextmanager
    def _domain(self, id: str, road: Road) -> Iterator[api.Domain]:
        """A domain on a connection of a road, for one call alone."""
        with self._road(road) as connection:
            yield look_up(connection, id)

    def _begin_kvm_probe(self) -> None:
        if self._kind != "QEMU":
            return
        with self._road("command") as connection, translated("virConnectGetDomainCapabilities"):
            emulator = libvirt_capabilities.emulator_of(connection.getDomainCapabilities(None, None, None, "qemu"))
        if emulator is not None:
            self._kvm.begin(emulator)

    def _virt_type(self, patience_s: float = 0.0) -> str:
        """libvirt's word for how new guests run; waits so long for the trial of KVM if that is still under way."""
        if self._kind != "QEMU":
            return self._kind.lower()
        return "kvm" if self._kvm.wait(patience_s).is_usable else "qemu"

    # looking

    def capabilities(self) -> HostCapabilities:
        """See ``Driver``."""
        kvm = self._kvm.verdict()
        with self._road("monitor") as connection, translated("virConnectGetCapabilities"):
            domain = None
            if self._kind == "QEMU":
                domain = connection.getDomainCapabilities(None, None, None, "kvm" if kvm.is_usable else "qemu")
            return libvirt_capabilities.read(
                kind=self._kind,
                libvirt_version=connection.getLibVersion(),
                hypervisor_version=connection.getVersion(),
                capabilities=connection.getCapabilities(),
                domain_capabilities=domain,
                **({"kvm": kvm} if self._kind == "QEMU" else {}),
            )

    def domains(self) -> list[Domain]:
        """See ``Driver``."""
        with self._road("monitor") as connection:
            with translated("virConnectListAllDomains"):
                handles = connection.listAllDomains(0)
            found = [self._domains.read_listed(handle) for handle in handles]
        return sorted((domain for domain in found if domain is not None), key=lambda domain: domain.id)

    def domain(self, id: str) -> Domain:
        """See ``Driver``."""
        with self._domain(id, "monitor") as handle, translated("virDomainGetXMLDesc", id):
            try:
                return self._domains.read(handle)
            except libvirt_xml.XmlError as error:
                raise Unsupported(feature="reading this domain's definition", reason=str(error)) from error

    def stats(self) -> Sequence[VmStats]:
        """See ``Driver``."""
        with self._road("monitor") as connection:
            try:
                records = connection.getAllDomainStats(_STATS, _STATS_FLAGS)
            except api.Error as error:
                if not is_unsupported(error):
                    raise translate(error, "virConnectGetAllDomainStats") from error
                return self._states()
            sampled_at = timestamp(self._clock.time())
            found = [self._domains.sample(handle, record, sampled_at) for handle, record in records]
        return [sample for sample in found if sample is not None]

    def _states(self) -> list[VmStats]:
        """For a hypervisor without figures."""
        states = ((domain.id, domain.state) for domain in self.domains() if domain.live_config is not None)
        return [VmStats(vm_id=id, state=state) for id, state in states]

    # defining

    def fence(self, id: str) -> None:
        """See ``Driver``. What changes a domain needs its job; so does this, which writes the title that is there."""
        with self._domain(id, "command") as handle, translated("virDomainSetMetadata", id):
            handle.setMetadata(_TITLE, _title(handle), None, None, 0)

    def unusable_file(self, path: str) -> str | None:
        """See ``Driver``. Of another host nothing is known. The file is not opened: some devices act when they are."""
        if urlsplit(self._uri).netloc or self._kind != "QEMU":
            return None
        if stat.S_ISDIR(os.stat(path).st_mode):  # noqa: PTH116 - one call, which may hang
            return "it is a directory"
        return None if os.access(path, os.R_OK) else "it cannot be read"

    def define(self, definition: Definition) -> None:
        """See ``Driver``. ``Unsupported`` for a definition that is not ours: what we cannot tell of it would be lost."""
        with self._road("command") as connection:
            known = present(connection, definition.id)
            if known is not None and not known.is_ours:
                reason = "it was made by other means and may hold more than can be told here"
                raise Unsupported(feature="changing this definition", reason=reason)
            name = known.libvirt_name if known is not None else None
            xml = libvirt_writer.to_xml(definition, virt_type=self._virt_type(), libvirt_name=name)
            with translated("virDomainDefineXML", definition.id):
                handle = connection.defineXML(xml)
                if definition.config.autostart != is_autostarted(handle):
                    handle.setAutostart(int(definition.config.autostart))

    def set_autostart(self, id: str, autostart: bool) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, translated("virDomainSetAutostart", id):
            handle.setAutostart(int(autostart))

    def undefine(self, id: str) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainUndefineFlags", handle, id, _INACTIVE):
            try:
                handle.undefineFlags(_UNDEFINE_ALL)
            except api.Error as error:
                if not _refuses_flags(error):
                    raise
                handle.undefine()

    # acting

    def start(self, id: str, *, paused: bool) -> None:
        """See ``Driver``."""
        with self._road("command") as connection:
            handle = self._adapted(connection, id)
            with self._acting("virDomainCreateWithFlags", handle, id, _INACTIVE):
                if paused and self._kind == "TEST":  # it has no such flag, and no first instruction either
                    handle.createWithFlags(0)
                    handle.suspend()
                else:
                    handle.createWithFlags(_flag("VIR_DOMAIN_START_PAUSED") if paused else 0)

    def _adapted(self, connection: api.Connect, id: str) -> api.Domain:
        """The domain, redefined if it was defined for an acceleration that this host no longer or only now has."""
        handle = look_up(connection, id)
        with translated("virDomainDefineXML", id):
            xml = handle.XMLDesc(_flag("VIR_DOMAIN_XML_INACTIVE") | _flag("VIR_DOMAIN_XML_SECURE"))
            parsed = libvirt_reader.from_xml(xml)
            virt_type = self._virt_type(_KVM_PATIENCE_S)
            if not parsed.is_ours or parsed.virt_type == virt_type or handle.isActive():
                return handle
            return connection.defineXML(libvirt_xml.with_virt_type(xml, virt_type))

    def ask_shutdown(self, id: str, way: ShutdownWay) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainShutdownFlags", handle, id, "running, stopping"):
            _prepare_agent(handle, way)
            handle.shutdownFlags(_SHUTDOWN_FLAGS[way])

    def ask_reboot(self, id: str, way: ShutdownWay) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainReboot", handle, id, "running"):
            _prepare_agent(handle, way)
            handle.reboot(_REBOOT_FLAGS[way])

    def destroy(self, id: str) -> None:
        """See ``Driver``."""
        with self._domain(id, "rescue") as handle, self._acting("virDomainDestroy", handle, id, _ACTIVE):
            handle.destroy()

    def reset(self, id: str) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainReset", handle, id, _ACTIVE):
            handle.reset(0)

    def suspend(self, id: str) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainSuspend", handle, id, "running, stopping, paused"):
            if self._state(handle) is not VmState.PAUSED:
                handle.suspend()

    def resume(self, id: str) -> None:
        """See ``Driver``."""
        with self._domain(id, "command") as handle, self._acting("virDomainResume", handle, id, "paused, running, stopping"):
            if self._state(handle) is VmState.PAUSED:
                handle.resume()

    @contextlib.contextmanager
    def _acting(self, call: str, handle: api.Domain, id: str, needs: str) -> Iterator[None]:
        """Work that needs the domain in one of some states; looked at first, because not every hypervisor says it well."""
        with translated(call, id, wrong_state=lambda: self._wrong_state(handle, id, needs)):
            if self._state(handle).value not in needs.split(", "):
                raise self._wrong_state(handle, id, needs)
            yield

    def _state(self, handle: api.Domain) -> VmState:
        number, reason = handle.state(0)
        return libvirt_state.state_of(number, reason, has_saved_state=has_saved_state(handle)).state

    def _wrong_state(self, handle: api.Domain, id: str, needs: str) -> ApiError:
        state = VmState.UNKNOWN
        with contextlib.suppress(api.Error):
            state = self._state(handle)
        return WrongState(type="vm", id=id, state=state.value, needs=needs)

    # consoles

    def screenshot(self, id: str, screen: int) -> tuple[str, bytes]:
        """See ``Driver``."""
        with self._road("command") as connection:
            handle = look_up(connection, id)
            if self._running(handle, id).config.video is VideoModel.NONE and self._kind == "QEMU":
                raise Unsupported(feature="a screenshot", reason="the virtual machine has no graphics card")
            with self._acting("virDomainScreenshot", handle, id, _ACTIVE):
                stream = connection.newStream(0)
                content_type = handle.screenshot(stream, screen, 0)
                image = receive_all(stream)
        return "image/png", as_png(content_type, image)

    def open_serial(self, id: str, device_id: str, *, take_over: bool) -> socket.socket:
        """See ``Driver``."""
        with self._domain(id, "command") as handle:
            alias = self._running(handle, id).serial_aliases.get(device_id)
        if alias is None:
            raise ObjectNotFound(type="device", id=device_id)
        flags = _flag("VIR_DOMAIN_CONSOLE_FORCE" if take_over else "VIR_DOMAIN_CONSOLE_SAFE")
        with translated("virConnectOpen"):
            connection = api.open_connection(self._uri)
        try:
            stream = self._open_stream(connection, id, alias, flags)
        except BaseException:
            close(connection)
            raise
        outer, inner = socket.socketpair()
        try:
            SerialPump(connection, stream, inner).start()
        except HypervisorUnavailable:
            outer.close()
            raise
        return outer

    def _open_stream(self, connection: api.Connect, id: str, alias: str, flags: int) -> api.Stream:
        with translated("virDomainOpenConsole", id):
            keep_alive(connection)
            handle = connection.lookupByUUIDString(id)
        with self._acting("virDomainOpenConsole", handle, id, _ACTIVE):
            stream = connection.newStream(0)
            handle.openConsole(alias, stream, flags)
        return stream

    def open_graphics(self, id: str) -> socket.socket:
        """See ``Driver``."""
        with self._domain(id, "command") as handle:
            if not self._running(handle, id).config.graphics:
                raise Unsupported(feature="a graphical console", reason="the virtual machine has no graphics")
            with self._acting("virDomainOpenGraphicsFD", handle, id, _ACTIVE):
                descriptor = handle.openGraphicsFD(0, _flag("VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH"))
        return socket.socket(fileno=descriptor)

    def _running(self, handle: api.Domain, id: str) -> libvirt_reader.Parsed:
        """The running definition; ``WrongState`` if there is none."""
        with translated("virDomainGetXMLDesc", id):
            if not handle.isActive():
                raise self._wrong_state(handle, id, _ACTIVE)
            return libvirt_reader.from_xml(handle.XMLDesc(0))


def _title(handle: api.Domain) -> str | None:
    try:
        return handle.metadata(_TITLE, None, 0)
    except api.Error as error:
        if api.of_error(error).get_error_code() == _flag("VIR_ERR_NO_DOMAIN_METADATA"):
            return None
        raise


def _prepare_agent(handle: api.Domain, way: ShutdownWay) -> None:
    """Without this libvirt waits for ever for an agent that has died."""
    if way is ShutdownWay.AGENT:
        unless_unsupported(lambda: handle.agentSetResponseTimeout(_AGENT_TIMEOUT_S, 0))


def _refuses_flags(error: Exception) -> bool:
    return is_unsupported(error) or api.of_error(error).get_error_code() == _flag("VIR_ERR_INVALID_ARG")
