"""``api.lock``: what is pinned for ever, committed beside the schema.

It holds the numbers of enum values, the order of parameters, since and the name of every entry;
a name that was removed stays in it, so that it is never given away again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lock:
    """The pinned facts of an API."""

    entries: Mapping[str, str] = field(default_factory=dict)  # "method VM.create" -> since
    enums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "VM.create" -> names of its parameters

    def params(self, path: str) -> tuple[str, ...]:
        """The pinned order of a verb's or an error's parameters."""
        return self.orders.get(path, ())

    def with_new_values(self, enum: str, names: Iterable[str]) -> dict[str, int]:
        """The number of every value: the pinned one, or the next that was never used. Zero is the unknown value's."""
        numbers = dict(self.enums.get(enum, {}))
        for name in names:
            if name not in numbers:
                numbers[name] = max(numbers.values(), default=0) + 1
        return numbers


def read(path: Path) -> Lock:
    """Read a lock file; an absent one pins nothing."""
    if not path.exists():
        return Lock()
    data = json.loads(path.read_text(encoding="utf-8"))
    return Lock(
        entries=dict(data["entries"]),
        enums={name: dict(values) for name, values in data["enums"].items()},
        orders={name: tuple(order) for name, order in data["params"].items()},
    )
