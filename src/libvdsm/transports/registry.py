"""The book of open connections: one for all listeners of a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libvdsm.transports.connection import Connection


class Registry:
    """Connections by their numbers, which are never given twice."""

    def __init__(self, before: int = 0) -> None:
        """``before``: all numbers are greater; by it those of one life of the daemon are none of another's."""
        self._open: dict[int, Connection] = {}
        self._last = before

    def __len__(self) -> int:
        """How many there are."""
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Enter a connection; one that goes on for another has that one's number and place."""
        if not connection.number:
            self._last += 1
            connection.number = self._last
        self._open[connection.number] = connection

    def discard(self, connection: Connection) -> None:
        """It is gone. Idempotent."""
        if self._open.get(connection.number) is connection:
            del self._open[connection.number]

    def after(self, number: int) -> Iterator[Connection]:
        """See ``Connections``."""
        for key, connection in self._open.items():
            if key > number:
                connection.count_pages()
                yield connection

    def find(self, number: int) -> Connection | None:
        """See ``Connections``."""
        found = self._open.get(number)
        if found is not None:
            found.count_pages()
        return found
