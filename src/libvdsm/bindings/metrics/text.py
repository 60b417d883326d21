"""Prometheus' text: families of samples, each with its help and its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
#: So many samples are written at a time.
_STRIDE: Final = 200
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Family:
    """What all samples of one name have in common."""

    name: str
    kind: str  # counter | gauge
    help: str

    def __post_init__(self) -> None:
        """Refuse what no scraper would read."""
        if _NAME.fullmatch(self.name) is None or self.kind not in ("counter", "gauge"):
            msg = f"not a family: {self.name} {self.kind}"
            raise ValueError(msg)

    def head(self) -> bytes:
        """Its first lines."""
        return f"# HELP {self.name} {self.help.translate(_HELP_ESCAPES)}\n# TYPE {self.name} {self.kind}\n".encode()


@dataclass(frozen=True, slots=True)
class Group:
    """A family with its samples: by their labels as written by ``labels``."""

    family: Family
    samples: Iterable[tuple[str, float]] = field(default=())

    def pieces(self) -> Iterator[bytes]:
        """All of it, a little at a time; nothing if there are no samples."""
        name, head, samples = self.family.name, self.family.head(), iter(self.samples)
        while part := [f"{name}{labels} {number(value)}\n" for labels, value in islice(samples, _STRIDE)]:
            yield head + "".join(part).encode(errors="replace")
            head = b""


def labels(values: Mapping[str, str]) -> str:
    """``{name="value"}``; what is in the values cannot end them."""
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())
    return f"{{{inside}}}" if inside else ""


def number(value: float) -> str:
    """A number as written: exactly, and as short as that can be."""
    return repr(value)
