"""Parameters from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from libvdsm.cli.failures import Exit, Failure
from libvdsm.cli.values import read_json


def read_text(name: str) -> str:
    """Return the text of a file, or of standard input for ``-``."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            f"cannot read {name}: {error}", remedy="Name a readable file in UTF-8, or - for standard input.", code=Exit.USAGE
        ) from error


def read_source(name: str) -> dict[str, Any]:
    """Return the object that a JSON or YAML file holds. YAML needs PyYAML."""
    value = read_value(read_text(name), name)
    if not isinstance(value, dict):
        raise Failure(f"{name} does not hold an object", remedy="Give an object with the verb's parameters.", code=Exit.USAGE)
    return value


def read_value(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of JSON text; of YAML text if it is no JSON and PyYAML is there."""
    try:
        return read_json(text)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            raise Failure(f"{name} is not valid JSON: {error}", remedy="Correct the file.", code=Exit.USAGE) from error
        return _read_yaml(text, name)


def _read_yaml(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise Failure(f"{name} is not JSON, and YAML needs PyYAML", remedy="Install PyYAML, or write JSON.", code=Exit.USAGE) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Failure(f"{name} is not valid YAML: {error}", remedy="Correct the file.", code=Exit.USAGE) from error
