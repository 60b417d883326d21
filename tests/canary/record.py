"""What is planted and what is seen while the tests run; all of it is searched at the end (``tests.canary.search``).

Whoever makes a secret in a test, or is given one by a daemon, says so here. Standard library only.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

#: Names the folder of the record to this session's processes; without it nothing is recorded.
VARIABLE = "LIBVDSM_CANARY"
#: A kind that is at home in files that end in .key and that nobody else can read.
PRIVATE_KEY = "private key"
_PLANTED = "planted"
_ROOTS = "roots"
_SEEN = "seen"
#: Fewer characters may stand anywhere by chance.
LEAST = 12


@dataclass(frozen=True)
class Planted:
    """A secret, and the files in which it is at home."""

    kind: str
    text: str
    homes: list[str] = field(default_factory=list)


def folder() -> Path | None:
    """Where this session's record is, if there is one."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def plant(kind: str, length: int = 40) -> str:
    """A new secret of letters and digits."""
    text = "canary" + secrets.token_hex(length // 2)[: length - 6]
    register(kind, text)
    return text


def register(kind: str, text: str, *homes: Path) -> None:
    """A secret that came from elsewhere; it may be in its ``homes``, and nowhere else."""
    if len(text) < LEAST:
        raise ValueError(f"{kind}: what is so short is found everywhere")
    _add(_PLANTED, json.dumps(asdict(Planted(kind, text, [str(home.absolute()) for home in homes]))))


def register_key(pem: str) -> None:
    """A private key in PEM: no line of it may be anywhere but in a file for keys. The last line holds public parts alone."""
    lines = [line for line in pem.splitlines() if not line.startswith("-")]
    for line in lines[:-1] or lines:
        if len(line) >= LEAST:
            register(PRIVATE_KEY, line)


def search_in(root: Path) -> None:
    """Everything below ``root`` is to be searched."""
    _add(_ROOTS, str(root.absolute()))


def seen(source: str, data: bytes) -> None:
    """What somebody could read: it is searched as if it had been written."""
    here = folder()
    if here is not None and data:
        with (here / _SEEN / f"{source}-{os.getpid()}").open("ab") as file:
            file.write(data + b"\n")


def make(here: Path) -> None:
    """Begin a record in ``here``."""
    (here / _SEEN).mkdir(parents=True)
    os.environ[VARIABLE] = str(here)


def planted(here: Path) -> list[Planted]:
    """All secrets, each once."""
    found: dict[str, Planted] = {}
    for line in _lines(here, _PLANTED):
        one = Planted(**json.loads(line))
        before = found.get(one.text)
        found[one.text] = one if before is None else Planted(before.kind, one.text, sorted({*before.homes, *one.homes}))
    return list(found.values())


def roots(here: Path) -> list[Path]:
    """All folders that are to be searched, what was seen included."""
    return [here / _SEEN, *dict.fromkeys(Path(line) for line in _lines(here, _ROOTS))]


def _add(name: str, line: str) -> None:
    here = folder()
    if here is not None:
        with (here / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _lines(here: Path, name: str) -> Iterator[str]:
    path = here / name
    if path.exists():
        yield from path.read_text("utf-8").splitlines()
