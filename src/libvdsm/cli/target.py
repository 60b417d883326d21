"""Which daemon, and what is shown to it and trusted of it: from the options, the environment, and a file of settings."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libvdsm.cli.failures import Exit, Failure

DEFAULT_URL: Final = "unix:///run/libvdsm/vdsmd.sock"
URL_VARIABLE: Final = "VDSM_URL"
FILE_VARIABLE: Final = "VDSM_SETTINGS"
#: The words of the file and of the command line, and the variable of each.
VARIABLES: Final[Mapping[str, str]] = {
    "url": URL_VARIABLE,
    "host": "VDSM_HOST",
    "cert": "VDSM_CERT",
    "key": "VDSM_KEY",
    "ca": "VDSM_CA",
}
_PATHS: Final = frozenset({"cert", "key", "ca"})


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon."""

    url: str = DEFAULT_URL
    cert: str | None = None
    key: str | None = None
    ca: str | None = None


def find_target(given: Mapping[str, str | None], environment: Mapping[str, str] = os.environ) -> Target:
    """The daemon by the words of the command line (``given``), then of the environment, then of the file.

    ``host`` is short for ``url: tls://HOST:PORT``; the later source that names the daemon is not looked at when an earlier
    one does. Beside a certificate NAME.crt its key NAME.key and ca.crt are found by themselves.
    """
    sources = [given, {word: environment.get(variable) for word, variable in VARIABLES.items()}, _file(environment)]
    words = {word: _first(sources, word) for word in _PATHS}
    if words["cert"] is not None:
        certificate = Path(words["cert"])
        words["key"] = words["key"] or _beside(certificate.with_suffix(".key"))
        words["ca"] = words["ca"] or _beside(certificate.with_name("ca.crt"))
    return Target(_url(sources), **words)


def _url(sources: list[Mapping[str, str | None]]) -> str:
    for source in sources:
        if source.get("url") and source.get("host"):
            raise Failure("both --url and --host name the daemon", remedy="Give one of them.", code=Exit.USAGE)
        if source.get("url"):
            return str(source["url"])
        if source.get("host"):
            return f"tls://{source['host']}"
    return DEFAULT_URL


def _first(sources: list[Mapping[str, str | None]], word: str) -> str | None:
    return next((value for source in sources if (value := source.get(word))), None)


def _beside(path: Path) -> str | None:
    return str(path) if path.exists() else None


def settings_file(environment: Mapping[str, str]) -> Path:
    """Where the file of settings is, if there is one."""
    named = environment.get(FILE_VARIABLE)
    if named:
        return Path(named)
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/")) / ".config")
    return Path(home) / "libvdsm" / "vdsmsh.toml"


def _file(environment: Mapping[str, str]) -> Mapping[str, str | None]:
    """The words of the file; paths in it count from its folder."""
    file = settings_file(environment)
    try:
        with file.open("rb") as stream:
            found = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: cannot be read: {error}", remedy="Correct or remove it.", code=Exit.USAGE) from error
    for word, value in found.items():
        if word not in VARIABLES or not isinstance(value, str):
            known = ", ".join(VARIABLES)
            raise Failure(f"{file}: {word}: here may stand {known}, each a string", remedy="Correct it.", code=Exit.USAGE)
    return {word: str(file.parent / value) if word in _PATHS else value for word, value in found.items()}
