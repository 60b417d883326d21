"""A console that is open on a real daemon ends when whoever has it may not open it any more."""

from __future__ import annotations

import socket
from contextlib import closing

from tests.conftest import StartVdsmd
from tests.roads import Address, Caller, connect

PATIENCE_S = 60.0


def open_console(address: Address, token: str, vm: str) -> socket.socket:
    """The byte stream of a serial console, as whoever has the token opens it."""
    with Caller(address) as caller:
        caller.call("Identity.login", {"token": token})
        ticket = caller.call("Console.open", {"vmId": vm, "kind": "serial", "takeOver": True})
    stream = connect(address, PATIENCE_S)
    head = f"GET {ticket['path']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: vdsm-stream\r\n\r\n"
    stream.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += stream.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return stream


def rest(stream: socket.socket) -> bytes:
    """All that still comes, until the daemon ends it."""
    found = b""
    while data := stream.recv(4_096):
        found += data
    return found


def test_a_console_ends_when_its_machine_moves_away(vdsmd: StartVdsmd) -> None:
    """To a project where its holder has no right; the connection by which it came was a request's with a token."""
    daemon = vdsmd(hypervisor="simulator:0")
    with Caller(daemon.socket) as admin:
        config = {"memory": 1 << 28, "serials": [{}]}
        vm = admin.call("VM.create", {"name": "web", "config": config, "project": "web"})["vmId"]
        admin.done("VM.start", {"vmId": vm})
        scope = {"kind": "project", "project": "web"}
        admin.call("Access.grant", {"identity": "user:alice", "role": "operator", "scope": scope})
        token = admin.call("Identity.createToken", {"label": "test", "identity": "user:alice"})["token"]
        with closing(open_console(daemon.socket, token, vm)) as stream:
            admin.call("VM.update", {"vmId": vm, "project": "shop"})
            rest(stream)


def test_a_console_ends_with_the_token_by_which_it_was_opened(vdsmd: StartVdsmd) -> None:
    """At once, as any other connection that the token opened."""
    daemon = vdsmd(hypervisor="simulator:0")
    with Caller(daemon.socket) as admin:
        vm = admin.call("VM.create", {"name": "web", "config": {"memory": 1 << 28, "serials": [{}]}})["vmId"]
        admin.done("VM.start", {"vmId": vm})
        admin.call("Access.grant", {"identity": "user:alice", "role": "operator", "scope": {"kind": "everywhere"}})
        made = admin.call("Identity.createToken", {"label": "test", "identity": "user:alice"})
        with closing(open_console(daemon.socket, made["token"], vm)) as stream:
            admin.call("Identity.revokeToken", {"tokenId": made["tokenId"]})
            rest(stream)
