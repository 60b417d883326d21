"""Where generated text goes: files below the project root, written only if they differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import libvdsm

_PACKAGE: Final = Path(libvdsm.__file__).parent


def project_root() -> Path:
    """The checkout that this package is installed from, or else the present directory."""
    root = _PACKAGE.parent.parent
    return root if (root / "pyproject.toml").exists() else Path.cwd()


def drifted(root: Path, files: Mapping[str, str]) -> list[str]:
    """The names of the files that are not there or hold something else."""
    return [name for name, text in sorted(files.items()) if _held(root / name) != text.encode()]


def write(root: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that differ; their names are the result."""
    names = drifted(root, files)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name].encode())
    return names


def stale(root: Path, files: Mapping[str, str]) -> list[str]:
    """The names of files that stand in a directory ``generated`` and are not made any more."""
    directories = {Path(name).parent for name in files if "generated" in Path(name).parent.parts}
    found = (path.relative_to(root) for one in directories if (root / one).is_dir() for path in (root / one).iterdir() if path.is_file())
    return sorted(str(path) for path in found if str(path) not in files)


def _held(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
