"""What a daemon shows to the network: TLS, and nothing in plain unless that was said aloud."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from libvdsm.client import ApiError, sync
from tests.conftest import StartVdsmd
from tests.daemon_process import DaemonError
from tests.fakes.certificates import Pki
from tests.secure import LISTEN, Secured

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'


def listening_ports(pids: set[int]) -> set[int]:
    """The TCP ports on which these processes listen, as the kernel shows them."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def ask_plain(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(data)
        try:
            return sock.makefile("rb").read()
        except ConnectionResetError:
            return b""


def test_nothing_is_served_in_plain_unless_insecure_is_said(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Every TCP port of every process of the daemon is tried."""
    secured = Secured(vdsmd(*LISTEN, hypervisor="simulator:1", listen=None), tmp_path)
    ports = listening_ports({secured.daemon.pid, *secured.daemon.family()})
    assert ports == {secured.daemon.port}
    for port in ports:
        assert ask_plain(port, PING) == b""
        answer = ask_plain(port, b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"speaks TLS" in answer
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            secured.context().wrap_socket(plain, server_hostname="localhost") as link,
        ):
            link.sendall(PING)
            assert b"pong" in link.recv(4096)
            assert link.version() == "TLSv1.3"


def test_without_listen_there_is_no_port(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd(hypervisor="simulator:1", listen=None)
    assert listening_ports({daemon.pid, *daemon.family()}) == set()


def test_the_keys_of_the_first_start_are_ours_alone_and_stay(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """EC P-256, readable by the owner alone; the next start makes no others, and a stranger's client trusts nothing by itself."""
    daemon = vdsmd(*LISTEN, hypervisor="simulator:1", listen=None)
    secured = Secured(daemon, tmp_path)
    assert stat.S_IMODE(secured.pki.stat().st_mode) == 0o700
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((secured.pki / name).stat().st_mode) == 0o600
    before = {path.name: path.read_bytes() for path in secured.pki.iterdir()}
    with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", daemon.port or 0), 10) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    daemon.stop()
    again = vdsmd(*LISTEN, "--state-dir", str(secured.folder_of_daemon / "state"), hypervisor="simulator:1", listen=None)
    assert {path.name: path.read_bytes() for path in secured.pki.iterdir()} == before
    with sync.connect(f"tls://localhost:{again.port}", ca=str(secured.pki / "ca.crt")) as client:
        assert client.call("Identity.whoAmI")["permissions"] == []


def test_the_front_cannot_read_a_key(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Only root's processes can; the front has no library that makes keys either."""
    secured = Secured(vdsmd(*LISTEN, hypervisor="simulator:1", listen=None), tmp_path)
    secured.issue("alice")  # by the host's worker
    maps = {
        name: Path(f"/proc/{pid}/maps").read_text("utf-8")
        for name, pid in {"front": secured.daemon.front, "supervisor": secured.daemon.pid}.items()
    }
    assert not any("cryptography" in each for each in maps.values())
    assert "cryptography" in Path(f"/proc/{secured.daemon.worker('host')}/maps").read_text("utf-8")
    front = next(line for line in Path(f"/proc/{secured.daemon.front}/status").read_text("utf-8").splitlines() if line.startswith("Uid:"))
    owner = (secured.pki / "ca.key").stat().st_uid
    if owner == 0:
        assert str(owner) not in front.split()[1:]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    (
        (lambda _certificate, key: key.chmod(0o640), "has mode 0640, and a key must have 0600"),
        (lambda _certificate, key: key.parent.chmod(0o777), "others can change what it is"),
        (lambda _certificate, key: key.unlink(), "No such file or directory"),
        (lambda certificate, _key: certificate.write_bytes(certificate.read_bytes()[:100]), "cannot be used together"),
        (lambda _certificate, key: key.write_bytes(b"nothing"), "cannot be used together"),
    ),
)
def test_keys_that_cannot_be_used_stop_the_start_with_a_reason(vdsmd: StartVdsmd, tmp_path: Path, spoil: object, complaint: str) -> None:
    """Before anything listens; exit status 2, as for any wrong word of the configuration."""
    pki = Pki(tmp_path / "given")
    certificate = pki.write(pki.server, "server")
    settings = tmp_path / "vdsmd.toml"
    settings.write_text(f'[tls]\ncertificate = "{certificate}"\nkey = "{pki.folder / "server.key"}"\n')
    assert callable(spoil)
    spoil(certificate, pki.folder / "server.key")
    with pytest.raises(DaemonError) as failure:
        vdsmd(*LISTEN, "--config", str(settings), hypervisor="simulator:1", listen=None)
    assert "ended with 2" in str(failure.value)
    assert "vdsmd: tls: " in str(failure.value)
    assert complaint in str(failure.value)


def test_with_required_certificates_nobody_without_one_does_anything_but_enrol(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Not even what needs no permission."""
    settings = tmp_path / "vdsmd.toml"
    settings.write_text('[tls]\nclient_certificates = "required"\n')
    secured = Secured(vdsmd(*LISTEN, "--config", str(settings), hypervisor="simulator:1", listen=None), tmp_path)
    for road in ("tls", "https"):
        stranger = secured.client(None, road)
        for method in ("Host.ping", "Identity.whoAmI", "rpc.discover", "VM.list", "Host.getInfo"):
            with pytest.raises(ApiError) as caught:
                stranger.call(method)
            assert caught.value.error == "PermissionDenied"
        stranger.close()
    token = json.loads(secured.shell("pki", "invite", "alice"))["token"]
    stranger = secured.client(None)
    made = stranger.call("Certificate.enrol", {"token": token})
    stranger.close()
    (tmp_path / "a.crt").write_text(made["certificate"])
    (tmp_path / "a.key").write_text(made["key"])
    with sync.connect(
        f"tls://127.0.0.1:{secured.daemon.port}",
        ca=str(secured.pki / "ca.crt"),
        certificate=str(tmp_path / "a.crt"),
        key=str(tmp_path / "a.key"),
    ) as alice:
        assert alice.call("Host.ping") == {"pong": True}


def test_certificates_of_others_speak_for_whom_the_settings_say(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """By fingerprint or by SAN; others of the same CA have no rights."""
    corporate = Pki(tmp_path / "corporate")
    settings = tmp_path / "vdsmd.toml"
    settings.write_text(
        f'[tls]\nclient_ca = "{corporate.ca_file}"\n[tls.identities]\n"URI:urn:libvdsm:identity:user:mapped" = "user:grace"\n'
    )
    secured = Secured(vdsmd(*LISTEN, "--config", str(settings), hypervisor="simulator:1", listen=None), tmp_path)
    secured.shell("access", "grant", "--identity", "user:grace", "--role", "reader")
    for name, permitted in (("user:mapped", True), ("user:other", False)):
        files = secured.write(corporate.client(name), name.partition(":")[2])
        with secured.client(files) as client:
            who = client.call("Identity.whoAmI")
            assert (who["identity"] == "user:grace") is permitted
            assert ("vm.read" in who["permissions"]) is permitted


def test_openssl_agrees_on_what_is_served(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """A foreign client: TLS 1.3 and its ciphers, and no older version."""
    secured = Secured(vdsmd(*LISTEN, hypervisor="simulator:1", listen=None), tmp_path)
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{secured.daemon.port}",
        "-CAfile",
        str(secured.pki / "ca.crt"),
        "-verify_return_error",
    ]
    good = subprocess.run([*command, "-tls1_3", "-alpn", "http/1.1"], input="", capture_output=True, text=True, timeout=30, check=False)
    assert "Verify return code: 0 (ok)" in good.stdout
    assert "ALPN protocol: http/1.1" in good.stdout
    assert subprocess.run([*command, "-tls1_2"], input="", capture_output=True, text=True, timeout=30, check=False).returncode != 0
