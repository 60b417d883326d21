"""The description, compiled once."""

from __future__ import annotations

import pytest

from libvdsm.schema import ir, load_api


@pytest.fixture(scope="session")
def api() -> ir.Api:
    """The native profile."""
    return load_api()
