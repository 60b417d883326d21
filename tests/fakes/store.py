"""A store that lives as long as the test, commits in the next turn, and can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.store import Logged, Refused, StoreHealth

T = TypeVar("T")


class FakeStore:
    """``interfaces.store.Store`` in memory; ``failure`` is what commits and checks raise while it is set."""

    def __init__(self) -> None:
        self.epoch = "e"
        self.records: dict[str, dict[str, bytes]] = {}
        self.logs: dict[str, list[Logged]] = {}
        self.failure: ApiError | None = None
        self.commits = 0

    def load(self, kind: str) -> Mapping[str, bytes]:
        return dict(self.records.get(kind, {}))

    def understood(self, kind: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        return {key: decode(data) for key, data in self.load(kind).items()}

    def put(self, kind: str, key: str, data: bytes) -> None:
        self.records.setdefault(kind, {})[key] = data

    def remove(self, kind: str, key: str) -> None:
        self.records.get(kind, {}).pop(key, None)

    def append(self, log: str, record: Logged) -> None:
        self.logs.setdefault(log, []).append(record)

    def span(self, log: str) -> tuple[int, int]:
        records = self.logs.get(log)
        return (records[0].sequence, records[-1].sequence) if records else (1, 0)

    def committed(self, log: str) -> int:
        return self.span(log)[1]

    def tail(self, log: str, limit: int, most_octets: int) -> Sequence[Logged]:
        del most_octets
        return self.logs.get(log, [])[-limit:]

    async def read(self, log: str, after: int, limit: int) -> Sequence[Logged]:
        return [each for each in self.logs.get(log, []) if each.sequence > after][:limit]

    def commit(self) -> Awaitable[None]:
        return self._commit()

    async def _commit(self) -> None:
        self.commits += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    def check(self, *, deletes: bool = False) -> None:
        if self.failure is not None and not deletes:
            raise self.failure

    def on_commit(self, listener: Callable[[], None]) -> None:
        del listener

    def on_refusal(self, listener: Callable[[Refused], None]) -> None:
        del listener

    def on_breakdown(self, listener: Callable[[str], None]) -> None:
        del listener

    def health(self) -> StoreHealth:
        return StoreHealth("ok")
