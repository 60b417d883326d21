"""RECEIPTs in the order of their frames, each when its frame has had its effect."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from libvdsm.base.errors import ApiError


class _Pending:
    """A frame whose effect is awaited, or that waits for one before it."""

    __slots__ = ("is_done", "receipt")

    def __init__(self, receipt: str | None, *, is_done: bool) -> None:
        self.receipt = receipt
        self.is_done = is_done


class Receipts:
    """Those of one connection."""

    def __init__(
        self,
        most: int,
        *,
        write: Callable[[str], None],
        fail: Callable[[ApiError | None, str | None], None],
        room: Callable[[], None],
        settled: Callable[[], None],
    ) -> None:
        """``write`` sends one; ``fail`` is told of an effect that cannot be (None: by a defect), with its receipt.

        ``room`` is called when there are no longer ``most`` pending, ``settled`` after every effect.
        """
        self.most = most
        self._write = write
        self._fail = fail
        self._room = room
        self._settled = settled
        self.pending: deque[_Pending] = deque()

    @property
    def is_full(self) -> bool:
        """Whether as much as may be is pending."""
        return len(self.pending) >= self.most

    def give(self, receipt: str) -> None:
        """The frame has had its effect."""
        if self.pending:
            self.pending.append(_Pending(receipt, is_done=True))
        else:
            self._write(receipt)

    def give_later(self, waiting: Awaitable[None], receipt: str | None) -> None:
        """The frame has had its effect when ``waiting`` is done; one that asked for no receipt may fail as well."""
        pending = _Pending(receipt, is_done=False)
        self.pending.append(pending)

        def settle(done: asyncio.Future[None]) -> None:
            failure = None if done.cancelled() else done.exception()
            pending.is_done = True
            if failure is None:
                self._release()
                return
            if not isinstance(failure, ApiError):
                done.get_loop().call_exception_handler({"message": "a frame had no effect", "exception": failure, "future": done})
            self._fail(failure if isinstance(failure, ApiError) else None, receipt)

        asyncio.ensure_future(waiting).add_done_callback(settle)

    def _release(self) -> None:
        pending = self.pending
        was_full = self.is_full
        while pending and pending[0].is_done:
            receipt = pending.popleft().receipt
            if receipt is not None:
                self._write(receipt)
        if was_full and not self.is_full:
            self._room()
        self._settled()
