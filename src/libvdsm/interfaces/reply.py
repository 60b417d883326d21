"""An answer that comes later, and tells one follower at once when it comes: no task, no timer and no turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Reply(asyncio.Future[bytes]):
    """A future of raw JSON. Whoever makes it ends it by ``settle`` or ``fail``; whoever is given it may set ``follow``.

    ``follow`` is called with the reply itself, within ``settle``, ``fail`` or a ``cancel`` by the follower's own side
    through ``give_up``. All that futures can do, it can do as well.
    """

    __slots__ = ("follow",)

    follow: Callable[[asyncio.Future[bytes]], None] | None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.follow = None

    def settle(self, result: bytes) -> None:
        """It is ``result``."""
        if not self.done():
            self.set_result(result)
            if self.follow is not None:
                self._tell(self.follow)

    def fail(self, failure: BaseException) -> None:
        """It is an error."""
        if not self.done():
            self.set_exception(failure)
            if self.follow is not None:
                self._tell(self.follow)

    def give_up(self) -> None:
        """Nobody wants it any more."""
        if self.cancel() and self.follow is not None:
            self._tell(self.follow)

    def _tell(self, follow: Callable[[asyncio.Future[bytes]], None]) -> None:
        """A follower's defect is its own: whoever brings the answer has more to bring."""
        try:
            follow(self)
        except Exception as failure:  # noqa: BLE001 - as the loop does with what it calls
            context = {"message": "the follower of a reply failed", "exception": failure, "future": self}
            self.get_loop().call_exception_handler(context)
