"""What the compiler says when a schema is wrong: file, line, definition, reason, rule.

Every phase reports with these values; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from libvdsm.schema.ir import Position


@dataclass(frozen=True, slots=True)
class Complaint:
    """One fault of a schema. ``rule`` is the stable name under which the fault is documented and tested."""

    position: Position
    definition: str
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.position}: {self.definition}: {self.message} [{self.rule}]"


class SchemaError(Exception):
    """A schema that cannot be compiled, with everything that is wrong with it as far as it was read."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = in_order(complaints)
        super().__init__("\n".join(str(c) for c in self.complaints))


def in_order(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Each complaint once, sorted by file, line and text."""
    return tuple(sorted(set(complaints), key=lambda c: (c.position.file, c.position.line, str(c))))
