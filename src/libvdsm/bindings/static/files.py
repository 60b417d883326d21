"""Files as they are served: read once, with all that is ever said of them."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

#: All files of a folder together.
MOST_OCTETS: Final = 64 * 1024 * 1024
MOST_FILES: Final = 5_000
_TYPES: Final[Mapping[str, bytes]] = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".ico": b"image/vnd.microsoft.icon",
    ".jpg": b"image/jpeg",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".map": b"application/json",
    ".mjs": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".wasm": b"application/wasm",
    ".webmanifest": b"application/manifest+json",
    ".woff2": b"font/woff2",
    ".yaml": b"application/yaml",
}
_OTHER: Final = b"application/octet-stream"
_PACKED_ALREADY: Final = frozenset({".jpg", ".png", ".woff2"})
#: Below this the head is most of what is sent.
_WORTH_PACKING: Final = 1_024
#: A name that changes with its content: eight or more hexadecimal digits of a digest before the last dot.
_DIGEST: Final = re.compile(r"[.-][0-9a-f]{8,}\.[a-z0-9]+\Z")
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_ASK_FIRST: Final = b"no-cache"


class NotServableError(Exception):
    """A folder cannot be served; ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Coding:
    """One form of a file."""

    data: bytes
    tag: bytes  # strong: another one means other octets


@dataclass(frozen=True, slots=True)
class File:
    """A file in its forms."""

    content_type: bytes
    cache_control: bytes
    plain: Coding
    packed: Coding | None  # in gzip, if that is worth it


def make_file(name: str, data: bytes) -> File:
    """A file of this name and content."""
    suffix = PurePosixPath(name).suffix.lower()
    digest = hashlib.sha256(data).hexdigest()[:32]
    packed = None
    if len(data) >= _WORTH_PACKING and suffix not in _PACKED_ALREADY:
        small = gzip.compress(data, 9, mtime=0)
        if len(small) < len(data) * 0.9:
            packed = Coding(small, f'"{digest}-gzip"'.encode())
    return File(
        content_type=_TYPES.get(suffix, _OTHER),
        cache_control=_FOR_EVER if _DIGEST.search(name) else _ASK_FIRST,
        plain=Coding(data, f'"{digest}"'.encode()),
        packed=packed,
    )


def read_folder(folder: Path) -> dict[str, File]:
    """All files below ``folder`` by their paths; raises ``NotServableError``.

    Hidden files, links and whatever is no plain file are left out: what is served is what was put there, and nothing beside it.
    """
    files: dict[str, File] = {}
    octets = 0
    try:
        for path in _plain_files(folder):
            octets += path.stat().st_size
            if octets > MOST_OCTETS or len(files) >= MOST_FILES:
                raise NotServableError(f"{folder}: more than {MOST_FILES} files or {MOST_OCTETS} octets")
            files[path.relative_to(folder).as_posix()] = make_file(path.name, path.read_bytes())
    except OSError as failure:
        raise NotServableError(f"{failure.filename or folder}: {failure.strerror or failure}") from failure
    return files


def _plain_files(folder: Path) -> Iterator[Path]:
    def fail(failure: OSError) -> None:
        raise failure

    for base, folders, names in os.walk(folder, onerror=fail, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(base, name)
            if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                yield path
