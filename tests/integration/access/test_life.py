"""Rights over the life of a daemon: granted, used, taken away with what they opened, kept across a restart."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.roads import Address, Caller, connect

WEB = {"kind": "project", "project": "web"}


def vm(admin: Caller, name: str, project: str) -> str:
    return str(admin.call("VM.create", {"name": name, "config": {"memory": 268435456}, "project": project})["vmId"])


def token(admin: Caller, identity: str, **more: object) -> dict[str, str]:
    return admin.call("Identity.createToken", {"label": "test", "identity": identity, **more})


class Bearer:
    """A client that sends its token with each request over one connection."""

    def __init__(self, address: Address, text: str) -> None:
        self._connection = http.client.HTTPConnection("localhost", timeout=60)
        self._connection.sock = connect(address)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {text}"}

    def status(self, method: str, params: object = None) -> tuple[int, dict[str, Any]]:
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})
        self._connection.request("POST", "/rpc", request, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def has_ended(self) -> bool:
        return self._connection.sock.recv(1) == b""

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    return vdsmd(hypervisor="simulator:0")


def test_alice_does_what_she_may_and_sees_no_more(daemon: VdsmdProcess) -> None:
    """Over TCP and HTTP: allowed, refused and invisible as granted; events too."""
    assert daemon.port is not None
    tcp = ("127.0.0.1", daemon.port)
    with Caller(daemon.socket) as admin, Caller(tcp) as alice:
        mine, other = vm(admin, "mine", "web"), vm(admin, "other", "db")
        admin.call("Access.grant", {"identity": "user:alice", "role": "operator", "scope": WEB})
        text = token(admin, "user:alice")["token"]
        assert alice.call("Identity.login", {"token": text})["identity"] == "user:alice"
        alice.call("Event.subscribe", {"topics": ["vm.#"], "snapshot": True})
        assert [each["id"] for each in alice.call("VM.list")["items"]] == [mine]
        assert alice.error("VM.delete", {"vmId": mine})["data"]["error"] == "PermissionDenied"
        assert alice.error("VM.start", {"vmId": other})["data"]["error"] == "ObjectNotFound"
        admin.done("VM.start", {"vmId": other})
        alice.done("VM.start", {"vmId": mine})
        assert {each["object"]["id"] for each in alice.call("Task.list")["items"]} == {mine}
        bearer = Bearer(tcp, text)
        status, answer = bearer.status("VM.get", {"vmId": mine})
        assert (status, answer["result"]["state"], answer["result"]["project"]) == (200, "running", "web")
        status, answer = bearer.status("VM.get", {"vmId": other})
        assert answer["error"]["data"]["error"] == "ObjectNotFound"
        bearer.close()
        alice.call("Host.ping")
        assert {event["event"]["object"]["id"] for event in alice.events} == {mine}


def test_a_revoked_token_ends_open_connections(daemon: VdsmdProcess) -> None:
    """Those that logged in by it, and those whose requests bear it; a new one is 401."""
    assert daemon.port is not None
    tcp = ("127.0.0.1", daemon.port)
    with Caller(daemon.socket) as admin, Caller(tcp) as alice:
        admin.call("Access.grant", {"identity": "user:alice", "role": "operator", "scope": WEB})
        made = token(admin, "user:alice")
        alice.call("Identity.login", {"token": made["token"]})
        bearer = Bearer(tcp, made["token"])
        assert bearer.status("Host.ping")[0] == 200
        admin.call("Identity.revokeToken", {"tokenId": made["tokenId"]})
        with pytest.raises(AssertionError, match="the daemon closed the connection"):
            alice.read()
        assert bearer.has_ended()
        bearer.close()
        late = Bearer(tcp, made["token"])
        assert late.status("Host.ping")[0] == 401
        late.close()


def test_a_token_ends_by_its_time(daemon: VdsmdProcess) -> None:
    """Without anybody asking."""
    with Caller(daemon.socket) as admin, Caller(daemon.socket) as alice:
        alice.call("Identity.login", {"token": token(admin, "user:alice", expiresIn=6)["token"]})
        with pytest.raises(AssertionError, match="the daemon closed the connection"):
            alice.read()
        assert admin.call("Identity.listTokens")["items"] == []


def test_a_machine_that_moves_leaves_and_enters(daemon: VdsmdProcess) -> None:
    """By VM.update; the permission is needed in both projects, and each side hears what it is to it."""
    with Caller(daemon.socket) as admin, Caller(daemon.socket) as alice:
        mine = vm(admin, "mine", "web")
        admin.call("Access.grant", {"identity": "user:alice", "role": "administrator", "scope": WEB})
        alice.call("Identity.login", {"token": token(admin, "user:alice")["token"]})
        alice.call("Event.subscribe", {"topics": ["vm.#"]})
        assert alice.error("VM.update", {"vmId": mine, "project": "db"})["data"]["error"] == "PermissionDenied"
        admin.call("VM.update", {"vmId": mine, "project": "db"})
        assert alice.error("VM.get", {"vmId": mine})["data"]["error"] == "ObjectNotFound"
        admin.call("VM.update", {"vmId": mine, "project": "web"})
        assert alice.call("VM.get", {"vmId": mine})["project"] == "web"
        changes = [(event["event"]["change"], event["event"]["object"]["project"]) for event in alice.events]
        assert changes == [("removed", "web"), ("added", "web")]


def test_rights_are_kept_across_a_restart(tmp_path: Path) -> None:
    """Grants, roles, tokens and projects; what was revoked stays so."""
    first = start_vdsmd(tmp_path / "one", hypervisor="simulator:0", listen=None)
    try:
        with Caller(first.socket) as admin:
            mine = vm(admin, "mine", "web")
            admin.call("Access.defineRole", {"name": "watcher", "permissions": ["vm.read"]})
            admin.call("Access.grant", {"identity": "user:alice", "role": "watcher", "scope": WEB})
            gone = admin.call("Access.grant", {"identity": "user:alice", "role": "operator"})
            admin.call("Access.revoke", {"grantId": gone["id"]})
            kept, revoked = token(admin, "user:alice"), token(admin, "user:alice")
            admin.call("Identity.revokeToken", {"tokenId": revoked["tokenId"]})
    finally:
        first.stop()
    second = start_vdsmd(tmp_path / "one", hypervisor="simulator:0", listen=None)
    try:
        with Caller(second.socket) as alice:
            assert alice.call("Identity.login", {"token": kept["token"]})["permissions"] == []
            assert [each["id"] for each in alice.call("VM.list")["items"]] == [mine]
            told = alice.call("Identity.whoAmI")
            assert told["projects"] == [{"project": "web", "permissions": ["vm.read"]}]
            assert alice.error("Identity.login", {"token": revoked["token"]})["data"]["error"] == "NotAuthenticated"
    finally:
        second.stop()
