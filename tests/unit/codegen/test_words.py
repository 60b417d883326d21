"""Names are cut into words and put together as languages spell them."""

from __future__ import annotations

import pytest

from libvdsm.codegen.words import constant, identifier, pascal, snake, words


@pytest.mark.parametrize(
    ("name", "expected"),
    (
        ("vmId", ["vm", "id"]),
        ("VM", ["vm"]),
        ("whoAmI", ["who", "am", "i"]),
        ("hostPassthrough", ["host", "passthrough"]),
        ("e1000e", ["e1000e"]),
        ("load15", ["load15"]),
        ("VmCreateParams", ["vm", "create", "params"]),
        ("never-started", ["never", "started"]),
    ),
)
def test_words(name: str, expected: list[str]) -> None:
    assert words(name) == expected


def test_spellings() -> None:
    assert snake("expectedGeneration") == "expected_generation"
    assert pascal("VM") == "Vm"
    assert pascal("getInfo") == "GetInfo"
    assert constant("hostPassthrough") == "HOST_PASSTHROUGH"


def test_reserved_words_get_an_underscore() -> None:
    assert identifier("import") == "import_"
    assert identifier("from") == "from_"
    assert identifier("type") == "type"
