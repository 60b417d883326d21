"""Names of the schema become words by rule."""

from __future__ import annotations

import pytest

from libvdsm.cli.description import Description
from libvdsm.cli.words import identifier, kebab, singular


@pytest.mark.parametrize(
    ("name", "word"),
    (
        ("getStats", "get-stats"),
        ("VM", "vm"),
        ("whoAmI", "who-am-i"),
        ("NodeDevice", "node-device"),
        ("list", "list"),
        ("cpu.secureBoot", "cpu.secure-boot"),
        ("load15", "load15"),
        ("vmIds", "vm-ids"),
        ("get-stats", "get-stats"),
    ),
)
def test_kebab(name: str, word: str) -> None:
    """A name is cut where a new word begins; a word stays itself."""
    assert kebab(name) == word
    assert kebab(word) == word


@pytest.mark.parametrize(
    ("plural", "one"),
    (
        ("disks", "disk"),
        ("nics", "nic"),
        ("graphics", "graphics"),
        ("statistics", "statistics"),
        ("entries", "entry"),
        ("addresses", "address"),
        ("boxes", "box"),
        ("memory", "memory"),
        ("access", "access"),
    ),
)
def test_singular(plural: str, one: str) -> None:
    """An entry of a list has a word of its own."""
    assert singular(plural) == one


def test_no_two_verbs_of_a_noun_share_a_word(description: Description) -> None:
    """Every verb can be reached."""
    for interface in description.interfaces:
        words = [kebab(verb) for verb in description.verbs(interface)]
        assert len(words) == len(set(words))


def test_identifiers_are_names_of_python() -> None:
    """Click takes the name of a parameter only if it is an identifier."""
    assert identifier("config", "cpu.mode", "read-only") == "o_config__cpu_mode__read_only"
