"""A wheel that is not ours, installed beside the daemon, calls through the bridge."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartVdsmd

EXAMPLE = Path(__file__).parents[3] / "examples" / "connector"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed in a folder of its own."""
    target = tmp_path_factory.mktemp("connector")
    source = tmp_path_factory.mktemp("source") / "connector"
    shutil.copytree(EXAMPLE, source)  # a build leaves its traces where it is built
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*command, str(source)], check=True, timeout=100)
    return target


def ask(path: Path, *lines: str) -> list[dict[str, object]]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        with client.makefile("rwb") as stream:
            answers = []
            for line in lines:
                stream.write(line.encode() + b"\n")
                stream.flush()
                answers.append(json.loads(stream.readline()))
            return answers


def test_an_installed_connector_that_is_enabled_serves_the_same_api(
    installed: Path, vdsmd: StartVdsmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    file = tmp_path / "vdsmd.toml"
    file.write_text('[connectors]\nenabled = ["line"]\n')
    daemon = vdsmd("--config", str(file), hypervisor="simulator:3")
    place = daemon.socket.parent / "state" / "front" / "line.sock"
    assert place.stat().st_mode & 0o777 == 0o600
    listed, pinged, unknown, wrong = ask(place, 'VM.list {"limit": 2}', "Host.ping", "VM.fly {}", 'VM.get {"id": 5}')
    assert len(listed["items"]) == 2  # type: ignore[arg-type]
    assert pinged == {"pong": True}
    assert unknown["error"]["data"]["error"] == "MethodNotFound"  # type: ignore[index]
    assert wrong["error"]["data"]["error"] == "InvalidParams"  # type: ignore[index]


def test_a_connector_that_nobody_offers_is_said_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "vdsmd.toml"
    file.write_text('[connectors]\nenabled = ["nobody"]\n')
    program = str(Path(sys.executable).with_name("vdsmd"))
    command = [program, "--config", str(file), "--state-dir", str(tmp_path / "s"), "--socket", str(tmp_path / "v.sock")]
    ended = subprocess.run([*command, "--hypervisor", "simulator"], capture_output=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert b"connectors.enabled: no installed package offers the connector 'nobody'" in ended.stderr
