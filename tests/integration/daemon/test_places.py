"""Several places to come to, of one daemon: each with its own policy."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import PROGRAMS, start_vdsmd
from tests.roads import Address, Caller, ask_stream, connect

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{"pong":true}}\n'
HTTP = b"GET /rpc HTTP/1.0\r\nHost: localhost\r\n\r\n"
STOMP = b"CONNECT\naccept-version:1.2\nhost:x\n\n\0"


def listeners(ready_file: Path) -> dict[str, Address]:
    """Where a daemon listens beside its socket, by name."""
    found: dict[str, Address] = {}
    for each in json.loads(ready_file.read_text())["listeners"]:
        text = each["address"]
        host, _, port = text.rpartition(":")
        found[each["name"]] = Path(text.removeprefix("unix:")) if text.startswith("unix:") else (host.strip("[]"), int(port))
    return found


def first_words(address: Address, said: bytes) -> bytes:
    """What is answered to ``said``; empty if the connection is closed without a word."""
    with connect(address) as stream:
        stream.sendall(said)
        try:
            return stream.recv(65536)
        except ConnectionResetError:
            return b""


def test_who_proves_nothing_over_tls_is_nobody_also_beside_a_plain_place(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """``insecure`` makes everybody administrator on loopback; a place that speaks TLS alone may be any address, and is none of that."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(
        """
insecure = true
[[listen]]
address = "127.0.0.1:0"
name = "plain"
[[listen]]
address = "0.0.0.0:0"
name = "public"
tls = true
"""
    )
    daemon = vdsmd("--config", str(file), hypervisor="simulator:1", listen=None)
    at = listeners(daemon.ready_file)
    listing = b'{"jsonrpc":"2.0","id":1,"method":"VM.list"}'
    public = at["public"]
    assert isinstance(public, tuple)
    context = ssl.create_default_context(cafile=daemon.ready_file.parent / "state" / "pki" / "ca.crt")
    with connect(("127.0.0.1", public[1])) as bare, context.wrap_socket(bare, server_hostname="localhost") as stream:
        stream.sendall(listing + b"\n")
        answer = json.loads(stream.makefile("rb").readline())
        assert answer["error"]["data"]["error"] == "PermissionDenied"
    with Caller(at["plain"]) as caller:
        assert len(caller.call("VM.list")["items"]) == 1


def test_each_place_has_its_own_policy(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """IPv4, IPv6 and unix sockets; what one of them does not speak is closed there and served elsewhere."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(
        f"""
insecure = true
[bindings]
enabled = ["json", "http", "stomp"]
[[listen]]
address = "127.0.0.1:0"
name = "all"
[[listen]]
address = "[::1]:0"
name = "calls"
protocols = ["json"]
[[listen]]
address = "unix:{tmp_path / "web"}"
name = "web"
protocols = ["http"]
"""
    )
    daemon = vdsmd("--config", str(file), hypervisor="simulator:1", listen=None)
    at = listeners(daemon.ready_file)
    spoken = {
        name: [bool(first_words(address, said)) for said in (PING + b"\n", HTTP, STOMP, b"AMQP\0\1\0\0")] for name, address in at.items()
    }
    assert spoken == {
        "all": [True, True, True, False],
        "calls": [True, False, False, False],
        "web": [False, True, False, False],
    }
    with Caller(daemon.socket) as caller, Caller(at["calls"]) as other:
        other.call("Host.ping")
        (seen,) = caller.call("Connection.list", {"filter": {"address": "::1"}})["items"]
        assert (seen["listener"], seen["identity"]) == ("calls", "anonymous")
        assert {each["listener"] for each in caller.call("Connection.list")["items"]} >= {"local", "calls"}


def test_a_place_may_need_certificates_where_another_does_not(tmp_path: Path) -> None:
    """The same daemon, with TLS alone on one port and plain on another; who has no certificate is nobody on the first."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(
        """
insecure = true
[[listen]]
address = "127.0.0.1:0"
name = "plain"
tls = false
[[listen]]
address = "127.0.0.1:0"
name = "tls"
tls = true
client_certificates = "required"
[[listen]]
address = "127.0.0.1:0"
name = "both"
"""
    )
    daemon = start_vdsmd(tmp_path / "d", "--config", str(file), hypervisor="simulator:1", listen=None)
    try:
        at = listeners(daemon.ready_file)
        assert ask_stream(at["plain"], PING) == PONG
        assert ask_stream(at["both"], PING) == PONG
        host, port = at["both"] if isinstance(at["both"], tuple) else ("", 0)
        assert _over_tls(host, port, PING + b"\n")["result"] == {"pong": True}
        assert first_words(at["tls"], PING + b"\n") == b""
        assert first_words(at["tls"], HTTP).startswith(b"HTTP/1.1 400 ")
        host, port = at["tls"] if isinstance(at["tls"], tuple) else ("", 0)
        refused = _over_tls(host, port, b'{"jsonrpc":"2.0","id":1,"method":"VM.list"}\n')
        assert refused["error"]["data"]["error"] == "PermissionDenied"
    finally:
        daemon.stop()


def _over_tls(host: str, port: int, request: bytes) -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["jsonrpc"])
    with socket.create_connection((host, port), 20) as plain, context.wrap_socket(plain) as stream, stream.makefile("rb") as reader:
        assert stream.selected_alpn_protocol() == "jsonrpc"
        stream.sendall(request)
        return json.loads(reader.readline())


def test_sockets_from_systemd_are_served(tmp_path: Path) -> None:
    """The descriptors that it hands over, by name: a TCP one with a table, the local one by its path. No libsystemd is needed."""
    with ExitStack() as opened:
        tcp, local = opened.enter_context(socket.socket()), opened.enter_context(socket.socket(socket.AF_UNIX))
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        local.bind(str(tmp_path / "local"))
        local.listen()
        file, ready = tmp_path / "vdsmd.toml", tmp_path / "ready"
        file.write_text('insecure = true\n[[listen]]\naddress = "systemd:web"\nprotocols = ["json"]\n')
        words = ["--config", str(file), "--socket", str(tmp_path / "local"), "--state-dir", str(tmp_path / "state")]
        words += ["--hypervisor", "simulator:1", "--ready-file", str(ready)]
        script = f'exec 3<&{tcp.fileno()} 4<&{local.fileno()}; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:vdsmd exec "$@"'
        daemon = subprocess.Popen(
            ["bash", "-c", script, "bash", str(PROGRAMS / "vdsmd"), *words],
            pass_fds=(tcp.fileno(), local.fileno()),
            stderr=subprocess.PIPE,
            env={**os.environ},
        )
        try:
            # The kernel keeps whoever comes before the daemon is ready: that is what activation is for.
            assert ask_stream(tcp.getsockname(), PING) == PONG
            assert first_words(tcp.getsockname(), HTTP) == b""
            assert ask_stream(tmp_path / "local", PING) == PONG
        finally:
            daemon.terminate()
            _out, told = daemon.communicate(timeout=20)
        assert daemon.returncode == 0, told.decode()
        assert (tmp_path / "local").exists()


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    (
        ("listen = 'systemd:web'", 3, "systemd:web: no socket of this name was handed to us"),
        ("[bindings]\nenabled = []", 2, "bindings.enabled: one protocol at least must be spoken"),
        ("[bindings]\nenabled = ['json', 'gopher']", 2, "bindings.enabled: 'gopher' is no protocol of ours"),
    ),
)
def test_what_cannot_be_served_is_said_at_the_start(tmp_path: Path, words: str, status: int, complaint: str) -> None:
    """With the exit status of its kind."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(words + "\n")
    arguments = [str(PROGRAMS / "vdsmd"), "--config", str(file), "--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "state")]
    ended = subprocess.run([*arguments, "--hypervisor", "simulator"], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == status, ended.stderr
    assert complaint in ended.stderr
