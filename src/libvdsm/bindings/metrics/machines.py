"""Figures of virtual machines, kept as text: what was not sampled anew since the last reading is not written anew either.

Samples of a family must stand together, while statistics come by machine: so each machine's text is kept by family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

import msgspec

from libvdsm.bindings.metrics.names import PREFIX, FigureGroup
from libvdsm.bindings.metrics.text import Family, labels, number
from libvdsm.interfaces.caller import Caller

STATE: Final = Family(f"{PREFIX}_vm_state", "gauge", "1 for the state in which the virtual machine is.")
#: So many machines' samples of a family are joined at a time.
_STRIDE: Final = 200

Lines = tuple[bytes, ...]
_decode: Final = msgspec.json.Decoder(dict[str, object]).decode


class Machine(Protocol):
    """A virtual machine with its encoded ``VmStats``."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def project(self) -> str:
        """Its project."""
        ...

    @property
    def state(self) -> str:
        """Its state."""
        ...

    @property
    def stats(self) -> bytes:
        """Its encoded statistics; the same object as long as they are the same."""
        ...


class Machines:
    """The samples of all virtual machines, for whoever may see them."""

    def __init__(
        self, groups: Sequence[FigureGroup], machines: Callable[[], Iterable[Machine]], sees: Callable[[Caller], Callable[[Machine], bool]]
    ) -> None:
        """``sees``: which machines a caller may see."""
        self._groups = groups
        self._families = (STATE, *(figure.family for group in groups for figure in group.figures))
        self._machines = machines
        self._sees = sees
        self._kept: dict[str, tuple[tuple[object, ...], Lines]] = {}
        self.renewed = 0  # how often a machine's text was made

    def pieces(self, caller: Caller) -> Iterator[bytes]:
        """The text, a little at a time."""
        sees = self._sees(caller)
        shown: list[Lines] = []
        for machine in tuple(self._machines()):
            if sees(machine):
                shown.append(self._lines(machine))
                yield b""
        for place, family in enumerate(self._families):
            head = family.head()
            column = iter(shown)
            while part := tuple(islice(column, _STRIDE)):
                text = b"".join([lines[place] for lines in part])
                if text:
                    yield head + text
                    head = b""
        self._forget()

    def _lines(self, machine: Machine) -> Lines:
        key = (machine.stats, machine.name, machine.project, machine.state)
        kept = self._kept.get(machine.id)
        if kept is None or kept[0] != key:  # equal text is as good as the same
            self.renewed += 1
            kept = self._kept[machine.id] = (key, _write(machine, self._groups))
        return kept[1]

    def _forget(self) -> None:
        """Let go of the text of machines that are gone."""
        present = {machine.id for machine in self._machines()}
        if len(self._kept) > len(present):
            self._kept = {id: kept for id, kept in self._kept.items() if id in present}


def _write(machine: Machine, groups: Sequence[FigureGroup]) -> Lines:
    own = {"vm": machine.id, "name": machine.name, "project": machine.project}
    whose = labels(own)
    lines = [f"{STATE.name}{labels(own | {'state': machine.state})} 1\n".encode(errors="replace")]
    stats = _decode(machine.stats) if machine.stats else {}
    for group in groups:
        told = stats.get(group.member)
        items = told if isinstance(told, list) else [] if told is None else [told]
        # What could not be refreshed is left out: an old figure would pass for a new one.
        fresh = [item for item in items if isinstance(item, dict) and "notRefreshed" not in item]
        marks = [labels(own | {group.item_label: str(item.get("id", ""))}) if group.item_label else whose for item in fresh]
        for figure in group.figures:
            text = "".join(
                f"{figure.family.name}{mark} {number(item[figure.member])}\n"
                for item, mark in zip(fresh, marks, strict=True)
                if figure.member in item
            )
            lines.append(text.encode(errors="replace"))
    return tuple(lines)
