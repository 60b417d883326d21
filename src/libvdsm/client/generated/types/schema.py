# Generated from the schema by vdsm-schema; do not edit.
"""Types of Schema: The description of this API."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions(values.Record):
    """What may travel beside the parameters of any call: member meta in JSON-RPC, headers Vdsm-* in HTTP."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("timeout", "timeout"),
        ("not_after", "notAfter"),
        ("idempotency_key", "idempotencyKey"),
        ("expected_generation", "expectedGeneration"),
        ("wait", "wait"),
        ("flow_id", "flowId"),
        ("traceparent", "traceparent"),
        ("tracestate", "tracestate"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"expectedGeneration", "flowId", "idempotencyKey", "notAfter", "timeout", "traceparent", "tracestate", "wait"}
    )

    timeout: float | None = None
    """The longest time for the call, from its receipt. Unit: seconds."""
    not_after: str | None = None
    """The call is not run after this time."""
    idempotency_key: str | None = None
    """A repeated call with this key is answered as the first was."""
    expected_generation: int | None = None
    """The object must have this generation."""
    wait: float | None = None
    """For operations: answer when the task has ended or this time is up. Unit: seconds."""
    flow_id: str | None = None
    """Your word for a group of calls; it is in tasks, events and logs."""
    traceparent: str | None = None
    """W3C trace context."""
    tracestate: str | None = None
    """W3C trace context."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            timeout=data.get("timeout"),
            not_after=data.get("notAfter"),
            idempotency_key=data.get("idempotencyKey"),
            expected_generation=data.get("expectedGeneration"),
            wait=data.get("wait"),
            flow_id=data.get("flowId"),
            traceparent=data.get("traceparent"),
            tracestate=data.get("tracestate"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpenRpc(values.Record):
    """An OpenRPC document; its members are OpenRPC's."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("openrpc", "openrpc"),
        ("info", "info"),
        ("methods", "methods"),
        ("components", "components"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"components", "info", "methods", "openrpc"})

    openrpc: str
    """The version of OpenRPC."""
    info: Any
    """Title and version of this API."""
    methods: Any
    """The verbs."""
    components: Any = None
    """Types and errors."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            openrpc=data["openrpc"],
            info=data["info"],
            methods=data["methods"],
            components=data.get("components"),
            extra=values.unknown_members(data, cls.KNOWN),
        )
