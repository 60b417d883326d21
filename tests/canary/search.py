"""Looks for planted secrets in everything that was written, as they are and in the usual disguises."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.canary.record import LEAST, PRIVATE_KEY, Planted


@dataclass(frozen=True)
class Hit:
    """A secret where it does not belong."""

    kind: str
    path: Path
    offset: int

    def __str__(self) -> str:
        return f"a {self.kind} in {self.path} at octet {self.offset}"


@dataclass(frozen=True)
class Findings:
    """What a search has found, and how much it has looked at."""

    secrets: int
    files: int
    octets: int
    hits: list[Hit] = field(default_factory=list)

    def __str__(self) -> str:
        return f"canary: {len(self.hits)} hits ({self.secrets} secrets planted, {self.octets / 1e6:.1f} million octets in {self.files} files searched)"


def disguises(text: str) -> set[bytes]:
    """The forms in which ``text`` would be found: itself, in hexadecimal digits, in base64 at each place of a longer text, in a URL."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(text, safe="").encode()}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        whole = encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]  # what stands around it changes the letters at its ends
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return {one for one in found if len(one) >= LEAST}


def search(planted: Sequence[Planted], roots: Iterable[Path]) -> Findings:
    """Every place below ``roots`` where one of the secrets stands and is not at home."""
    files = sorted({path for root in roots for path in _files(root)})
    octets = sum(_size(path) for path in files)
    owners = {form: one for one in planted for form in disguises(one.text)}
    hits = set(_hits(owners, files)) if owners and files else set()
    return Findings(len(planted), len(files), octets, sorted(hits, key=str))


def _files(root: Path) -> Iterable[Path]:
    if root.is_file():
        yield root
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _hits(owners: dict[bytes, Planted], files: Sequence[Path]) -> Iterable[Hit]:
    """By grep, which looks for thousands of words at once."""
    with tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch, "words")
        words.write_bytes(b"\n".join(owners) + b"\n")
        command = ["xargs", "-0", "grep", "--text", "--fixed-strings", "--only-matching", "--byte-offset", "--with-filename", "--null"]
        done = subprocess.run(
            [*command, "--no-messages", f"--file={words}", "--"],
            input=b"\0".join(os.fsencode(path) for path in files),
            capture_output=True,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            timeout=600,
            check=False,
        )
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(b"\0")
        offset, _, form = rest.partition(b":")
        owner = owners[form]
        path = Path(os.fsdecode(name))
        if not _is_at_home(owner, path):
            yield Hit(owner.kind, path, int(offset))


def _is_at_home(owner: Planted, path: Path) -> bool:
    if owner.kind == PRIVATE_KEY and path.suffix == ".key":
        try:
            return path.stat().st_mode & 0o077 == 0
        except FileNotFoundError:  # whoever keeps the folder of the run has removed it: nobody reads it any more
            return True
    return str(path.absolute()) in owner.homes
