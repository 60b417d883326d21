"""What the daemon knows of a verb at run time; the table itself is generated (``generated.methods``)."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntry:
    """One verb: its traits from the schema and the types of its parameters and result."""

    name: str  # "VM.create"
    attribute: str  # "vm_create": the method of the service's Protocol
    kind: str  # query | command | operation
    subsystem: str  # front | virt | host | ...
    permission: str | None
    object_param: str | None  # wire name, "vmId"
    object_type: str | None
    params: type[Struct]  # closed: unknown members are errors
    param_names: tuple[str, ...]  # wire names in pinned order
    result: type[Struct]  # for an operation: what the task holds when done
    timeout_s: float
    idempotent: bool
    cost: str
    probe: str | None
    progress_unit: str | None
    paged: bool
    errors: tuple[str, ...]
    uncacheable: bool  # the result holds a ticket: never cached, stored or logged
    has_secret: bool = False  # the parameters may hold a secret: never stored or logged
    works_in: tuple[str, ...] = ()  # the object's states in which the verb has something to do; empty: any
    done_in: tuple[str, ...] = ()  # those in which there is nothing left to do
