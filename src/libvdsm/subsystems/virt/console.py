"""What a virtual machine shows: its serial ports, its screen, and pictures of it."""

from __future__ import annotations

import base64

from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.ids import new_token
from libvdsm.interfaces.generated.errors import ObjectNotFound, Unsupported
from libvdsm.interfaces.generated.types import (
    ConsoleKind,
    ConsoleOpenParams,
    ConsoleProtocol,
    ConsoleTicket,
    VmConfig,
    VmScreenshot,
    VmScreenshotParams,
)
from libvdsm.interfaces.work import Reporter, WorkContext
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.deed import deed
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.events import Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory


class Consoles:
    """Opens consoles and takes pictures."""

    def __init__(
        self, hypervisor: Hypervisor, inventory: Inventory, observer: Observer, reporter: Reporter, clock: Clock, *, ticket_s: float
    ) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._observer = observer
        self._reporter = reporter
        self._clock = clock
        self._ticket_s = ticket_s

    async def open(self, context: WorkContext, params: ConsoleOpenParams) -> ConsoleTicket:
        """Open a console now and offer its stream to the holder of a ticket."""
        domain = await self._look(context, params.vm_id)
        config = domain.live_config or domain.config
        if params.kind is ConsoleKind.GRAPHICS:
            require_screen(config)
            stream = await deed(context, self._hypervisor.open_graphics(domain.id, context.deadline))
            protocol = ConsoleProtocol.VNC
        else:
            device_id = serial_id(config, params.device_id)
            opening = self._hypervisor.open_serial(domain.id, device_id, take_over=params.take_over, deadline=context.deadline)
            stream = await deed(context, opening)
            protocol = ConsoleProtocol.SERIAL
        ticket = new_token()
        self._reporter.offer(ticket, context.identity, stream, self._ticket_s, address=context.address, vm=domain.id)
        expires_at = timestamp(self._clock.time() + self._ticket_s)
        return ConsoleTicket(ticket=ticket, path=f"/stream/{ticket}", protocol=protocol, expires_at=expires_at)

    async def screenshot(self, context: WorkContext, params: VmScreenshotParams) -> VmScreenshot:
        """A picture of the screen."""
        domain = await self._look(context, params.vm_id)
        content_type, image = await self._hypervisor.screenshot(domain.id, params.screen, context.deadline)
        return VmScreenshot(content_type=content_type, data=base64.b64encode(image).decode("ascii"))

    async def _look(self, context: WorkContext, vm_id: str) -> Domain:
        """The domain in a state in which it has consoles."""
        domain = await self._observer.look(vm_id, self._inventory.cause_of(vm_id, "looked at"), context.deadline)
        plan.needs_work(context.method, vm_id, domain.state)
        return domain


def require_screen(config: VmConfig) -> None:
    """``Unsupported`` for a virtual machine that nobody can see."""
    if not config.graphics:
        raise Unsupported(feature="a graphical console", reason="the virtual machine has no graphics")


def serial_id(config: VmConfig, wanted: str | None) -> str:
    """The serial port that is meant; ``ObjectNotFound`` or ``Unsupported`` if there is none."""
    ids = [serial.id for serial in config.serials if serial.id is not None]
    if wanted is not None and wanted not in ids:
        raise ObjectNotFound(type="device", id=wanted)
    if not ids:
        raise Unsupported(feature="a serial console", reason="the virtual machine has no serial port")
    return wanted or ids[0]
