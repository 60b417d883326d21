"""``vdsmd --check-state``: what it says, and its exit status."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from libvdsm.daemon.config import ConfigError, StateConfig
from libvdsm.daemon.config_reader import read_config
from libvdsm.daemon.main import main
from libvdsm.interfaces.store import Logged
from libvdsm.journal.place import DATABASE
from libvdsm.journal.store import SqliteStore


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder whose front has never run; we are nobody special."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "front").mkdir()
    return tmp_path


async def fill(state: Path) -> None:
    store = SqliteStore.open(state / "front")
    for number in range(1, 4):
        store.put("document", f"vm/{number}", b"1\n{}")
        store.append("event", Logged(number, 1000.0, b"what happened"))
    await store.commit()
    await store.close()


def run(state: Path, *words: str) -> int:
    return main(["--check-state", *words, "--state-dir", str(state)])


def spoil(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "front" / DATABASE)) as connection, connection:
        connection.execute(statement)


def test_no_state_yet(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host on which the daemon has never run is sound."""
    assert run(state) == 0
    assert "there is no state yet" in capsys.readouterr().out
    (state / "front" / "state.lock").unlink()
    (state / "front").rmdir()
    assert run(state, "--repair") == 0


async def test_a_sound_state(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how much was read, and changes nothing."""
    await fill(state)
    before = (state / "front" / DATABASE).read_bytes()
    assert run(state) == 0
    assert capsys.readouterr().out == "3 records and 3 records of 1 logs\nthe state is sound\n"
    assert run(state, "--repair") == 0
    assert (state / "front" / DATABASE).read_bytes() == before


async def test_an_unsound_state_is_repaired(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong is named; after the repair the rest is there, in a new epoch if events are lost, and the old files beside."""
    await fill(state)
    spoil(state, "UPDATE records SET data = x'00' WHERE key = 'vm/2'")
    spoil(state, "DELETE FROM logs WHERE sequence = 2")
    assert run(state) == 1
    told = capsys.readouterr().out
    assert "the record of kind document and key vm/2 is unsound" in told
    assert "records 2 to 2 of log event are gone" in told
    assert "the state is unsound" in told
    assert run(state, "--repair") == 0
    told = capsys.readouterr().out
    assert "records 2 to 2 of log event are gone" in told
    assert "the event journal begins a new epoch" in told
    assert run(state) == 0
    store = SqliteStore.open(state / "front")
    assert store.load("document").keys() == {"vm/1", "vm/3"}
    assert [record.sequence for record in store.tail("event", 10, 1000)] == [1, 3]
    assert store.health().quarantined == 1
    store.close_now()
    (kept,) = (state / "front").glob("damaged-*")
    assert (kept / DATABASE).exists()


async def test_an_epoch_survives_a_repair_that_lost_no_event(state: Path) -> None:
    """Who follows the journal does not hear of a lost document."""
    await fill(state)
    spoil(state, "UPDATE records SET data = x'00' WHERE key = 'vm/2'")
    before = SqliteStore.open(state / "front")
    before.close_now()
    assert run(state, "--repair") == 0
    after = SqliteStore.open(state / "front")
    assert after.epoch == before.epoch
    after.close_now()


async def test_a_state_in_use_is_left_alone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither checked nor repaired while a daemon has it open."""
    await fill(state)
    store = SqliteStore.open(state / "front")
    assert run(state, "--repair") == 2
    assert "a daemon is using the state" in capsys.readouterr().err
    store.close_now()


def test_a_folder_that_is_not_there_is_not_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be a misspelt one."""
    assert run(tmp_path / "sate") == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_repair_goes_with_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    """It is nothing that a serving daemon does."""
    assert main(["--repair"]) == 2
    assert "--repair: goes with --check-state" in capsys.readouterr().err


@pytest.mark.parametrize("line", ("reserve_octets = -1", "journal_records = 3", "journal_days = 0", "journal_octets = true", "other = 1"))
def test_wrong_words_of_the_table_state(tmp_path: Path, line: str) -> None:
    """Named by file and key."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[state]\n{line}\n", "utf-8")
    with pytest.raises(ConfigError, match=rf"vdsmd.toml: state\.{line.split(maxsplit=1)[0]}"):
        read_config(["--config", str(file)])


def test_the_table_state(tmp_path: Path) -> None:
    """How much is kept."""
    file = tmp_path / "vdsmd.toml"
    file.write_text("[state]\nreserve_octets = 0\njournal_records = 1000\njournal_octets = 1000000\njournal_days = 3\n", "utf-8")
    assert read_config(["--config", str(file)]).state == StateConfig(0, 1000, 1_000_000, 3)
