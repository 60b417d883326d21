"""Certificates and keys as files: whether they may be trusted, read as they are, written whole or not at all.

Standard library only, because the supervisor looks at the modes before anything starts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from libvdsm.base.tls import TlsError, TlsKeys
from libvdsm.subsystems.host.pki.config import PkiConfig

_LIMIT: Final = 1024 * 1024
_KEY_MODE: Final = 0o600
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_MOST_LINKS: Final = 40
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"


def check_key_file(path: Path) -> None:
    """Raise ``TlsError`` unless the key is ours alone: mode 0600, owned by us or root, and no link to it that others could turn.

    Every folder on the way must be one that only its owner changes, or a sticky one.
    """
    place = path.absolute()
    for _ in range(_MOST_LINKS):
        for folder in place.parents:
            _check_folder(folder, path)
        found = _status(place)
        if not stat.S_ISLNK(found.st_mode):
            break
        place = Path(os.path.normpath(place.parent / place.readlink()))
    else:
        raise TlsError(f"{path}: too many links")
    if not stat.S_ISREG(found.st_mode):
        raise TlsError(f"{path}: is no file")
    if found.st_uid not in {0, os.geteuid()}:
        raise TlsError(f"{path}: belongs to user {found.st_uid}, not to root or to us")
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise TlsError(f"{path}: has mode {stat.S_IMODE(found.st_mode):04o}, and a key must have 0600")


def _check_folder(folder: Path, path: Path) -> None:
    found = _status(folder.resolve())
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise TlsError(f"{path}: others can change what it is, because they may write to {folder}")
    if found.st_uid not in {0, os.geteuid()}:
        raise TlsError(f"{path}: lies in {folder}, which belongs to user {found.st_uid}")


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as failure:
        raise TlsError(f"{path}: {failure.strerror}") from failure


def read_pem(path: Path) -> bytes:
    """What is in the file; raises ``TlsError``."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as failure:
        raise TlsError(f"{path}: {failure.strerror}") from failure
    if len(data) > _LIMIT:
        raise TlsError(f"{path}: is too great")
    return data


def read_keys(config: PkiConfig) -> TlsKeys:
    """What the server shows and trusts now, not judged yet; raises ``TlsError`` for what is missing, or not ours alone."""
    check_key_file(config.key_file)
    cas = [read_pem(config.ca_file)]
    if config.client_ca is not None:
        cas.append(read_pem(config.client_ca))
    with contextlib.suppress(FileNotFoundError):
        cas.append(config.former_file.read_bytes())
    return TlsKeys(
        certificate=read_pem(config.certificate_file),
        key=read_pem(config.key_file),
        client_cas=b"\n".join(dict.fromkeys(each for data in cas for each in split_pem(data))),
    )


def split_pem(data: bytes) -> tuple[bytes, ...]:
    """The certificates in a file, each as PEM, in their order."""
    found = []
    for part in data.split(_BEGIN)[1:]:
        body, end, _rest = part.partition(_END)
        if end:
            found.append(_BEGIN + b"\n" + body.strip().replace(b"\r", b"") + b"\n" + _END + b"\n")
    return tuple(found)


def signature(paths: Iterable[Path]) -> tuple[object, ...]:
    """Another value when a file has become another one, or has other content."""
    return tuple(_mark(path) for path in paths)


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as failure:
        return failure.errno
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)


def make_folder(folder: Path) -> None:
    """A folder of ours alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_whole(path: Path, data: bytes, mode: int = _KEY_MODE) -> None:
    """Put ``data`` in the place of the file in one step; after a crash there is the old one or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
