"""Kinds of identifiers, and how new ones are made."""

from __future__ import annotations

import secrets
import uuid
from typing import NewType

VmId = NewType("VmId", str)
TaskId = NewType("TaskId", str)
OperationId = NewType("OperationId", str)
DeviceId = NewType("DeviceId", str)


def new_uuid() -> str:
    """A random UUID in its lower-case form."""
    return str(uuid.uuid4())


def new_token() -> str:
    """256 random bits, safe in URLs."""
    return secrets.token_urlsafe(32)
