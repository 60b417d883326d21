"""Events, figures and pages of a real daemon over HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.roads import Address, Caller, connect

WEB = {"kind": "project", "project": "web"}
ALL_VMS = "/events?topics=" + quote("vm.#")


def fetch(address: Address, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = connect(address)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


class Events:
    """An EventSource: what is told, and its last id."""

    def __init__(self, address: Address, path: str, last: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("localhost", timeout=60)
        self._connection.sock = connect(address)
        named = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Last-Event-ID": last} if last else {})
        self._connection.request("GET", path, headers={"Accept": "text/event-stream", **named})
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.last = last

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kind and data of each event."""
        kind, data = "message", ""
        while line := self.answer.readline().decode().rstrip("\n") or "-":
            if line == "-":
                if data:
                    yield kind, json.loads(data)
                kind, data = "message", ""
            elif line.startswith("id: "):
                self.last = line[4:]
            elif line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data += line[6:]

    def until(self, vm: str, **wanted: object) -> list[dict[str, Any]]:
        """All events up to the one of this machine whose patch has these members."""
        found = []
        for _kind, event in self:
            found.append(event)
            patch = event.get("patch", {})
            if event.get("object", {}).get("id") == vm and all(patch.get(name) == value for name, value in wanted.items()):
                return found
        raise AssertionError(found)

    def close(self) -> None:
        """Go away."""
        self.answer.close()
        self._connection.close()


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    return vdsmd(hypervisor="simulator:0")


def create(admin: Caller, name: str, project: str) -> str:
    return str(admin.call("VM.create", {"name": name, "config": {"memory": 268435456}, "project": project})["vmId"])


@pytest.mark.parametrize("road", ("unix", "tcp"))
def test_a_client_drops_the_line_comes_back_and_misses_nothing(daemon: VdsmdProcess, road: str) -> None:
    """Snapshot, then what follows; while it is away a machine starts and stops; each change comes once."""
    with Caller(daemon.socket) as admin:
        vm = create(admin, "one", "web")
        token = admin.call("Identity.createToken", {"label": "t"})["token"]
        address: Address = daemon.socket if road == "unix" else ("127.0.0.1", daemon.port or 0)
        bearer = {} if road == "unix" else {"Authorization": f"Bearer {token}"}
        events = Events(address, ALL_VMS + "&snapshot=true", **bearer)
        assert events.until(vm, name="one")[-1]["change"] == "added"
        events.close()
        admin.done("VM.start", {"vmId": vm})
        admin.done("VM.stop", {"vmId": vm})
        again = Events(address, ALL_VMS + "&snapshot=true", events.last, **bearer)
        away = again.until(vm, state="stopped")
        assert next(each["patch"]["state"] for each in away if "state" in each["patch"]) != "stopped"
        assert all(each["change"] == "changed" for each in away)
        sequences = [each["sequence"] for each in away]
        assert sequences == sorted(set(sequences))
        again.close()


def test_events_outlive_the_daemon(tmp_path: Path) -> None:
    """A token of the life before resumes in the next one."""
    daemon = start_vdsmd(tmp_path, hypervisor="simulator:0")
    with Caller(daemon.socket) as admin:
        vm = create(admin, "one", "web")
        events = Events(daemon.socket, ALL_VMS + "&snapshot=true")
        events.until(vm, name="one")
        other = create(admin, "two", "web")
    daemon.stop()
    events.close()
    daemon = start_vdsmd(tmp_path, hypervisor="simulator:0")
    try:
        again = Events(daemon.socket, ALL_VMS + "&snapshot=true", events.last)
        assert {each["object"]["id"] for each in again.until(other, name="two")} == {other}
        again.close()
    finally:
        daemon.stop()


def test_a_token_sees_what_it_may_and_ends_its_stream(daemon: VdsmdProcess) -> None:
    """Only the project's machines; when the token is revoked the stream ends; a wrong token is 401, one without rights 403."""
    tcp = ("127.0.0.1", daemon.port or 0)
    with Caller(daemon.socket) as admin:
        admin.call("Access.grant", {"identity": "user:alice", "role": "reader", "scope": WEB})
        made = admin.call("Identity.createToken", {"label": "t", "identity": "user:alice"})
        events = Events(tcp, ALL_VMS, Authorization=f"Bearer {made['token']}")
        create(admin, "other", "db")
        mine = create(admin, "mine", "web")
        assert {each["object"]["id"] for each in events.until(mine, name="mine")} == {mine}
        admin.call("Identity.revokeToken", {"tokenId": made["tokenId"]})
        with pytest.raises(http.client.IncompleteRead):
            events.answer.read()
        events.close()
        assert fetch(tcp, "/events", Authorization="Bearer nonsense")[0] == 401
        nobody = admin.call("Identity.createToken", {"label": "t", "identity": "user:eve"})["token"]
        assert fetch(tcp, "/events", Authorization=f"Bearer {nobody}")[0] == 403


def test_figures_are_for_monitoring(vdsmd: StartVdsmd) -> None:
    """With the permission, of all that there is; without it none, and that is in the audit trail."""
    daemon = vdsmd(hypervisor="simulator:5")
    tcp = ("127.0.0.1", daemon.port or 0)
    with Caller(daemon.socket) as admin:
        admin.call("VM.getStats")
        admin.error("VM.get", {"vmId": "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"})
        token = admin.call("Identity.createToken", {"label": "m", "identity": "user:monitor"})["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert fetch(tcp, "/metrics", **bearer)[0] == 403
        with connect(tcp) as stomp:
            stomp.sendall(b"CONNECT\naccept-version:1.2\nhost:x\npasscode:wrong\n\n\0")
            assert stomp.recv(5) == b"ERROR"
        admin.call("Access.grant", {"identity": "user:monitor", "role": "reader", "scope": {"kind": "everywhere"}})
        status, headers, text = fetch(tcp, "/metrics", **bearer, Accept_Encoding="gzip")
        assert (status, headers["content-encoding"]) == (200, "gzip")
        lines = gzip.decompress(text).decode().splitlines()
        assert 'libvdsm_errors_total{error="ObjectNotFound"} 1' in lines
        assert 'libvdsm_connections{protocol="json"} 1' in lines
        assert sum(line.startswith("libvdsm_vm_state{") for line in lines) == 5
        assert 'libvdsm_messaging_events_total{protocol="stomp",event="refused_logins"} 1' in lines
        assert 'libvdsm_messaging_events_total{protocol="amqp",event="refused_logins"} 0' in lines
        refused = admin.call("Audit.list", {"filter": {"method": "GET /metrics"}})["items"]
        assert [(each["outcome"], each["identity"]) for each in refused] == [("refused", "user:monitor")]


def test_pages_are_served(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Those of the API always; a web console from the folder that the configuration names, and nothing beside it."""
    console = tmp_path / "console"
    console.mkdir()
    (console / "index.html").write_text("<!doctype html><title>console</title>")
    (tmp_path / "secret").write_text("secret")
    config = tmp_path / "vdsmd.toml"
    config.write_text(f'[http]\nui = "{console}"\n')
    daemon = vdsmd("--config", str(config), hypervisor="simulator:0")
    tcp = ("127.0.0.1", daemon.port or 0)
    status, headers, body = fetch(tcp, "/ui/")
    assert (status, body) == (200, b"<!doctype html><title>console</title>")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert fetch(tcp, "/ui/", If_None_Match=headers["etag"])[0] == 304
    assert fetch(tcp, "/ui/../secret")[0] == 404
    assert b"VM.list" in fetch(tcp, "/docs/")[2]
    assert json.loads(fetch(tcp, "/docs/openrpc.json")[2])["openrpc"]
    assert fetch(tcp, "/docs/", Origin="http://evil.example")[0] == 403
    assert fetch(tcp, "/docs/", Host="evil.example")[0] == 421
