"""The targets of the fuzzing, for seconds: all of the corpus, and what chance makes of it, the same at each run."""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.fuzz.fuzz import CORPUS, seeds, spoil
from tests.fuzz.targets import TARGETS

_INPUTS: Final = {"journal": 60}  # files are written for each
_SEED: Final = 20_260


def test_every_target_has_a_corpus() -> None:
    assert {each.name for each in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_bears(target: str) -> None:
    """An input that fails is told."""
    known, chance = seeds(target), random.Random(_SEED)
    for data in (*known, b"", *(spoil(chance, known) for _ in range(_INPUTS.get(target, 3_000)))):
        try:
            TARGETS[target](data)
        except Exception as failure:  # noqa: BLE001 - any is a finding
            pytest.fail(f"{data!r}: {failure!r}")
