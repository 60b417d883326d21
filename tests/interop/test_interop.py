"""Foreign clients against a daemon over TLS: each logs in, lists, follows, sees a VM start, drops, comes back and misses nothing.

Python's clients come with the set-up of the tree, Node's by ``make interop``. A browser's own WebSocket is in tests/browser.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from libvdsm.interfaces.generated.errors import ObjectNotFound
from tests.conftest import StartVdsmd
from tests.interop.conversation import Script, running
from tests.roads import Caller

HERE = Path(__file__).resolve().parent
NODE = shutil.which("node")
WORDS_OF_REFUSAL = {"NotAuthenticated", "amqp:unauthorized-access", "ConnectionError: Failed to authenticate: 1", 401}

_without_node = pytest.mark.skipif(NODE is None, reason="there is no Node on this machine")
_without_proton = pytest.mark.skipif(
    importlib.util.find_spec("proton") is None, reason="python-qpid-proton could not be built on this machine (make interop tells why)"
)
_without_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")


def of_python(name: str) -> list[str]:
    """The command of a script of Python."""
    return [sys.executable, str(HERE / "python" / f"{name}.py")]


def of_node(name: str) -> list[str]:
    """The command of a script of Node."""
    return [str(NODE), str(HERE / "node" / f"{name}.js")]


def _truth(admin: Caller, began: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.call("Event.read", {"topics": ["vm.#"], "after": began, "limit": 1000})["items"]
    return found


def _see_start(script: Script, admin: Caller, began: str, vm: str) -> None:
    """The script sees what the daemon knows: that the machine runs."""
    admin.done("VM.start", {"vmId": vm})
    runs = [each for each in _truth(admin, began) if each["object"]["id"] == vm and '"running"' in json.dumps(each)]
    script.wait_for_sequence(runs[-1]["sequence"])
    seen = next(each for each in script.events if each["sequence"] == runs[-1]["sequence"])
    assert seen["object"]["id"] == vm
    assert '"running"' in json.dumps(seen)


def token_of_alice(admin: Caller) -> str:
    """Hers, who may do what operators may."""
    admin.call("Access.grant", {"identity": "user:alice", "role": "operator"})
    return str(admin.call("Identity.createToken", {"label": "interop", "identity": "user:alice"})["token"])


@pytest.mark.parametrize(
    "command",
    (
        pytest.param(of_node("rhea"), id="rhea", marks=_without_node),
        pytest.param(of_python("proton_py"), id="qpid-proton", marks=_without_proton),
    ),
)
def test_reads_what_to_do_about_what_is_not_there(vdsmd: StartVdsmd, command: list[str]) -> None:
    daemon = vdsmd("--listen", "127.0.0.1:0", listen=None)
    ca = daemon.ready_file.parent / "state" / "pki" / "ca.crt"
    with Caller(daemon.socket) as admin:
        token = token_of_alice(admin)
    missing = ObjectNotFound(type="queue", id="nothing")
    said = ["amqp:not-found", {"error": missing.name, "remedy": missing.remedy}]
    with running(command, port=daemon.port, token=token, ca=str(ca)) as script:
        script.do("first")
        for word in ("connected", "vms", "following"):
            script.wait_for(word)
        script.do("nowhere")
        assert script.wait_for("nowhere") == said
        assert script.wait_for("rejected") == said


@pytest.mark.parametrize(
    "command",
    (
        pytest.param(of_python("stomp_py"), id="stomp.py"),
        pytest.param(of_node("stompjs"), id="stompjs", marks=_without_node),
        pytest.param(of_node("rhea"), id="rhea", marks=_without_node),
        pytest.param(of_python("proton_py"), id="qpid-proton", marks=_without_proton),
        pytest.param(of_python("curl"), id="curl", marks=_without_curl),
    ),
)
def test_logs_in_follows_drops_and_misses_nothing(vdsmd: StartVdsmd, command: list[str]) -> None:
    daemon = vdsmd("--listen", "127.0.0.1:0", listen=None)
    ca = daemon.ready_file.parent / "state" / "pki" / "ca.crt"
    with Caller(daemon.socket) as admin:
        token = token_of_alice(admin)
        vms = [each["id"] for each in admin.call("VM.list")["items"]]
        for vm in vms:
            if admin.call("VM.get", {"vmId": vm})["state"] != "stopped":
                admin.done("VM.stop", {"vmId": vm})
        with running(command, port=daemon.port, token=token, ca=str(ca)) as script:
            script.do("first")
            assert script.wait_for("connected")
            assert sorted(script.wait_for("vms")) == sorted(vms)
            assert script.wait_for("following")
            began = admin.call("Event.subscribe", {"topics": ["vm.#"]})["resume"]
            _see_start(script, admin, began, vms[0])

            script.do("drop")
            script.wait_for("dropped")
            admin.done("VM.start", {"vmId": vms[1]})
            admin.done("VM.stop", {"vmId": vms[0]})
            script.do("again")
            script.wait_for("back")
            _see_start(script, admin, began, vms[2])
            told = [each["sequence"] for each in script.events]
            assert told == [each["sequence"] for each in _truth(admin, began)][: len(told)]

        with running(command, port=daemon.port, token=token, ca=str(ca)) as stranger:
            stranger.do("stranger")
            assert stranger.wait_for("refused") in WORDS_OF_REFUSAL
