"""Importing the client costs next to nothing and needs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

_MEASURE = """
import json, sys, time
begin = time.process_time()
{statement}
spent = time.process_time() - begin
print(json.dumps([spent, sorted(sys.modules)]))
"""


def imported(statement: str) -> tuple[float, list[str]]:
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-I", "-c", _MEASURE.format(statement=statement)], capture_output=True, text=True, check=True, timeout=60
            ).stdout
        )
        for _ in range(3)
    ]
    best = min(found, key=lambda one: one[0])
    return best[0], best[1]


def test_the_package_itself_loads_nothing() -> None:
    seconds, modules = imported("import libvdsm.client")
    assert seconds < 0.1
    assert [name for name in modules if name.startswith("libvdsm.client.")] == []


def test_the_clients_load_no_types_before_they_are_named() -> None:
    for name in ("aio", "sync"):
        _, modules = imported(f"from libvdsm.client import {name}")
        assert [one for one in modules if one.startswith("libvdsm.client.generated.types.")] == []
        assert not {"msgspec", "uvloop", "yaml", "click", "libvdsm.schema", "libvdsm.base"} & set(modules)


def test_a_client_is_imported_within_its_budget() -> None:
    """100 ms of its own time on an idle machine; twice that here, where processors are shared."""
    for name in ("aio", "sync"):
        seconds, _ = imported(f"from libvdsm.client import {name}")
        assert seconds < 0.2
