"""The words of a name, and the names that languages make of them."""

from __future__ import annotations

import keyword
import re

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+")


def words(name: str) -> list[str]:
    """``hostPassthrough`` gives ``host``, ``passthrough``; ``VmCreateParams`` gives ``vm``, ``create``, ``params``."""
    return [word.lower() for word in _WORD.findall(name)]


def snake(name: str) -> str:
    """``vmId`` becomes ``vm_id``."""
    return "_".join(words(name))


def pascal(name: str) -> str:
    """``VM`` becomes ``Vm``, ``getInfo`` becomes ``GetInfo``."""
    return "".join(word.capitalize() for word in words(name))


def constant(name: str) -> str:
    """``hostPassthrough`` becomes ``HOST_PASSTHROUGH``."""
    return snake(name).upper()


def identifier(name: str) -> str:
    """``vmId`` as a Python attribute: ``vm_id``; a reserved word gets an underscore behind it."""
    found = snake(name)
    return f"{found}_" if keyword.iskeyword(found) else found
