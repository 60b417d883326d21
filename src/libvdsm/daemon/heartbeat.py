"""The sign that a loop turns: a byte each second to the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os

PERIOD_S = 1.0


class Heartbeat:
    """Beats until the loop ends, from the loop itself: a stuck loop is silent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        with contextlib.suppress(OSError):  # a full pipe beats enough; a broken one means that we are about to end
            os.write(self._descriptor, b"\x01")
        self._loop.call_later(PERIOD_S, self._beat)
