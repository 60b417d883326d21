"""An answer that comes later, and tells one follower at once when it comes: no task, no timer and no turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Reply(asyncio.Future[bytes]):
    """A future of raw JSON, made by ``promise``. Whoever makes it ends it by ``settle`` or ``fail``.

    Whoever is given it first may set ``shape``: what is to become of the result, or of the failure. It is called once, when
    the reply ends, with one of them, or with neither when it was cancelled. Whoever is given it last may set ``follow``: it is
    called with the reply itself, within ``settle``, ``fail`` or ``give_up``. All that futures can do, it can do as well.
    """

    __slots__ = ("follow", "shape")

    follow: Callable[[asyncio.Future[bytes]], None] | None
    shape: Callable[[bytes | None, BaseException | None], bytes] | None

    def settle(self, result: bytes) -> None:
        """It is ``result``."""
        if self.done():
            return
        shape = self.shape
        if shape is None:
            self.set_result(result)
        else:  # as ``_end`` does; written out, because every query comes by here
            self.shape = None
            try:
                shaped = shape(result, None)
            except Exception as defect:  # noqa: BLE001 - whoever waits is not left waiting
                self._complain(defect)
                self.set_exception(defect)
            else:
                self.set_result(shaped)
        if self.follow is not None:
            self._tell(self.follow)

    def fail(self, failure: BaseException) -> None:
        """It is an error."""
        if self.done():
            return
        if self.shape is None:
            self.set_exception(failure)
        else:
            self._end(None, failure)
        if self.follow is not None:
            self._tell(self.follow)

    def cancel(self, msg: str | None = None) -> bool:
        """See asyncio: nobody wants it any more; its follower is not told."""
        if not super().cancel(msg):
            return False
        if self.shape is not None:
            self._try_shape(None, None)
        return True

    def give_up(self) -> None:
        """Nobody wants it any more, and its follower is told."""
        if self.cancel() and self.follow is not None:
            self._tell(self.follow)

    def _end(self, result: bytes | None, failure: BaseException | None) -> None:
        shaped = self._try_shape(result, failure)
        if isinstance(shaped, bytes):
            self.set_result(shaped)
        else:
            self.set_exception(shaped)

    def _try_shape(self, result: bytes | None, failure: BaseException | None) -> bytes | Exception:
        shape, self.shape = self.shape, None
        try:
            return b"" if shape is None else shape(result, failure)
        except Exception as defect:  # noqa: BLE001 - as below; whoever waits is not left waiting
            self._complain(defect)
            return defect

    def _tell(self, follow: Callable[[asyncio.Future[bytes]], None]) -> None:
        """A follower's defect is its own: whoever brings the answer has more to bring."""
        try:
            follow(self)
        except Exception as defect:  # noqa: BLE001 - as the loop does with what it calls
            self._complain(defect)

    def _complain(self, defect: Exception) -> None:
        context = {"message": "the follower of a reply failed", "exception": defect, "future": self}
        self.get_loop().call_exception_handler(context)


def promise(loop: asyncio.AbstractEventLoop) -> Reply:
    """A reply to come. Its members are set here, because a constructor of our own would cost as much as all the rest."""
    reply = Reply(loop=loop)
    reply.follow = reply.shape = None
    return reply
