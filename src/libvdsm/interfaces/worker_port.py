"""How the front reaches a subsystem, wherever that runs: calls out, reports in.

The front core implements ``WorkerReports`` and is given one ``WorkerPort`` per subsystem; whether the
subsystem runs in a process of its own (``ipc``) or in the front (``--in-process``) cannot be told.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from msgspec import Raw

from libvdsm.interfaces.messages import ReportOffer


class WorkerPort(Protocol):
    """One subsystem as the front calls it. One per subsystem for the life of the front; workers behind it come and go."""

    @property
    def name(self) -> str:
        """The subsystem: ``virt``, ``host``, ..."""
        ...

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> asyncio.Future[bytes]:
        """Send a verb (or ``work.cancel``) and answer the raw JSON of its result.

        ``params`` is the raw JSON of the parameters, ``meta`` that of a ``WorkMeta``. Never raises: the future fails
        with a subclass of ``ApiError`` (rebuilt by name): ``SubsystemUnavailable`` if there is no worker, or it goes
        away before the answer; ``DeadlineExceeded`` if no answer came within ``timeout_s`` (coarse: up to 0.25 s more).
        Cancelling the future forgets the answer and stops nothing; ``work.cancel`` does that.
        """
        ...

    def is_up(self) -> bool:
        """Whether a worker is attached now."""
        ...

    def reason(self) -> str:
        """Why it is not up, in words; empty while it is."""
        ...


class WorkerReports(Protocol):
    """What the front core is told; always in the loop's thread, in the order the worker spoke, also with answers.

    No method may block or raise.
    """

    def attached(self, name: str) -> None:
        """A (new) worker can be called; its ``report.snapshot`` will follow."""
        ...

    def lost(self, name: str, reason: str) -> None:
        """The worker is gone; its pending calls have failed already. It is being restarted."""
        ...

    def held(self, name: str, reason: str) -> None:
        """It ended too often and is held down: said after ``lost``; another attempt follows every 30 s."""
        ...

    def degraded(self, name: str, reason: str) -> None:
        """Its heartbeat has been missed for 5 s, or (``reason`` empty) has come back."""
        ...

    def report(self, name: str, method: str, params: Raw) -> None:
        """A notification ``report.<what>`` as ``interfaces.messages`` lists them, but never ``report.offer``.

        ``params`` may be a view into a larger buffer: copy what is kept.
        """
        ...

    def offer(self, name: str, offer: ReportOffer, stream: socket.socket) -> None:
        """A byte stream for the holder of a ticket; non-blocking, now the receiver's to close."""
        ...
