"""The type of what JSON can hold."""

from __future__ import annotations

from typing import Any, TypeAlias

#: Any JSON value; what it is, is known to who reads it.
Json: TypeAlias = Any
