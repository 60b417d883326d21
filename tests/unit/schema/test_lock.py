"""The lock only ever grows, and what it pins is what the description says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from libvdsm.schema import NATIVE, check, ir, load_api, loader, lock, resolve

BASE = Path(__file__).parent / "base"


def base_api(pins: lock.Lock | None = None) -> ir.Api:
    return resolve.build(loader.load(BASE), pins)


def test_a_written_lock_reads_back_the_same(tmp_path: Path) -> None:
    pins = lock.update(lock.Lock(), base_api())
    path = tmp_path / lock.FILE_NAME
    path.write_text(lock.encode(pins), encoding="utf-8")
    assert lock.read(path) == pins


def test_updating_an_up_to_date_lock_changes_nothing() -> None:
    pins = lock.update(lock.Lock(), base_api())
    assert lock.encode(lock.update(pins, base_api(pins))) == lock.encode(pins)


def test_the_committed_lock_is_up_to_date() -> None:
    path = NATIVE.parent / lock.FILE_NAME
    assert path.read_text(encoding="utf-8") == lock.encode(lock.update(lock.read(path), check.checked()))


def test_enum_values_keep_their_numbers_and_new_ones_take_the_next() -> None:
    pins = lock.Lock(enums={"Color": {"green": 1, "blue": 2}})
    color = base_api(pins).types["Color"]
    assert isinstance(color, ir.Enum)
    assert {v.name: v.number for v in color.values} == {"blue": 2, "red": 3}


def test_the_number_of_a_removed_value_is_not_given_away() -> None:
    pins = lock.update(lock.Lock(enums={"Color": {"green": 7}}), base_api(lock.Lock(enums={"Color": {"green": 7}})))
    assert pins.enums["Color"] == {"green": 7, "red": 8, "blue": 9}


def test_parameters_stand_in_their_pinned_order_and_new_ones_behind() -> None:
    pins = lock.Lock(orders={"Thing.change": ("thingId", "whole")})
    assert [p.name for p in base_api(pins).methods["Thing.change"].params] == ["thingId", "whole", "config"]


def test_what_left_the_schema_is_kept_as_removed() -> None:
    pins = lock.update(lock.Lock(entries={"type Ghost": "1.0"}), base_api())
    assert pins.removed == ("type Ghost",)
    assert pins.entries["type Ghost"] == "1.0"


def test_updating_never_changes_what_is_pinned() -> None:
    fresh = lock.update(lock.Lock(), base_api())
    odd = replace(fresh, entries={**fresh.entries, "type Color": "0.9"}, errors={**fresh.errors, "TooLate": 99})
    again = lock.update(odd, base_api(odd))
    assert again.entries["type Color"] == "0.9"
    assert again.errors["TooLate"] == 99


def test_an_absent_lock_pins_nothing(tmp_path: Path) -> None:
    assert lock.read(tmp_path / lock.FILE_NAME) == lock.Lock()


@pytest.mark.parametrize("text", ("", "[]", "{}", '{"entries": 1, "enums": {}, "errors": {}, "params": {}, "removed": []}'))
def test_what_is_no_lock_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / lock.FILE_NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(lock.LockError, match="is not a lock file"):
        lock.read(path)


def test_every_entry_of_the_api_is_pinned() -> None:
    api = load_api()
    names = dict(lock.entries(api))
    assert {f"method {name}" for name in api.methods} <= names.keys()
    assert {f"type {name}" for name in api.types} <= names.keys()
    assert "param VM.create.config" in names
    assert "field VmConfig.memory" in names
    assert "value VmState.running" in names
    assert "branch DiskSource.file" in names
