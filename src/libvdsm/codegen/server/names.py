"""How the schema's names look in the daemon's Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.codegen.words import pascal, snake

if TYPE_CHECKING:
    from libvdsm.schema.ir import Api, Method

#: Subsystems whose verbs the front answers itself; they have no Protocol.
FRONT: Final = "front"

#: Workers that exist even while no verb is theirs.
WORKERS: Final = ("host", "virt")


def service(subsystem: str) -> str:
    """``virt`` becomes ``VirtService``."""
    return f"{pascal(subsystem)}Service"


def subsystems(api: Api) -> list[str]:
    """Those that get a Protocol, sorted."""
    return sorted({*WORKERS, *(m.subsystem for m in api.methods.values())} - {FRONT})


def attribute(method: Method) -> str:
    """``VM.create`` becomes ``vm_create``."""
    return f"{snake(method.interface)}_{snake(method.name)}"
