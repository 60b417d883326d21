"""Questions about files on the host. A path may hang for ever (a dead network file system), so each has a thread that can be given up.

A path that has not answered yet is not asked again, so no more threads hang than paths do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.subsystems.virt.lanes import Timers
from libvdsm.subsystems.virt.threads import begin_thread

#: So many paths may hang before no others are asked.
_MOST_HUNG: Final = 32
#: What is told of a path that hangs.
HANGS: Final = "it does not answer"


class Paths:
    """Asks what is wrong with files. Used in the loop's thread."""

    def __init__(self, ask: Callable[[str], str | None], timers: Timers) -> None:
        self._ask = ask
        self._timers = timers
        self._asked: dict[str, asyncio.Future[str | None]] = {}

    async def ask(self, path: str, deadline: float) -> str | None:
        """What speaks against the file, in words, or None; a path that hangs is told of at the deadline."""
        answer = self._asked.get(path)
        if answer is None:
            if len(self._asked) >= _MOST_HUNG:
                return f"{len(self._asked)} other files do not answer"
            answer = self._begin(path)
        done, _ = await asyncio.wait((answer,), timeout=max(0.0, deadline - self._timers.time()))
        return answer.result() if done else HANGS

    def _begin(self, path: str) -> asyncio.Future[str | None]:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked[path] = answer
        try:
            begin_thread("virt-path", self._run, path)
        except HypervisorUnavailable as error:
            self._settle(path, f"it cannot be asked: {error.params['reason']}")
        return answer

    def _run(self, path: str) -> None:
        try:
            found = self._ask(path)
        except OSError as error:
            found = error.strerror or str(error)
        try:
            self._timers.call_soon_threadsafe(self._settle, path, found)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _settle(self, path: str, found: str | None) -> None:
        answer = self._asked.pop(path)
        if not answer.done():
            answer.set_result(found)
