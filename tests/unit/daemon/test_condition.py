"""What the front says of its own process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from libvdsm.daemon.addresses import Address, Listen
from libvdsm.daemon.condition import looks
from libvdsm.daemon.config import Config


def state(config: Config, id: str) -> str:
    [finding] = looks(config)[id]()
    assert finding.id == id
    return finding.state.value


def test_each_look_finds_what_it_is_named_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {id: state(Config(), id) in ("ok", "limited") for id in looks(Config())} == dict.fromkeys(
        ("daemon.listening", "daemon.openFiles", "daemon.user", "state.room"), True
    )


def test_plain_addresses_are_told(tmp_path: Path) -> None:
    config = Config(socket=tmp_path / "s", listen=(Listen(address=Address("127.0.0.1", 54321)),))
    assert state(config, "daemon.listening") == "ok"
    assert state(replace(config, insecure=True), "daemon.listening") == "limited"
    [finding] = looks(config)["daemon.listening"]()
    assert "TCP 127.0.0.1:54321 (TLS)" in finding.summary


def test_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state(Config(), "daemon.user") == "limited"
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert state(Config(), "daemon.user") == "ok"
