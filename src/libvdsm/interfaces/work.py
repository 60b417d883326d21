"""Promises between the front and a subsystem: the context of a call, and what a subsystem reports.

A subsystem cannot tell whether it shares the front's process: both directions are these two values.
Messages between processes are listed in ``interfaces.messages``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Raw, Struct

from libvdsm.interfaces.messages import Cause, Checked, Observed, Recovered, ReportTls


class WorkContext(Struct, kw_only=True):
    """What travels with a call into a subsystem. One per call."""

    method: str
    operation_id: str  # the task's id, or the call's own; goes into the hypervisor's metadata
    identity: str
    deadline: float  # loop.time() in the subsystem's process; no outward call may outlive it
    address: str = ""  # from where he called: an IP address, or "unix"
    flow_id: str | None = None
    generation: int = 0  # the object's present generation (0: none yet)
    expected_generation: int | None = None
    desired: Raw | None = None  # the object's recorded desired document, if any
    progress: Callable[[float], None] = lambda _value: None
    is_cancelled: Callable[[], bool] = lambda: False

    def cause(self, detail: str | None = None) -> Cause:
        """This call as the cause of a change."""
        return Cause(kind="call", method=self.method, operationId=self.operation_id, identity=self.identity, detail=detail)


class Reporter(Protocol):
    """How a subsystem tells the front what is. Never blocks; order is kept, also with answers."""

    def snapshot(self, type: str, objects: Sequence[Observed], cause: Cause) -> None:
        """All objects of a type: those not among them are gone. Sent at every start and resync."""
        ...

    def changed(self, type: str, observed: Observed, cause: Cause) -> None:
        """An object is new or has changed."""
        ...

    def removed(self, type: str, id: str, cause: Cause) -> None:
        """An object is gone."""
        ...

    def desired(self, type: str, id: str, generation: int, document: bytes) -> None:
        """A desired document was accepted; sent before the ``changed`` that shows it."""
        ...

    def stats(self, type: str, items: Sequence[tuple[str, bytes]]) -> None:
        """Encoded statistics by object id; objects not among them keep theirs."""
        ...

    def condition(self, state: str, reason: str | None = None) -> None:
        """The subsystem's own condition (``SubsystemState``)."""
        ...

    def offer(self, ticket: str, identity: str, stream: socket.socket, expires_s: float, *, address: str = "", vm: str = "") -> None:
        """Hand over a byte stream (one end of a socket pair) for the holder of ``ticket``, who comes from ``address``."""
        ...

    def tls(self, told: ReportTls) -> None:
        """Serve TLS connections with these keys from now on."""
        ...


class Service(Protocol):
    """A subsystem as its process runs it; its verbs are the methods of the generated Protocol."""

    async def start(self) -> None:
        """Begin: connect outward in the background, report a snapshot when it is known. Returns soon."""
        ...

    async def stop(self) -> None:
        """End within a few seconds; guests go on."""
        ...

    async def recover(self, context: WorkContext, params: Struct) -> Recovered:
        """What became of the verb ``context.method``, which an earlier life began as ``context.operation_id``.

        Called after the first snapshot and before any other verb on the object. Fences, then probes; changes nothing
        that a caller can see. A verb with the probe ``none`` never comes here: its outcome is unknown.
        """
        ...

    async def check(self, context: WorkContext, params: Struct) -> Checked:
        """All that speaks against the verb ``context.method`` now, without doing anything."""
        ...
