"""What is committed is what the emitters make, and they make the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from libvdsm.codegen.emitters import EMITTERS
from libvdsm.codegen.writer import BANNER
from libvdsm.schema import ir

ROOT = Path(__file__).resolve().parents[3]

_DIGEST = """
import hashlib
from libvdsm.codegen.emitters import EMITTERS
from libvdsm.schema import load_api
api = load_api()
texts = [path + text for key in ("asyncapi", "openrpc", "jsonschema", "docs", "cli") for path, text in EMITTERS[key](api).items()]
print(hashlib.sha256("".join(texts).encode()).hexdigest())
"""


@pytest.mark.parametrize("target", sorted(EMITTERS))
def test_the_tree_holds_what_is_emitted(api: ir.Api, target: str) -> None:
    stale = [path for path, text in EMITTERS[target](api).items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert stale == [], "run `vdsm-schema generate`"


@pytest.mark.parametrize("target", sorted(EMITTERS))
def test_a_banner_stands_at_the_head(api: ir.Api, target: str) -> None:
    """JSON has it as a member; Python and Markdown as the first line."""
    for path, text in EMITTERS[target](api).items():
        assert "do not edit" in (text if path.endswith(".json") else text.splitlines()[0]), path
        assert text.endswith("\n")
        assert "\r" not in text
    assert "do not edit" in BANNER


def test_the_order_does_not_hang_on_hashes() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
