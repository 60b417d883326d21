"""A certificate's whole life, as its owner and its host see it: issued, used on both roads, renewed, revoked, enrolled anew."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from libvdsm.client import ApiError, ClientError, sync
from libvdsm.subsystems.host.pki.plan import DAY_S
from tests.conftest import StartVdsmd
from tests.secure import LISTEN, VDSMSH, Secured


@pytest.fixture
def secured(vdsmd: StartVdsmd, tmp_path: Path) -> Secured:
    return Secured(vdsmd(*LISTEN, hypervisor="simulator:2", listen=None), tmp_path)


def error_of(client: sync.Client, method: str, params: dict[str, Any]) -> tuple[int, str]:
    """An error answer, without the id that was asked for."""
    with pytest.raises(ApiError) as caught:
        client.call(method, params)
    return caught.value.code, caught.value.message.replace(str(params.get("vmId")), "ID")


def test_alice_does_what_she_was_granted_until_she_is_revoked(secured: Secured) -> None:
    """Allowed, refused and invisible, over TCP and HTTP; then her open connections end."""
    admin = sync.connect(secured.daemon.url)
    web_id = admin.call("VM.create", {"name": "web-1", "config": {"memory": 256 * 1024**2, "vcpus": 1}, "project": "web"})["vmId"]
    other_id = next(vm["id"] for vm in admin.call("VM.list")["items"] if vm["id"] != web_id)
    files = secured.issue("alice", "--role", "operator", "--project", "web")
    assert Path(files.key).stat().st_mode & 0o777 == 0o600

    roads = [secured.client(files, road) for road in ("tls", "https")]
    for alice in roads:
        assert alice.call("Identity.whoAmI")["identity"] == "user:alice"
        assert [vm["id"] for vm in alice.call("VM.list")["items"]] == [web_id]
        assert alice.call("VM.start", {"vmId": web_id}, wait=20)["task"]["state"] == "done"
        assert alice.call("VM.stop", {"vmId": web_id}, wait=20)["task"]["state"] == "done"
        assert error_of(alice, "VM.delete", {"vmId": web_id})[1] == "user:alice lacks the permission vm.define"
        absent = str(uuid.uuid4())
        assert error_of(alice, "VM.get", {"vmId": other_id}) == error_of(alice, "VM.get", {"vmId": absent})
        assert error_of(alice, "VM.start", {"vmId": other_id}) == error_of(alice, "VM.start", {"vmId": absent})
        with pytest.raises(ApiError):
            alice.call("Certificate.list")

    secured.shell("pki", "revoke", "alice")
    secured.wait_for_log("ends the connection of user:alice", 2)
    for alice in roads:
        with pytest.raises(ClientError):
            alice.call("Identity.whoAmI")
        alice.close()
    admin.close()


def test_the_shell_speaks_tls(secured: Secured) -> None:
    """With a certificate alone: its key and the CA lie beside it."""
    files = secured.issue("bob", "--role", "reader")
    for address in (["--host", f"127.0.0.1:{secured.daemon.port}"], ["--url", f"https://localhost:{secured.daemon.port}"]):
        ran = subprocess.run(
            [VDSMSH, *address, "--cert", files.certificate, "identity", "who-am-i"], capture_output=True, text=True, timeout=60, check=True
        )
        assert json.loads(ran.stdout)["identity"] == "user:bob"
    listed = json.loads(secured.shell("pki", "list"))["items"]
    assert {each["kind"] for each in listed} == {"server", "ca", "client"}
    assert [each["identity"] for each in listed if each["kind"] == "client"] == ["user:bob"]


def test_an_issued_pair_is_not_overwritten_and_a_renewed_one_takes_its_place(secured: Secured) -> None:
    """The old certificate works until its end; both are the same identity's."""
    files = secured.issue("carol")
    before = Path(files.certificate).read_bytes()
    assert "is there already" in secured.shell("pki", "issue", "carol", "--out", str(Path(files.ca).parent), fails=True)
    old = secured.client(files)
    old.open()
    secured.shell("pki", "renew", "carol", "--out", str(Path(files.ca).parent))
    assert Path(files.certificate).read_bytes() != before
    new = secured.client(files)
    assert old.call("Identity.whoAmI")["identity"] == new.call("Identity.whoAmI")["identity"] == "user:carol"
    first, second = (each for each in json.loads(secured.shell("pki", "list", "carol"))["items"])
    assert first["replacedBy"] == second["id"]
    old.close()
    new.close()


def test_who_has_an_expired_certificate_enrols_anew_with_a_token(secured: Secured) -> None:
    """Once; the token is worth nothing afterwards, and nobody else's words tell why."""
    expired = secured.write(secured.authority().client("user:dora", 1, time.time() - 2 * DAY_S), "dora")
    with pytest.raises(ClientError):
        secured.client(expired).call("Identity.whoAmI")
    token = json.loads(secured.shell("pki", "invite", "dora"))["token"]
    out = secured.folder / "dora-new"
    command: list[str | Path] = [
        VDSMSH,
        "--host",
        f"127.0.0.1:{secured.daemon.port}",
        "--ca",
        expired.ca,
        "pki",
        "enrol",
        "--out",
        str(out),
    ]
    ran = subprocess.run(command, input=token, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    again = subprocess.run(command, input=token, capture_output=True, text=True, timeout=60, check=False)
    assert "not valid: wrong, used or expired" in again.stderr
    ran = subprocess.run(
        [VDSMSH, "--host", f"127.0.0.1:{secured.daemon.port}", "--cert", str(out / "dora.crt"), "identity", "who-am-i"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(ran.stdout)["identity"] == "user:dora"
    assert token not in secured.daemon.log


def test_events_of_certificates_are_for_those_who_may_see_them(secured: Secured) -> None:
    """Issued, renewed and revoked are told to the administrator, and to nobody without the right."""
    files = secured.issue("erin", "--role", "operator")
    with sync.connect(secured.daemon.url) as admin, secured.client(files) as erin, admin.events(["certificate.#"]) as told:
        begins = {client: client.call("Event.read", {"topics": ["certificate.#"]})["resume"] for client in (erin, admin)}
        made = admin.call("Certificate.issue", {"identity": "user:frank"})
        admin.call("Certificate.revoke", {"certificateId": made["id"]})
        first, second = (next(iter(told)).event for _ in range(2))
        assert first is not None
        assert second is not None
        assert (first.change, second.change) == ("added", "changed")
        assert first.topic == f"certificate.{made['id']}"
        assert "revokedAt" in second.to_wire()["patch"]
        seen = [client.call("Event.read", {"topics": ["certificate.#"], "after": begin}) for client, begin in begins.items()]
        assert [len(each["items"]) for each in seen] == [0, 2]
