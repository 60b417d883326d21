"""Answers by idempotency key: a repeated call is answered as the first was (DESIGN 2)."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.interfaces.generated.errors import IdempotencyConflict


@dataclass(slots=True)
class _Answer:
    digest: bytes
    future: asyncio.Future[bytes]
    at: float


class Answers:
    """The answers of the newest calls that had a key, by identity and key."""

    def __init__(self, clock: Clock, *, most: int = 100_000, keep_s: float = 86_400) -> None:
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], _Answer] = OrderedDict()
        self._most = most
        self._keep_s = keep_s

    async def once(self, identity: str, key: str, method: str, params: bytes, run: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer of ``run``, or of the call that had this key before.

        A call that failed is remembered as well as one that did not. Raises ``IdempotencyConflict`` when the key was used
        for another verb or other parameters. A caller that goes away does not stop the work.
        """
        digest = _digest(method, params)
        self._trim()
        known = self._answers.get((identity, key))
        if known is None:
            known = _Answer(digest, asyncio.ensure_future(run()), self._clock.monotonic())
            known.future.add_done_callback(_retrieve)
            self._answers[identity, key] = known
        elif known.digest != digest:
            raise IdempotencyConflict(key=key)
        return await asyncio.shield(known.future)

    def _trim(self) -> None:
        oldest = self._clock.monotonic() - self._keep_s
        while self._answers:
            first = next(iter(self._answers.values()))
            if len(self._answers) < self._most and first.at >= oldest:
                return
            self._answers.popitem(last=False)


def _retrieve(future: asyncio.Future[bytes]) -> None:
    """A failure that nobody awaits any more is not an accident."""
    if not future.cancelled():
        future.exception()


def _digest(method: str, params: bytes) -> bytes:
    canonical = msgspec.json.encode(msgspec.json.decode(params), order="sorted")
    return hashlib.sha256(method.encode() + b"\0" + canonical).digest()
