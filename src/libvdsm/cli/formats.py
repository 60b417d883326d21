"""Results as JSON, YAML and newline-delimited JSON; always safe to print on a terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from libvdsm.cli.terminal import safe_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATS: Final = ("table", "json", "yaml", "ndjson")

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def as_json(value: object) -> str:
    """Write a value as indented JSON."""
    return safe_json(json.dumps(value, ensure_ascii=False, indent=2))


def as_line(value: object) -> str:
    """Write a value as JSON on one line."""
    return safe_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def as_ndjson(value: object) -> str:
    """Write a list's items on a line each; anything else on one line."""
    items = items_of(value)
    return as_line(value) if items is None else "\n".join(map(as_line, items))


def items_of(value: object) -> list[Any] | None:
    """Return the items of a list result; None if it is none."""
    items = value.get("items") if isinstance(value, dict) else None
    return items if isinstance(items, list) else None


def as_yaml(value: object) -> str:
    """Write a value as YAML in block style, members in their order."""
    return "\n".join(_yaml(value))


def _yaml(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield from _yaml_map(value)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _yaml(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _yaml_scalar(value)


def _yaml_map(value: Mapping[str, object]) -> Iterator[str]:
    for key, member in value.items():
        if member and isinstance(member, dict | list):
            yield f"{_yaml_scalar(key)}:"
            yield from (f"  {line}" for line in _yaml(member))
        else:
            yield f"{_yaml_scalar(key)}: {_yaml_scalar(member)}"


def _yaml_scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")  # without a point YAML 1.1 takes it for a word
    return safe_json(text)
