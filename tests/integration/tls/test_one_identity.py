"""One rule at every door: over a client certificate a token speaks for the certificate's identity, or for nobody."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.secure import LISTEN, PATIENCE_S, Files, Secured

#: Of an answer, what says that it is over, and what it begins with if the token was taken.
Door = Callable[["Client", str], bool]


class Client:
    """A bare client with a certificate."""

    def __init__(self, secured: Secured, files: Files) -> None:
        plain = socket.create_connection(("127.0.0.1", secured.daemon.port), timeout=PATIENCE_S)
        self.sock: ssl.SSLSocket = secured.context(files).wrap_socket(plain, server_hostname="localhost")
        self.sock.settimeout(PATIENCE_S)

    def close(self) -> None:
        """Let go."""
        self.sock.close()

    def until(self, end: bytes, sent: bytes) -> bytes:
        """What is answered, up to and with ``end``, or all of it if the daemon hangs up."""
        self.sock.sendall(sent)
        found = b""
        while end not in found:
            data = self.sock.recv(65_536)
            if not data:
                break
            found += data
        return found

    def call(self, method: str, params: object) -> dict[str, Any]:
        """An answer in raw JSON."""
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"
        answer: dict[str, Any] = json.loads(self.until(b"\n", request))
        return answer

    def get(self, token: str, *headers: str) -> bytes:
        """The status line of a request with this token."""
        lines = ("GET /ws HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}", *headers)
        return self.until(b"\r\n\r\n", "\r\n".join((*lines, "", "")).encode()).partition(b"\r\n")[0]

    def post(self, token: str) -> bytes:
        """The whole answer to ``Identity.whoAmI`` over HTTP with this token."""
        body = b'{"jsonrpc":"2.0","id":1,"method":"Identity.whoAmI"}'
        head = f"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return self.until(b"}", f"{head}Authorization: Bearer {token}\r\n\r\n".encode() + body)


def by_json(client: Client, token: str) -> bool:
    """``Identity.login``."""
    answer = client.call("Identity.login", {"token": token})
    assert "result" in answer or answer["error"]["data"]["error"] == "NotAuthenticated"
    return "result" in answer


def by_http(client: Client, token: str) -> bool:
    """The header of a request."""
    answer = client.post(token)
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 401 "))
    return b"user:alice" in answer


def by_websocket(client: Client, token: str) -> bool:
    """The header of the handshake."""
    status = client.get(token, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
    assert status.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 401 "))
    return b" 101 " in status


def by_stomp(client: Client, token: str) -> bool:
    """The passcode."""
    answer = client.until(b"\0", f"STOMP\naccept-version:1.2\nhost:here\npasscode:{token}\n\n\0".encode())
    assert answer.startswith((b"CONNECTED", b"ERROR"))
    return answer.startswith(b"CONNECTED")


def by_amqp(client: Client, token: str) -> bool:
    """PLAIN: a frame of SASL with sasl-init (5.3.3.2); its outcome is the last frame (5.3.3.6)."""
    header = b"AMQP\x03\x01\x00\x00"
    client.until(b"PLAIN", header)
    response = b"\0\0" + token.encode()
    fields = b"\xa3\x05PLAIN" + b"\xa0" + bytes((len(response),)) + response
    body = b"\x00\x53\x41\xc0" + bytes((len(fields) + 1, 2)) + fields
    answer = client.until(b"\x00\x53\x44", (8 + len(body)).to_bytes(4, "big") + b"\x02\x01\x00\x00" + body)
    code = answer.partition(b"\x00\x53\x44")[2]
    while len(code) < len(b"\xc0\x03\x01\x50\x00"):
        code += client.sock.recv(1024)
    return code.endswith(b"\x50\x00")


DOORS: dict[str, Door] = {"raw JSON": by_json, "HTTP": by_http, "WebSocket": by_websocket, "STOMP": by_stomp, "AMQP": by_amqp}


@pytest.fixture
def secured(vdsmd: StartVdsmd, tmp_path: Path) -> Secured:
    return Secured(vdsmd(*LISTEN, hypervisor="simulator:0", listen=None), tmp_path)


def token(secured: Secured, identity: str) -> str:
    made = json.loads(secured.shell("call", "Identity.createToken", json.dumps({"label": "test", "identity": identity})))
    return str(made["token"])


def test_over_a_certificate_a_token_is_of_the_same_identity(secured: Secured) -> None:
    """Alice's own works, bob's does not, at any door; nor after her own was taken."""
    alice = secured.issue("alice")
    mine, others = token(secured, "user:alice"), token(secured, "user:bob")
    taken: dict[str, tuple[bool, bool]] = {}
    for name, door in DOORS.items():
        with closing(Client(secured, alice)) as first, closing(Client(secured, alice)) as second:
            taken[name] = (door(first, mine), door(second, others))
    assert taken == dict.fromkeys(DOORS, (True, False))
    with closing(Client(secured, alice)) as client:
        assert by_json(client, mine)
        assert not by_json(client, others)
        assert client.call("Identity.whoAmI", {})["result"]["identity"] == "user:alice"


def test_a_revoked_certificate_ends_what_speaks_by_a_token(secured: Secured) -> None:
    """Over HTTP, too, where each request brings its own."""
    alice = secured.issue("alice")
    mine = token(secured, "user:alice")
    with closing(Client(secured, alice)) as client:
        assert by_http(client, mine)
        secured.shell("pki", "revoke", "alice")
        assert client.until(b"never", b"") == b""
